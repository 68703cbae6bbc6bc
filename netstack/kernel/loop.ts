/**
 * The event loop that drives sockets: one interface, two engines (io_uring in `ring/`, epoll in `epoll/`), chosen at
 * start by `openLoop`.  Used by the data plane and by pulse, which both own their JavaScript thread: `run` blocks it.
 *
 * Memory.  Received octets lie in the loop's pool of fixed chunks.  `received` lends a chunk to its handler: exactly one
 * of `loop.release(chunk)` or `stream.forward(chunk, …)` must follow, at once or later; the loop releases a forwarded
 * chunk itself when the kernel has taken its octets.  While all chunks are lent, receiving pauses and resumes by itself.
 *
 * Handlers are objects with methods, so that the hot path allocates no closure.  A handler is never called from within
 * a call that it makes (no re-entrance), and never after `closed`.
 */
import type { Ip } from "../../base/address.ts";
import type { Clock } from "../../base/clock.ts";
import type { Endpoint } from "../../base/endpoint.ts";
import type { Log } from "../../base/log.ts";
import type { Instant } from "../../base/unit.ts";

export type { Endpoint };

/** A file descriptor that the holder owns. */
export type Fd = number;

/** A TCP socket for `connect` with everything set that has to be before: see `openTcp` in sockets.ts. */
export interface Prepared {
  readonly socket: Fd;
}

/**
 * IP_TOS or IPV6_TCLASS (DSCP << 2) of the handshake of a connection; what follows has 0.  So a packet that the kernel
 * sends when no process owns the connection any more (its last acknowledgements) never carries it.
 */
export interface Tinted {
  readonly handshake: number;
}

export interface Loop extends Clock, Disposable {
  readonly engine: "io_uring" | "epoll";
  /** Why this engine: one line for the log and the status. */
  readonly why: string;
  readonly pool: Pool;

  /**
   * Takes `listener` (a listening stream socket, non-blocking or not) and accepts until the result is disposed.  Disposing
   * stops the kernel from taking more; connections that it had completed still come in the next turn, then it is closed.
   */
  accept(listener: Fd, on: Acceptor): Disposable;
  /**
   * Opens a TCP connection; `on.opened` or `on.closed` follows.  `from` binds the source address, or is a socket of the
   * family of `to`, which becomes the loop's, or says what the handshake carries.
   */
  connect(to: Endpoint, on: StreamHandler, from?: Endpoint | Prepared | Tinted): Stream;
  /** Takes a connected stream socket of any family. */
  adopt(fd: Fd, on: StreamHandler): Stream;
  /** Takes a datagram socket of any family (UDP, packet, raw, netlink); see sockets.ts for opening one. */
  datagrams(fd: Fd, on: DatagramHandler): Datagrams;
  /** Calls `ready` whenever `fd` is readable or hung up (level-triggered); does not take ownership: dispose before closing. */
  watch(fd: Fd, ready: () => void): Disposable;

  release(chunk: number): void;
  /** The time read once at the start of the current turn: cheap, and equal for everything in one turn. */
  turnAt(): Instant;

  /** Turns until `stop`; work queued by handlers is submitted once a turn. */
  run(): void;
  stop(): void;
  /** One turn: submits, waits for at least one event (or not at all), dispatches.  For tests and for embedding. */
  turn(wait: boolean): void;
  stats(): LoopStats;
}

export interface Pool {
  /** Chunk `c` occupies [c × chunkSize, (c + 1) × chunkSize). */
  readonly memory: Buffer;
  readonly chunkSize: number;
  readonly chunks: number;
}

export interface Acceptor {
  /** Return the handler for the new connection; `undefined` refuses it (it is closed at once). */
  accepted(stream: Stream): StreamHandler | undefined;
  /** Accepting failed (EMFILE …); the loop pauses for 100 ms and goes on by itself. */
  refused?(errno: number): void;
}

/** What happened last on a stream.  `errno` is positive, as in errno(3). */
export type Closed =
  | { readonly kind: "finished" } // both directions ended, or we closed
  | { readonly kind: "failed"; readonly errno: number };

/** Octets of `queued` from which on `drained` is certain to follow: pause a source at this or more, and it will be woken. */
export const DRAIN_MARK = 131_072;

export interface StreamHandler {
  /** The connection that `connect` opened is established. */
  opened?(stream: Stream): void;
  /** Octets [start, end) of `loop.pool.memory`, inside `chunk`, are lent to the handler. */
  received(stream: Stream, chunk: number, start: number, end: number): void;
  /** The peer sent FIN; sending is still possible. */
  ended(stream: Stream): void;
  /**
   * `queued` fell to zero after it had been DRAIN_MARK or more at the end of a turn, or after the socket had been full.
   * A stream that never came to the mark may stay silent.
   */
  drained?(stream: Stream): void;
  /** The last call for this stream. */
  closed(stream: Stream, why: Closed): void;
}

export interface Stream {
  readonly fd: Fd;
  /** May be replaced at any time, for connections that pass from an owner to another (pools). */
  handler: StreamHandler;
  /** Octets accepted by `write` and `forward` that the kernel has not taken yet. */
  readonly queued: number;
  /** `queued`, and what the kernel took and the peer has not acknowledged; asks the kernel.  0 when the peer has all. */
  readonly unacknowledged: number;
  /** Asked of the kernel once, then kept; undefined for other families, and once the peer has reset. */
  readonly remote: Endpoint | undefined;
  readonly local: Endpoint | undefined;
  /**
   * Copies [start, end) of `bytes` and sends it after everything before.  On a stream that is closing or broken it does
   * nothing (and `forward` releases its chunk); after `end` it is a TypeError.  When copies of all streams together reach
   * 256 MiB, the stream fails with ENOBUFS.
   */
  write(bytes: Uint8Array, start?: number, end?: number): void;
  /** Sends octets of a lent chunk without copying; the chunk is released by the loop afterwards. */
  forward(chunk: number, start: number, end: number): void;
  /** Stops and resumes receiving: back pressure.  A `received` already under way may still come after `pause`. */
  pause(): void;
  resume(): void;
  /** FIN after everything queued. */
  end(): void;
  /** Sends what is queued, then closes; `closed` follows. */
  close(): void;
  /** Drops what is queued and resets the connection (RST); `closed` follows. */
  abort(): void;
}

export interface DatagramHandler {
  /**
   * A datagram with what its control messages said; `bytes` is valid until the call returns.  A datagram longer than a
   * chunk less 400 octets may come `truncated`.
   */
  received(socket: Datagrams, bytes: Uint8Array, meta: DatagramMeta): void;
  failed?(socket: Datagrams, errno: number): void;
}

export interface DatagramMeta {
  /** Raw sockaddr of the sender, valid until the call returns; sockets.ts decodes it by family. */
  readonly from: Uint8Array;
  /** Kernel receive time in nanoseconds of the realtime clock, when the socket asked for it. */
  readonly stamp: bigint | undefined;
  /** IP_TTL or IPV6_HOPLIMIT, when asked for. */
  readonly ttl: number | undefined;
  /** Interface index and destination address from IP_PKTINFO or IPV6_PKTINFO, when asked for. */
  readonly ifindex: number | undefined;
  readonly to: Ip | undefined;
  readonly truncated: boolean;
}

export interface Datagrams extends Disposable {
  readonly fd: Fd;
  /** Sends at once, synchronously; returns 0 or a positive errno (EAGAIN when the socket's buffer is full). `to` is a raw sockaddr. */
  send(bytes: Uint8Array, to?: Uint8Array): number;
}

export interface LoopStats {
  readonly streams: number;
  readonly chunksLent: number;
  readonly turns: number;
  /** Operations that the kernel still holds. */
  readonly inFlight: number;
}

export interface LoopOptions {
  /** "auto" takes io_uring when the kernel offers what is needed, else epoll, and says why in the log. */
  readonly engine: "auto" | "io_uring" | "epoll";
  readonly chunkSize?: number;
  readonly chunks?: number;
  readonly log: Log;
}
