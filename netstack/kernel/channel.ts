/**
 * The child's end of the channel between control and a child of it.  fd 3: frames (frames.ts), both ways.  fd 4, if asked
 * for: listening sockets with their keys (descriptors.ts).  The parent's end: parent-channel.ts; apart from this, for what
 * it imports takes a child time to load.
 *
 * A frame never overtakes a descriptor that was sent before it: the parent holds frames back while a descriptor waits,
 * the child empties fd 4 before it delivers a frame.
 */
import { receiveDescriptor } from "./descriptors.ts";
import { errnoName } from "./errno.ts";
import { encodeFrame, FrameReader } from "./frames.ts";
import * as libc from "./libc.ts";
import type { Closed, Fd, Loop, Stream, StreamHandler } from "./loop.ts";

export interface ChildHandler {
  received(message: unknown): void;
  /** A listening socket, now ours. */
  receivedFd?(key: string, fd: Fd): void;
  /** The parent is gone, or sent what is no message.  The last call. */
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
  private readonly stream: Stream;
  private readonly descriptors: Fd | undefined;
  private readonly reader = new FrameReader();
  private watching: Disposable | undefined = undefined;
  private over = false;

  constructor(loop: Loop, on: ChildHandler, frames: Fd, descriptors: Fd | undefined) {
    this.loop = loop;
    this.on = on;
    this.descriptors = descriptors;
    if (descriptors !== undefined) this.watching = loop.watch(descriptors, () => this.takeDescriptors());
    this.stream = loop.adopt(frames, this);
  }

  send(message: unknown): void {
    if (this.over) return;
    this.stream.write(encodeFrame(message));
    if (this.stream.queued > BACKLOG_MAX) this.end("it does not read");
  }

  received(_stream: Stream, chunk: number, start: number, end: number): void {
    const messages = this.reader.push(this.loop.pool.memory.subarray(start, end));
    this.loop.release(chunk);
    if (!messages.ok) return this.end(`${messages.error.kind}, ${messages.error.length} octets`);
    for (const message of messages.value) {
      this.takeDescriptors();
      if (!this.over) this.on.received(message);
    }
  }
  ended(): void {
    this.end("closed");
  }
  closed(_stream: Stream, why: Closed): void {
    this.end(why.kind === "failed" ? errnoName(why.errno) : "closed");
  }

  [Symbol.dispose](): void {
    this.shut();
  }

  private takeDescriptors(): void {
    while (!this.over && this.descriptors !== undefined && this.watching !== undefined) {
      const received = receiveDescriptor(this.descriptors);
      if (received.kind === "nothing") return;
      if (received.kind === "descriptor") {
        if (this.on.receivedFd === undefined) libc.close(received.fd);
        else this.on.receivedFd(received.key, received.fd);
      } else if (received.kind === "ended") {
        // The parent's death is told by the frames' end, which comes with this one.
        this.watching[Symbol.dispose]();
        this.watching = undefined;
      } else {
        const why = received.kind === "failed" ? errnoName(received.errno) : received.why;
        this.end(`descriptors: ${why}`);
      }
    }
  }

  private end(why: string): void {
    if (this.over) return;
    this.shut();
    this.on.ended(why);
  }
  private shut(): void {
    if (this.over) return;
    this.over = true;
    this.stream.close();
    this.watching?.[Symbol.dispose]();
    if (this.descriptors !== undefined) libc.close(this.descriptors);
  }
}

/** Octets that may wait for a peer that does not read before it counts as gone. */
export const BACKLOG_MAX = 80 << 20;
