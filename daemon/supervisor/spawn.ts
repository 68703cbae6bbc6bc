/**
 * Making a child process: its program, its channel (netstack/kernel/channel.ts), and its standard error line by line.
 * The program is loaded at once and begins when it is told what to do.  Standard output is inherited: access logs are
 * many and none of our business.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { Fault } from "../../base/fault.ts";
import { LATER } from "../../netstack/kernel/arguments.ts";
import { openParentChannel, type ParentChannel } from "../../netstack/kernel/parent-channel.ts";
import type { Message, Ping, Running, RunningHandler } from "./child.ts";
import { Lines } from "./lines.ts";

export interface Program {
  /** Arguments of the Node binary: options of its own, then the script. */
  readonly script: readonly string[];
}

/** What a process begins with. */
export interface Task {
  readonly args: readonly string[];
  /** A line of its standard error. */
  readonly said: (line: string) => void;
}

/** Throws a Fault when it cannot be started. */
export class Process<To extends Message, From extends Message> implements Running<To> {
  readonly pid: number;
  readonly #child: ChildProcess;
  readonly #channel: ParentChannel;
  /** undefined: it has not begun. */
  #on: RunningHandler<From> | undefined;
  /** How the process ended; then only the channel's last words are missing. */
  #how: string | undefined;
  #channelEnded = false;
  #over = false;

  constructor({ script }: Program) {
    this.#channel = openParentChannel(
      { received: (message) => this.#on?.received(message as From), ended: () => this.#closed() },
      true,
    );
    const child = spawn(process.execPath, [...script, LATER], {
      stdio: ["pipe", "inherit", "pipe", ...this.#channel.childEnds],
      // A session of its own: Ctrl-C at a terminal is for control, which then ends the children in order.
      detached: true,
    });
    this.#channel.spawned();
    this.#child = child;
    // Their end is all that these would say.
    child.stdin?.on("error", () => undefined);
    child.stderr?.on("error", () => undefined);
    child.on("exit", (code, signal) => this.#exited(signal === null ? `exit ${code}` : `signal ${signal}`));
    // Without a pid the exec failed: thrown here once; the event that follows says no more.
    child.on("error", (error) => this.#exited(error.message));
    if (child.pid === undefined) {
      this.#over = true;
      this.#channel[Symbol.dispose]();
      throw new Fault("CHILD", { program: script.at(-1) });
    }
    this.pid = child.pid;
  }

  get door(): number | undefined {
    return this.#channel.door;
  }
  get alive(): boolean {
    return this.#how === undefined && !this.#channelEnded;
  }

  /** Once, and only while it is alive. */
  begin({ args, said }: Task, on: RunningHandler<From>): this {
    this.#on = on;
    const lines = new Lines(said);
    this.#child.stderr?.setEncoding("utf8").on("data", (part: string) => lines.add(part));
    this.#child.stdin?.end(JSON.stringify(args));
    return this;
  }
  /** Instead of `begin`: resolves when the process is gone. */
  discard(): Promise<void> {
    if (this.#over) return Promise.resolve();
    return new Promise((resolve) => {
      this.#on = { received: () => undefined, ended: () => resolve() };
      this.kill();
    });
  }

  send(message: To | Ping): void {
    this.#channel.send(message);
  }
  hand(key: string, fd: number): void {
    this.#channel.sendFd(key, fd);
  }
  kill(): void {
    if (this.#how === undefined) this.#child.kill("SIGKILL");
  }

  /** A process without its channel is of no use to us: it ends by itself at once, or is ended. */
  #closed(): void {
    this.#channelEnded = true;
    if (this.#how === undefined) setTimeout(() => this.kill(), ENDING).unref();
    else this.#end();
  }

  /** The channel may still hold the last words: they are read to their end first. */
  #exited(how: string): void {
    this.#how ??= how;
    if (this.#channelEnded) return this.#end();
    setTimeout(() => this.#end(), LAST_WORDS).unref();
  }

  #end(): void {
    if (this.#over) return;
    this.#over = true;
    this.#channel[Symbol.dispose]();
    this.#on?.ended(this.#how ?? "unknown");
  }
}

/** Milliseconds: from the process's end to the channel's, which a stranger may hold open … */
const LAST_WORDS = 500;
/** … and from the channel's end to the process's: a data plane that lost us finishes what it carries. */
const ENDING = 6_000;
