/**
 * The service manager's protocol, sd_notify(3): READY, RELOADING, STOPPING, STATUS, WATCHDOG as Unix datagrams.  How a
 * datagram is sent is a parameter: Node has none.
 * Left out on purpose: FDSTORE, notify-reload's barrier (systemd before 253 knows neither well enough to rely on).
 */
import type { Clock } from "../base/clock.ts";
import { after, type Ms, ms } from "../base/unit.ts";
import { sendUnixDatagram } from "../netstack/kernel/unix-datagram.ts";

export interface ServiceManager {
  ready(status: string): void;
  reloading(): void;
  stopping(status: string): void;
  status(text: string): void;
  /** Feeds the watchdog for as long as `alive` says so; a daemon with a dead part gets restarted. */
  watch(clock: Clock, alive: () => boolean): Disposable;
}

export interface Environment {
  readonly NOTIFY_SOCKET?: string | undefined;
  readonly WATCHDOG_USEC?: string | undefined;
  readonly WATCHDOG_PID?: string | undefined;
}

/** The manager that started this process, if one did. */
export function serviceManagerOf(environment: Environment, pid: number): ServiceManager {
  // A manager that does not listen is its own trouble: a status line is not worth an error of ours.
  return serviceManager(environment, pid, (path, text) => void sendUnixDatagram(path, text));
}

/** `send` takes a socket path ("@name" is abstract) and a datagram. Without NOTIFY_SOCKET nothing is ever sent. */
export function serviceManager(
  environment: Environment,
  pid: number,
  send: (path: string, text: string) => void,
): ServiceManager {
  const path = environment.NOTIFY_SOCKET;
  let said = "";
  const say = (...lines: readonly string[]): void => {
    if (path !== undefined && path !== "") send(path, lines.join("\n"));
  };
  return {
    ready: (status) => say("READY=1", `STATUS=${oneLine(status)}`),
    reloading: () => say("RELOADING=1", `MONOTONIC_USEC=${process.hrtime.bigint() / 1_000n}`),
    stopping: (status) => say("STOPPING=1", `STATUS=${oneLine(status)}`),
    status: (text) => {
      if (text !== said) say(`STATUS=${oneLine(text)}`);
      said = text;
    },
    watch(clock, alive) {
      const every = watchdogEvery(environment, pid);
      if (every === undefined) return { [Symbol.dispose]: () => undefined };
      let alarm: Disposable;
      const feed = (): void => {
        if (alive()) say("WATCHDOG=1");
        alarm = clock.wakeAt(after(clock.now(), every), feed);
      };
      feed();
      return { [Symbol.dispose]: () => alarm[Symbol.dispose]() };
    },
  };
}

/** A third of what the manager waits for: one late feed must not end us.  undefined: nobody watches. */
export function watchdogEvery(environment: Environment, pid: number): Ms | undefined {
  const { WATCHDOG_USEC, WATCHDOG_PID } = environment;
  if (WATCHDOG_PID !== undefined && WATCHDOG_PID !== String(pid)) return undefined;
  const microseconds = Number(WATCHDOG_USEC ?? Number.NaN);
  return Number.isFinite(microseconds) && microseconds > 0 ? ms(microseconds / 3_000) : undefined;
}

function oneLine(text: string): string {
  return text.replaceAll(/[\r\n]+/g, " ");
}
