/**
 * The service manager's protocol, sd_notify(3): READY, RELOADING, STOPPING, STATUS, WATCHDOG, FDSTORE as Unix datagrams.
 * How a datagram is sent is a parameter: Node has none.
 * Left out on purpose: notify-reload's barrier (systemd before 253 does not know it).
 */
import { execFile } from "node:child_process";
import type { Clock } from "../base/clock.ts";
import { after, type Ms, ms } from "../base/unit.ts";
import { errnoName } from "../netstack/kernel/errno.ts";
import type { Fd } from "../netstack/kernel/loop.ts";
import { sendUnixDatagram, sendUnixDescriptor } from "../netstack/kernel/unix-datagram.ts";

export interface ServiceManager {
  ready(status: string): void;
  reloading(): void;
  stopping(status: string): void;
  status(text: string): void;
  /**
   * Has a duplicate of `fd` kept over a restart and a crash of this process; it goes when the service is stopped, or when
   * the other end is closed.  Why not, or undefined; without a manager nothing is kept, and nothing is wrong.
   */
  keep(name: string, fd: Fd): string | undefined;
  /** What is kept by that name goes. */
  forget(name: string): void;
  /** Whether the end that was asked for is the first half of a restart; unknown is no. */
  restarts(): Promise<boolean>;
  /** Feeds the watchdog for as long as `alive` says so; a daemon with a dead part gets restarted. */
  watch(clock: Clock, alive: () => boolean): Disposable;
}

export interface Environment {
  readonly NOTIFY_SOCKET?: string | undefined;
  /** The service's name; the unit sets it. */
  readonly NOVAEDGE_UNIT?: string | undefined;
  readonly WATCHDOG_USEC?: string | undefined;
  readonly WATCHDOG_PID?: string | undefined;
}

/** The manager that started this process, if one did. */
export function serviceManagerOf(environment: Environment, pid: number): ServiceManager {
  const send: Send = (path, text, fd) =>
    fd === undefined ? sendUnixDatagram(path, text) : sendUnixDescriptor(path, text, fd);
  return serviceManager(environment, pid, send);
}

/** Takes a socket path ("@name" is abstract), a datagram, and a descriptor to go with it; 0 or an errno. */
export type Send = (path: string, text: string, fd?: Fd) => number;

/** Without NOTIFY_SOCKET nothing is ever sent. */
export function serviceManager(environment: Environment, pid: number, send: Send): ServiceManager {
  const path = environment.NOTIFY_SOCKET;
  let said = "";
  const say = (...lines: readonly string[]): void => {
    // A manager that does not listen is its own trouble: a status line is not worth an error of ours.
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
    keep(name, fd) {
      if (path === undefined || path === "") return undefined;
      const errno = send(path, `FDSTORE=1\nFDNAME=${name}`, fd);
      return errno === 0 ? undefined : errnoName(errno);
    },
    forget: (name) => say("FDSTOREREMOVE=1", `FDNAME=${name}`),
    async restarts() {
      const unit = environment.NOVAEDGE_UNIT;
      return path !== undefined && unit !== undefined && (await jobOf(unit)) === "restart";
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

/** What the manager is doing with a unit: "restart", "stop" …; undefined: nothing, or it cannot be asked. */
function jobOf(unit: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const args = ["list-jobs", "--plain", "--no-legend", "--no-pager"];
    execFile("systemctl", args, { timeout: LONGEST_ANSWER }, (_error, stdout) => {
      // JOB UNIT TYPE STATE; whoever does not answer has printed nothing.
      const rows = stdout.split("\n").map((line) => line.trim().split(/\s+/));
      resolve(rows.find(([, name]) => name === unit)?.[2]);
    });
  });
}
/** Milliseconds. */
const LONGEST_ANSWER = 2_000;

function oneLine(text: string): string {
  return text.replaceAll(/[\r\n]+/g, " ");
}
