/**
 * A synchronous netlink client: one request, one answer, on a blocking socket of its own.  The kernel handles a request
 * inside sendto and has queued the whole answer (or the first part of a dump) when it returns, so waiting here never
 * waits for anybody but the kernel.  Standards: RFC 3549 §2.3.2; netlink(7).
 */
import { getSystemErrorName } from "node:util";
import { Fault, type FaultCode } from "../../../base/fault.ts";
import { EAGAIN, EINTR } from "../errno.ts";
import { bind, close, errno, getsockname, must, recv, sendto, setsockopt, socket } from "../libc.ts";
import { AF_NETLINK } from "../sockaddr.ts";
import type { Malformed } from "./attribute.ts";
import {
  decodeMessages,
  decodeVerdict,
  encodeMessage,
  type Message,
  NLM_F_ACK,
  NLM_F_DUMP,
  NLM_F_DUMP_INTR,
  NLM_F_REQUEST,
  NLMSG_DONE,
  NLMSG_ERROR,
  NLMSG_OVERRUN,
  type Verdict,
} from "./message.ts";
import { u32, u32Of } from "./octets.ts";

export class NetlinkClient implements Disposable {
  readonly #fd: number;
  readonly #fault: FaultCode;
  readonly #buffer = new Uint8Array(BUFFER);
  #sequence = 1;
  #open = true;

  /** `protocol` is NETLINK_ROUTE or NETLINK_NETFILTER; `fault` the code that refusals carry. */
  constructor(protocol: number, fault: FaultCode) {
    this.#fault = fault;
    this.#fd = must(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol), "socket", { family: "netlink", protocol });
    // Explanations, and no echo of the refused request, which nobody here reads.
    this.#option(SOL_NETLINK, NETLINK_EXT_ACK, u32(1));
    this.#option(SOL_NETLINK, NETLINK_CAP_ACK, u32(1));
    // Filters in dump requests are honoured instead of ignored.  Kernels before 4.20 lack it and return more.
    setsockopt(this.#fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, u32(1), 4);
    const timeout = new Uint8Array(16);
    timeout[0] = PATIENCE;
    this.#option(SOL_SOCKET, SO_RCVTIMEO, timeout);
    this.#option(SOL_SOCKET, SO_RCVBUF, u32(RECEIVE_BUFFER));
    // A batch is one datagram.  Beyond the host's limit only with CAP_NET_ADMIN in the initial user namespace.
    const room = u32(SEND_BUFFER);
    if (setsockopt(this.#fd, SOL_SOCKET, SO_SNDBUFFORCE, room, 4) < 0) this.#option(SOL_SOCKET, SO_SNDBUF, room);
  }

  /** A request that is acknowledged or refused; the refusal as a value, for callers that expect one. */
  try(type: number, flags: number, ...payload: readonly Uint8Array[]): Verdict {
    const sequence = this.nextSequence();
    this.send(encodeMessage(type, flags | NLM_F_REQUEST | NLM_F_ACK, sequence, ...payload));
    for (;;) {
      for (const message of this.receive()) {
        if (message.sequence === sequence && message.type === NLMSG_ERROR) return this.verdict(message);
      }
    }
  }

  /** A request that must be acknowledged. */
  request(what: string, type: number, flags: number, ...payload: readonly Uint8Array[]): void {
    const verdict = this.try(type, flags, ...payload);
    if (verdict.errno !== 0) throw this.refusal(what, verdict);
  }

  /** One object by its key, or undefined when the kernel has none (`absent` lists the errnos that say so). */
  get(what: string, type: number, payload: Uint8Array, absent: readonly number[]): Uint8Array | undefined {
    const sequence = this.nextSequence();
    this.send(encodeMessage(type, NLM_F_REQUEST, sequence, payload));
    for (;;) {
      for (const message of this.receive()) {
        if (message.sequence !== sequence) continue;
        if (message.type !== NLMSG_ERROR) return message.payload.slice();
        const verdict = this.verdict(message);
        if (absent.includes(verdict.errno)) return undefined;
        throw this.refusal(what, verdict);
      }
    }
  }

  /** All objects that the request selects, from one consistent look: an interrupted dump is begun again. */
  dump(what: string, type: number, payload: Uint8Array, absent: readonly number[] = []): readonly Uint8Array[] {
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const found = this.#dumpOnce(what, type, payload, absent);
      if (found !== undefined) return found;
    }
    throw new Fault(this.#fault, { request: what, why: `the dump was interrupted ${ATTEMPTS} times` });
  }

  /**
   * Sends a batch whose messages all carry `sequence`; returns what the kernel said: the acknowledgement, or the first
   * refusal.  The kernel handles batches inside sendto, so what it has to say is there when sendto returns.
   */
  commit(batch: Uint8Array, sequence: number): Verdict {
    this.send(batch);
    let verdict: Verdict | undefined;
    for (let messages = this.#ready(); messages !== undefined; messages = this.#ready()) {
      for (const message of messages) {
        if (message.sequence !== sequence || message.type !== NLMSG_ERROR) continue;
        const said = this.verdict(message);
        if (verdict === undefined || verdict.errno === 0) verdict = said;
      }
    }
    if (verdict === undefined) throw new Fault(this.#fault, { why: "a batch was not answered" });
    return verdict;
  }

  /** Sequence numbers for a batch: this one and those that follow. */
  reserve(count: number): number {
    const first = (this.#sequence + 1) >>> 0;
    this.#sequence = (this.#sequence + count) >>> 0;
    return first;
  }

  /**
   * Sends `count` requests in one datagram, numbered from `first`, of which the last asks for an acknowledgement: so it
   * says that there are no more refusals.  Returns those by their place; the others are done.
   */
  batch(datagram: Uint8Array, first: number, count: number): ReadonlyMap<number, Verdict> {
    const refused = new Map<number, Verdict>();
    this.send(datagram);
    for (;;) {
      for (const message of this.receive()) {
        const place = (message.sequence - first) >>> 0;
        if (place >= count || message.type !== NLMSG_ERROR) continue;
        const verdict = this.verdict(message);
        if (verdict.errno !== 0) refused.set(place, verdict);
        if (place === count - 1) return refused;
      }
    }
  }

  /** The name of this socket: in notifications, the author of what it changed. */
  get port(): number {
    const name = new Uint8Array(12);
    const read = (): number => {
      must(getsockname(this.#fd, name, Uint32Array.of(name.length)), "getsockname", { socket: "netlink" });
      return u32Of(name, 4);
    };
    if (read() === 0) must(bind(this.#fd, KERNEL, KERNEL.length), "bind", { socket: "netlink" }); // it has sent nothing yet
    return read();
  }

  send(bytes: Uint8Array): void {
    this.#check();
    must(sendto(this.#fd, bytes, bytes.length, 0, KERNEL, KERNEL.length), "sendto", { socket: "netlink" });
  }

  /** The messages of the next datagram; their payloads are valid until the next call. */
  receive(): readonly Message[] {
    this.#check();
    for (;;) {
      const length = recv(this.#fd, this.#buffer, this.#buffer.length, MSG_TRUNC);
      // A socket with a time-out is interrupted when its process is stopped and goes on (signal(7)).
      if (length < 0 && errno() === EINTR) continue;
      return this.#read(must(length, "recv", { socket: "netlink" }));
    }
  }

  #ready(): readonly Message[] | undefined {
    const length = recv(this.#fd, this.#buffer, this.#buffer.length, MSG_TRUNC | MSG_DONTWAIT);
    if (length < 0 && errno() === EAGAIN) return undefined;
    return this.#read(must(length, "recv", { socket: "netlink" }));
  }

  #read(length: number): readonly Message[] {
    if (length > this.#buffer.length) throw new Fault(this.#fault, { why: `an answer of ${length} octets` });
    const messages = decodeMessages(this.#buffer.subarray(0, length));
    if (!messages.ok) throw this.malformed(messages.error);
    return messages.value;
  }

  nextSequence(): number {
    this.#sequence = (this.#sequence + 1) >>> 0;
    return this.#sequence;
  }

  verdict(message: Message): Verdict {
    const verdict = decodeVerdict(message);
    if (!verdict.ok) throw this.malformed(verdict.error);
    return verdict.value;
  }

  refusal(what: string, verdict: Verdict): Fault {
    return new Fault(this.#fault, {
      request: what,
      error: errorName(verdict.errno),
      ...(verdict.text === undefined ? {} : { kernel: verdict.text }),
      ...(verdict.offset === undefined ? {} : { offset: verdict.offset }),
    });
  }

  malformed(why: Malformed): Fault {
    return new Fault(this.#fault, { why: "the answer cannot be read", ...why });
  }

  [Symbol.dispose](): void {
    if (!this.#open) return;
    this.#open = false;
    close(this.#fd);
  }

  #dumpOnce(
    what: string,
    type: number,
    payload: Uint8Array,
    absent: readonly number[],
  ): readonly Uint8Array[] | undefined {
    const sequence = this.nextSequence();
    this.send(encodeMessage(type, NLM_F_REQUEST | NLM_F_DUMP, sequence, payload));
    const found: Uint8Array[] = [];
    let interrupted = false;
    for (;;) {
      for (const message of this.receive()) {
        if (message.sequence !== sequence) continue;
        if ((message.flags & NLM_F_DUMP_INTR) !== 0) interrupted = true;
        if (message.type === NLMSG_OVERRUN) interrupted = true;
        else if (message.type === NLMSG_DONE || message.type === NLMSG_ERROR) {
          const verdict = message.payload.length < 4 ? undefined : this.verdict(message);
          if (verdict !== undefined && verdict.errno !== 0) {
            if (absent.includes(verdict.errno)) return [];
            throw this.refusal(what, verdict);
          }
          return interrupted ? undefined : found;
        } else found.push(message.payload.slice());
      }
    }
  }

  #option(level: number, option: number, value: Uint8Array): void {
    must(setsockopt(this.#fd, level, option, value, value.length), "setsockopt", { level, option });
  }

  #check(): void {
    if (!this.#open) throw new TypeError("a netlink client used after it was disposed");
  }
}

/** "EPERM" for 1; the number itself for one that has no name. */
export function errorName(errno: number): string {
  return errno === 0 ? "0" : getSystemErrorName(-errno);
}

/** A socket that hears the given multicast groups, non-blocking, for a loop to read. */
export function openListening(protocol: number, groups: readonly number[]): number {
  const fd = must(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol), "socket", { protocol });
  try {
    const own = KERNEL.slice();
    must(bind(fd, own, own.length), "bind", { socket: "netlink" });
    for (const group of groups) {
      const value = u32(group);
      must(setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, value, 4), "setsockopt", { group });
    }
    const room = u32(RECEIVE_BUFFER);
    must(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, room, 4), "setsockopt", { option: "SO_RCVBUF" });
    return fd;
  } catch (cause) {
    close(fd);
    throw cause;
  }
}

export const NETLINK_ROUTE = 0;
export const NETLINK_NETFILTER = 12;
export const ENOENT = 2;
export const ENODEV = 19;
export const EEXIST = 17;

/** struct sockaddr_nl of the kernel: family, port 0, no groups. */
const KERNEL = Uint8Array.of(AF_NETLINK, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
const SOCK_RAW = 3;
const SOCK_NONBLOCK = 0o4000;
const SOCK_CLOEXEC = 0o2000000;
const SOL_SOCKET = 1;
const SO_RCVBUF = 8;
const SO_SNDBUF = 7;
const SO_SNDBUFFORCE = 32;
const SO_RCVTIMEO = 20;
const SOL_NETLINK = 270;
const NETLINK_ADD_MEMBERSHIP = 1;
const NETLINK_CAP_ACK = 10;
const NETLINK_EXT_ACK = 11;
const NETLINK_GET_STRICT_CHK = 12;
const MSG_TRUNC = 0x20;
const MSG_DONTWAIT = 0x40;
/** Larger than the 32 KiB that a dump puts into one datagram. */
const BUFFER = 128 * 1024;
const RECEIVE_BUFFER = 1024 * 1024;
const SEND_BUFFER = 2 * 1024 * 1024;
/** Seconds; an answer that the kernel owes and does not give is a fault, not a hang. */
const PATIENCE = 5;
/** Only somebody who changes thousands of objects a second makes it need more than a few. */
const ATTEMPTS = 100;
