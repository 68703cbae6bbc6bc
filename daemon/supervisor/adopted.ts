/**
 * A child process that another control started, spoken to through its door.  It is no child of this process, so its end
 * is told by its channel, and its exit status by nobody.
 */
import { Socket } from "node:net";
import * as libc from "../../netstack/kernel/libc.ts";
import { adoptParentChannel, type ParentChannel, streamPair } from "../../netstack/kernel/parent-channel.ts";
import type { Message, Ping, Running, RunningHandler } from "./child.ts";
import { type Inherited, isAlive } from "./inheritance.ts";
import { Lines } from "./lines.ts";

export class Adopted<To extends Message, From extends Message> implements Running<To> {
  readonly pid: number;
  readonly #inherited: Inherited;
  readonly #channel: ParentChannel;
  readonly #stderr: Socket;
  readonly #on: RunningHandler<From>;
  #waited = 0;

  constructor(inherited: Inherited, said: (line: string) => void, on: RunningHandler<From>) {
    this.pid = inherited.pid;
    this.#inherited = inherited;
    this.#on = on;
    const [ours, theirs] = streamPair();
    const lines = new Lines(said);
    this.#stderr = new Socket({ fd: ours, readable: true, writable: false });
    this.#stderr.setEncoding("utf8").on("data", (part) => lines.add(String(part)));
    this.#stderr.on("error", () => undefined); // its end is all that this would say
    this.#channel = adoptParentChannel(
      {
        received: (message) => this.#on.received(message as From),
        // Not from within the constructor: a door may turn out to be closed at the first word.
        ended: () => queueMicrotask(() => this.#closed()),
      },
      inherited.door,
      theirs,
    );
    libc.close(theirs);
  }

  get door(): number | undefined {
    return this.#channel.door;
  }
  send(message: To | Ping): void {
    this.#channel.send(message);
  }
  hand(key: string, fd: number): void {
    this.#channel.sendFd(key, fd);
  }
  kill(): void {
    if (!isAlive(this.#inherited)) return;
    try {
      process.kill(this.pid, "SIGKILL");
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
    }
  }

  /** A process without its channel ends by itself at once, or is ended. */
  #closed(): void {
    if (isAlive(this.#inherited) && this.#waited < ENDING) {
      this.#waited += LOOK_EVERY;
      setTimeout(() => this.#closed(), LOOK_EVERY).unref();
      return;
    }
    this.kill();
    this.#stderr.destroy();
    this.#on.ended("ended");
  }
}

/** Milliseconds: a data plane that lost us finishes what it carries. */
const ENDING = 6_000;
const LOOK_EVERY = 20;
