/**
 * Making a child process: its program, its channel (netstack/kernel/channel.ts), and its standard error line by line.
 * Standard output is inherited: access logs are many and none of our business.
 */
import { type ChildProcess, spawn as spawnProcess } from "node:child_process";
import { Fault } from "../../base/fault.ts";
import { openParentChannel, type ParentChannel } from "../../netstack/kernel/channel.ts";
import type { Message, Ping, Running, RunningHandler, Spawn } from "./child.ts";

export interface Program {
  /** Arguments of the Node binary, the script first. */
  readonly args: readonly string[];
  /** Gets listening sockets on fd 4. */
  readonly sockets: boolean;
  /** A line of its standard error. */
  readonly said: (line: string) => void;
}

export function spawnOf<To extends Message, From extends Message>(program: Program): Spawn<To, From> {
  return (on) => new Process<To, From>(program, on);
}

class Process<To extends Message, From extends Message> implements Running<To> {
  readonly pid: number;
  readonly #child: ChildProcess;
  readonly #channel: ParentChannel;
  readonly #on: RunningHandler<From>;
  /** How the process ended; then only the channel's last words are missing. */
  #how: string | undefined;
  #channelEnded = false;
  #over = false;

  constructor({ args, sockets, said }: Program, on: RunningHandler<From>) {
    this.#on = on;
    this.#channel = openParentChannel(
      { received: (message) => on.received(message as From), ended: () => this.#closed() },
      sockets,
    );
    const child = spawnProcess(process.execPath, args, {
      stdio: ["ignore", "inherit", "pipe", ...this.#channel.childEnds],
      // A session of its own: Ctrl-C at a terminal is for control, which then ends the children in order.
      detached: true,
    });
    this.#channel.spawned();
    this.#child = child;
    const lines = new Lines(said);
    child.stderr?.setEncoding("utf8").on("data", (part: string) => lines.add(part));
    child.stderr?.on("error", () => undefined); // its end is all that this would say
    child.on("exit", (code, signal) => this.#exited(signal === null ? `exit ${code}` : `signal ${signal}`));
    // Without a pid the exec failed: thrown here once; the event that follows says no more.
    child.on("error", (error) => this.#exited(error.message));
    if (child.pid === undefined) {
      this.#over = true;
      this.#channel[Symbol.dispose]();
      throw new Fault("CHILD", { program: args[0] });
    }
    this.pid = child.pid;
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
    this.#on.ended(this.#how ?? "unknown");
  }
}

/** Cuts text into lines; one without an end is cut at a length that a log can bear. */
class Lines {
  readonly #said: (line: string) => void;
  #rest = "";

  constructor(said: (line: string) => void) {
    this.#said = said;
  }
  add(part: string): void {
    const lines = (this.#rest + part).split("\n");
    this.#rest = lines.pop() ?? "";
    if (this.#rest.length > LONGEST_LINE) {
      lines.push(this.#rest.slice(0, LONGEST_LINE));
      this.#rest = "";
    }
    for (const line of lines) if (line !== "") this.#said(line);
  }
}

const LONGEST_LINE = 64 * 1024;
/** Milliseconds: from the process's end to the channel's, which a stranger may hold open … */
const LAST_WORDS = 500;
/** … and from the channel's end to the process's: a data plane that lost us finishes what it carries. */
const ENDING = 6_000;
