/** The parent's end of a channel (channel.ts), on Node's event loop. */
import { Socket } from "node:net";
import { Fault } from "../../base/fault.ts";
import { BACKLOG_MAX, FRAMES_KEY, STDERR_KEY } from "./channel.ts";
import { sendDescriptor } from "./descriptors.ts";
import { EAGAIN, ETOOMANYREFS, errnoName } from "./errno.ts";
import { encodeFrame, FrameReader } from "./frames.ts";
import * as libc from "./libc.ts";
import type { Fd } from "./loop.ts";

export interface ParentHandler {
  received(message: unknown): void;
  /** The child's end is closed, or what it sent is no message: `why`.  The last call; the channel is closed. */
  ended(why: string): void;
}

export interface ParentChannel extends Disposable {
  /** The child's ends, to be passed as stdio 3 and 4. */
  readonly childEnds: readonly Fd[];
  /** Our end of the child's door; whoever has it, or a copy of it, can adopt the child.  undefined: it has none. */
  readonly door: Fd | undefined;
  /** Closes our copies of the child's ends: right after the spawn, or the child's end is never noticed. */
  spawned(): void;
  send(message: unknown): void;
  /** Lends `fd` to the child; the caller keeps and closes its own. */
  sendFd(key: string, fd: Fd): void;
}

export function openParentChannel(on: ParentHandler, withDescriptors: boolean): ParentChannel {
  const [ours, theirs] = pair(SOCK_STREAM);
  const door = withDescriptors ? pair(SOCK_SEQPACKET) : undefined;
  return new ParentEnd(on, ours, door?.[0], door === undefined ? [theirs] : [theirs, door[1]]);
}

/**
 * The channel to a child that another control started: by its door, which is ours from now on.  `stderr`: where its
 * standard error goes from now on; the caller closes its own.
 */
export function adoptParentChannel(on: ParentHandler, door: Fd, stderr: Fd): ParentChannel {
  const [ours, theirs] = pair(SOCK_STREAM);
  const end = new ParentEnd(on, ours, door, [theirs]);
  end.sendFd(STDERR_KEY, stderr);
  end.sendFd(FRAMES_KEY, theirs);
  end.spawned();
  return end;
}

/** Two ends of a stream. */
export function streamPair(): readonly [Fd, Fd] {
  return pair(SOCK_STREAM);
}

class ParentEnd implements ParentChannel {
  readonly childEnds: readonly Fd[];
  private readonly on: ParentHandler;
  private readonly socket: Socket;
  private readonly packets: Fd | undefined;
  private readonly reader = new FrameReader();
  /** What waits because a descriptor does. */
  private readonly waiting: (Buffer | Handed)[] = [];
  private retry: NodeJS.Timeout | undefined = undefined;
  private handedOver = false;
  private closed = false;

  constructor(on: ParentHandler, ours: Fd, door: Fd | undefined, childEnds: readonly Fd[]) {
    this.on = on;
    this.packets = door;
    this.childEnds = childEnds;
    this.socket = new Socket({ fd: ours, readable: true, writable: true });
    this.socket.on("data", (bytes) => {
      if (Buffer.isBuffer(bytes)) this.data(bytes);
    });
    this.socket.on("error", (error) => this.end(error.message));
    this.socket.on("close", () => this.end("closed"));
  }

  get door(): Fd | undefined {
    return this.packets;
  }

  spawned(): void {
    if (this.handedOver) return;
    this.handedOver = true;
    for (const fd of this.childEnds) libc.close(fd);
  }

  send(message: unknown): void {
    if (this.closed) return;
    const frame = encodeFrame(message);
    if (this.waiting.length > 0) this.waiting.push(frame);
    else this.write(frame);
  }

  sendFd(key: string, fd: Fd): void {
    if (this.packets === undefined) throw new TypeError("a channel without descriptors");
    if (this.closed) return;
    // A copy, since it may have to wait longer than the caller keeps its own.
    const copy = libc.must(fcntl(fd, F_DUPFD_CLOEXEC, 0), "fcntl", { fd });
    this.waiting.push({ key, fd: copy });
    if (this.waiting.length === 1) this.flush();
  }

  [Symbol.dispose](): void {
    this.shut();
  }

  private data(bytes: Buffer): void {
    const messages = this.reader.push(bytes);
    if (!messages.ok) return this.end(`${messages.error.kind}, ${messages.error.length} octets`);
    for (const message of messages.value) if (!this.closed) this.on.received(message);
  }

  private write(frame: Buffer): void {
    this.socket.write(frame);
    if (this.socket.writableLength > BACKLOG_MAX) this.end("it does not read");
  }

  private flush(): void {
    this.retry = undefined;
    for (let next = this.waiting[0]; next !== undefined && !this.closed; next = this.waiting[0]) {
      if (Buffer.isBuffer(next)) this.write(next);
      else {
        const errno = sendDescriptor(this.packets ?? -1, next.key, next.fd);
        if (errno === EAGAIN || errno === ETOOMANYREFS) {
          this.retry = setTimeout(() => this.flush(), RETRY);
          return;
        }
        libc.close(next.fd);
        if (errno !== 0) {
          this.waiting.shift();
          return this.end(`descriptor ${next.key}: ${errnoName(errno)}`);
        }
      }
      this.waiting.shift();
    }
  }

  private end(why: string): void {
    if (this.closed) return;
    this.shut();
    this.on.ended(why);
  }

  private shut(): void {
    if (this.closed) return;
    this.closed = true;
    clearTimeout(this.retry);
    for (const each of this.waiting.splice(0)) if (!Buffer.isBuffer(each)) libc.close(each.fd);
    this.socket.destroy();
    if (this.packets !== undefined) libc.close(this.packets);
    this.spawned();
  }
}

interface Handed {
  readonly key: string;
  readonly fd: Fd;
}

function pair(type: number): readonly [Fd, Fd] {
  const fds = new Int32Array(2);
  if (libc.socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, fds) < 0)
    throw new Fault("KERNEL_CALL", { call: "socketpair", errno: errnoName(libc.errno()) });
  return [fds[0] ?? -1, fds[1] ?? -1];
}

const AF_UNIX = 1;
const SOCK_STREAM = 1;
const SOCK_SEQPACKET = 5;
const SOCK_CLOEXEC = 0x80000;
const F_DUPFD_CLOEXEC = 1030;
/** Milliseconds until a full descriptor queue is tried again. */
const RETRY = 5;
const fcntl = libc.declare<(fd: Fd, command: number, value: number) => number>("int fcntl(int, int, int)");
