/**
 * The child's end of the channel between control and a child of it.  fd 3: frames (frames.ts), both ways.  fd 4, if asked
 * for: the door, through which descriptors come (descriptors.ts): listening sockets with their keys, and the frames of
 * another control.  The parent's end: parent-channel.ts; apart from this, for what it imports takes a child time to load.
 *
 * A frame never overtakes a descriptor that was sent before it: the parent holds frames back while a descriptor waits,
 * the child empties fd 4 before it delivers a frame.
 *
 * The frames end with the control that speaks through them.  The door may outlive it, in the hands of the service manager,
 * and while it does the child waits for the next control, which sends the end of new frames through it.  So no octet of a
 * message that a dead control had half written, or half read, is ever looked at by its successor.
 */

import { after, type Ms, ms } from "../../base/unit.ts";
import { receiveDescriptor } from "./descriptors.ts";
import { errnoName } from "./errno.ts";
import { encodeFrame, FrameReader } from "./frames.ts";
import * as libc from "./libc.ts";
import type { Closed, Fd, Loop, Stream, StreamHandler } from "./loop.ts";

export interface ChildHandler {
  received(message: unknown): void;
  /** A listening socket, now ours. */
  receivedFd?(key: string, fd: Fd): void;
  /** Control is gone; another one may come.  What is sent meanwhile is lost. */
  lost?(why: string): void;
  /** Another control speaks now, and knows nothing. */
  adopted?(): void;
  /** The parent is gone for good, or sent what is no message.  The last call. */
  ended(why: string): void;
}

export interface ChildChannel extends Disposable {
  send(message: unknown): void;
}

/** The child's side; `descriptors` is fd 4 where the parent sends listening sockets. */
export function openChildChannel(loop: Loop, on: ChildHandler, frames: Fd = 3, descriptors?: Fd): ChildChannel {
  return new ChildEnd(loop, on, frames, descriptors);
}

class ChildEnd implements ChildChannel, StreamHandler {
  private readonly loop: Loop;
  private readonly on: ChildHandler;
  /** undefined: nobody speaks. */
  private stream: Stream | undefined;
  private readonly descriptors: Fd | undefined;
  private reader = new FrameReader();
  private watching: Disposable | undefined = undefined;
  private patience: Disposable | undefined = undefined;
  private over = false;

  constructor(loop: Loop, on: ChildHandler, frames: Fd, descriptors: Fd | undefined) {
    this.loop = loop;
    this.on = on;
    this.descriptors = descriptors;
    if (descriptors !== undefined) this.watching = loop.watch(descriptors, () => this.takeDescriptors());
    this.stream = loop.adopt(frames, this);
  }

  send(message: unknown): void {
    if (this.over || this.stream === undefined) return;
    this.stream.write(encodeFrame(message));
    if (this.stream.queued > BACKLOG_MAX) this.end("it does not read");
  }

  received(stream: Stream, chunk: number, start: number, end: number): void {
    const current = stream === this.stream;
    const messages = current ? this.reader.push(this.loop.pool.memory.subarray(start, end)) : undefined;
    this.loop.release(chunk);
    if (messages === undefined) return; // of a control that has a successor
    if (!messages.ok) return this.end(`${messages.error.kind}, ${messages.error.length} octets`);
    for (const message of messages.value) {
      this.takeDescriptors();
      if (!this.over && stream === this.stream) this.on.received(message);
    }
  }
  ended(stream: Stream): void {
    this.silenced(stream, "closed");
  }
  closed(stream: Stream, why: Closed): void {
    this.silenced(stream, why.kind === "failed" ? errnoName(why.errno) : "closed");
  }

  [Symbol.dispose](): void {
    this.shut();
  }

  private takeDescriptors(): void {
    while (!this.over && this.descriptors !== undefined && this.watching !== undefined) {
      const received = receiveDescriptor(this.descriptors);
      if (received.kind === "nothing") return;
      if (received.kind === "descriptor") {
        this.took(received.key, received.fd);
      } else if (received.kind === "ended") {
        this.watching[Symbol.dispose]();
        this.watching = undefined;
        // A parent that still speaks tells its death by the frames' end, which comes with this one.
        if (this.stream === undefined) this.end("closed");
      } else {
        const why = received.kind === "failed" ? errnoName(received.errno) : received.why;
        this.end(`descriptors: ${why}`);
      }
    }
  }

  private took(key: string, fd: Fd): void {
    if (key === FRAMES_KEY) this.adopt(fd);
    else if (key === STDERR_KEY) {
      dup2(fd, STDERR);
      libc.close(fd);
    } else if (this.on.receivedFd === undefined) libc.close(fd);
    else this.on.receivedFd(key, fd);
  }

  private adopt(frames: Fd): void {
    this.stream?.close();
    this.patience?.[Symbol.dispose]();
    this.reader = new FrameReader();
    this.stream = this.loop.adopt(frames, this);
    this.on.adopted?.();
  }

  /** The frames have ended.  Its successor's may be in the door already. */
  private silenced(stream: Stream, why: string): void {
    if (this.over || stream !== this.stream) return;
    this.takeDescriptors();
    if (this.over || stream !== this.stream) return;
    if (this.watching === undefined) return this.end(why);
    stream.close();
    this.stream = undefined;
    this.patience = this.loop.wakeAt(after(this.loop.now(), PATIENCE), () => this.end(why));
    this.on.lost?.(why);
  }

  private end(why: string): void {
    if (this.over) return;
    this.shut();
    this.on.ended(why);
  }
  private shut(): void {
    if (this.over) return;
    this.over = true;
    this.stream?.close();
    this.watching?.[Symbol.dispose]();
    this.patience?.[Symbol.dispose]();
    if (this.descriptors !== undefined) libc.close(this.descriptors);
  }
}

/** Octets that may wait for a peer that does not read before it counts as gone. */
export const BACKLOG_MAX = 80 << 20;
/** A child has said again to another control all that lasts. */
export const TOLD = { kind: "told" } as const;
/** What the door carries beside listening sockets, whose keys have no NUL in them. */
export const FRAMES_KEY = "\0frames";
export const STDERR_KEY = "\0stderr";
/**
 * From the end of one control to the beginning of the next, which on a machine without time takes seconds.  What must not
 * go on for so long without control has rules of its own (daemon/pulse/main.ts, daemon/routing/silence.ts).
 */
const PATIENCE: Ms = ms(30_000);
const STDERR = 2;
const dup2 = libc.declare<(from: Fd, to: Fd) => number>("int dup2(int, int)");
