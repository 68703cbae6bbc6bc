/** BIRD on a host of a lab: in the foreground, with its files in the lab's directory. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createConnection } from "node:net";
import { join } from "node:path";
import { Fault } from "../../base/fault.ts";
import type { Host } from "../host.ts";
import type { Running } from "../process.ts";
import { birdConfig } from "./bird-config.ts";
import type { RouterSpec } from "./router.ts";
import { until } from "./until.ts";

export interface Bird extends AsyncDisposable {
  readonly make: "bird";
  /** `birdc` without birdc: the answer's text without its codes; a refusal is a Fault. */
  ask(command: string): Promise<string>;
  /** New configuration; what it keeps goes on undisturbed. */
  configure(wanted: RouterSpec | string): Promise<void>;
  readonly running: Running;
  /** Ended and started again, with the configuration that it had. */
  restart(signal?: NodeJS.Signals): Promise<void>;
  /** After `await bird.running.finished`, or to begin with another one. */
  log(): string;
}

export interface BirdOptions {
  /** Recovers its routes from the kernel (`-R`): the restarter's side of a graceful restart. */
  readonly recovers?: boolean;
}

/** Starts BIRD with a description, or with a configuration in its own words. */
export async function startBird(host: Host, wanted: RouterSpec | string, options: BirdOptions = {}): Promise<Bird> {
  const directory = join(host.directory, `bird-${host.name}`);
  mkdirSync(directory, { recursive: true });
  const config = join(directory, "bird.conf");
  const socket = join(directory, "ctl");
  const logFile = join(directory, "log");
  writeFileSync(logFile, "");
  const write = (next: RouterSpec | string): void => {
    const text = typeof next === "string" ? next : birdConfig(next);
    writeFileSync(config, `log "${logFile}" all;\n${text}`);
  };
  const launch = async (recovers: boolean): Promise<{ readonly running: Running; readonly control: Control }> => {
    const args = ["-f", "-c", config, "-s", socket, "-P", join(directory, "pid"), ...(recovers ? ["-R"] : [])];
    const running = host.spawn("/usr/sbin/bird", args);
    let over = false;
    void running.finished.finally(() => (over = true));
    const control = await until("bird's control socket", () => openControl(socket).catch(() => undefined), {
      explain: () => `${running.output()} ${readFileSync(logFile, "utf8")}`,
      within: 30_000,
      giveUp: () => over,
    });
    return { running, control };
  };
  write(wanted);
  let life = await launch(options.recovers ?? false);
  return {
    make: "bird",
    ask: (command) => life.control.ask(command),
    async configure(next) {
      write(next);
      await life.control.ask("configure");
    },
    get running() {
      return life.running;
    },
    async restart(signal = "SIGTERM") {
      life.control[Symbol.dispose]();
      life.running.signal(signal);
      await life.running.finished;
      life = await launch(options.recovers ?? false);
    },
    log: () => readFileSync(logFile, "utf8"),
    async [Symbol.asyncDispose]() {
      life.control[Symbol.dispose]();
      await life.running[Symbol.asyncDispose]();
    },
  };
}

interface Control extends Disposable {
  ask(command: string): Promise<string>;
}

/** Lines are "NNNN-text" while more follows and "NNNN text" at an answer's end; " text" repeats the code before it. */
async function openControl(path: string): Promise<Control> {
  const socket = createConnection(path);
  socket.setEncoding("utf8");
  let heard = "";
  let over = false;
  let waiting: (() => void) | undefined;
  socket.on("data", (text: string) => {
    heard += text;
    waiting?.();
  });
  const end = (): void => {
    over = true;
    waiting?.();
  };
  socket.on("error", end);
  socket.on("close", end);
  const answer = async (command: string): Promise<string> => {
    while (!/(^|\n)\d{4} [^\n]*\n$/.test(heard)) {
      if (over) throw new Fault("LAB", { bird: path, command, why: "it hung up" });
      await new Promise<void>((resolve) => {
        waiting = resolve;
      });
    }
    const lines = heard.split("\n").slice(0, -1);
    heard = "";
    const refusal = lines.find((line) => /^[89]\d{3}/.test(line));
    if (refusal !== undefined) throw new Fault("LAB", { bird: path, command, said: refusal });
    return lines.map((line) => line.replace(/^(\d{4}[ -]| )/, "")).join("\n");
  };
  let last: Promise<unknown> = answer("greeting");
  await last;
  return {
    ask(command) {
      const asked = last.then(() => {
        socket.write(`${command}\n`);
        return answer(command);
      });
      last = asked.catch(() => undefined);
      return asked;
    },
    [Symbol.dispose]: () => void socket.destroy(),
  };
}
