/** STAMP through a tunnel: one UDP socket, bound to the device and to our address, with the kernel's receive stamps. */
import { createHmac, createSecretKey } from "node:crypto";
import { type Ip, parseIp } from "../../../base/address.ts";
import { err, type Result } from "../../../base/result.ts";
import { type Instant, instant, type Ms, ms, since } from "../../../base/unit.ts";
import { wallNow } from "../../../netstack/kernel/clock.ts";
import { errnoName } from "../../../netstack/kernel/errno.ts";
import type { DatagramMeta, Datagrams } from "../../../netstack/kernel/loop.ts";
import { randomOctets } from "../../../netstack/kernel/random.ts";
import { decodeInet, encodeInet } from "../../../netstack/kernel/sockaddr.ts";
import { openUdp } from "../../../netstack/kernel/sockets.ts";
import type { PathSpec, ProbeSpec } from "../../steer-plan.ts";
import type { Seal } from "../packet.ts";
import { type Measured, type NotOurs, type Reading, StampSession } from "../stamp.ts";
import type { Failure, Hands, HandsParts } from "./hands.ts";

export type StampSpec = Extract<ProbeSpec, { readonly kind: "stamp" }>;

export class StampHands implements Hands {
  readonly #parts: HandsParts;
  /** With the peer's key, and with the one that it is about to change to. */
  readonly #sessions: readonly StampSession[];
  #current = 0;
  /** Of the newest answer, and the usual time between two. */
  #answeredAt: Instant | undefined;
  #rhythm: number | undefined;
  readonly #socket: Datagrams;
  readonly #to: Uint8Array;
  readonly #peer: Ip;
  readonly #port: number;

  constructor(path: PathSpec, spec: StampSpec, parts: HandsParts) {
    this.#parts = parts;
    const keys = spec.nextKey === undefined ? [spec.key] : [spec.key, spec.nextKey];
    const id = sessionId();
    this.#sessions = keys.map((key) => new StampSession(sealOf(key), id));
    this.#peer = address(spec.peer);
    this.#port = spec.port;
    this.#to = encodeInet({ ip: this.#peer, port: spec.port });
    const fd = openUdp({
      bind: { ip: address(spec.local), port: 0 },
      device: path.ifname,
      freebind: true, // the address may come later than we
      ttl: 255, // RFC 8762 §4.2.1
      meta: { stamp: true },
      receiveBuffer: RECEIVE_BUFFER,
    });
    this.#socket = parts.loop.datagrams(fd, {
      received: (_socket, bytes, meta) => this.#received(bytes, meta),
      failed: (_socket, errno) => parts.on.failed({ errno: errnoName(errno) }),
    });
  }

  ask(number: number, _broad: boolean, counts: boolean): Failure | undefined {
    // Where answers stay away the peer may have changed its key: they take turns until one comes.
    if (this.#isSilent()) this.#current = (this.#current + 1) % this.#sessions.length;
    const session = this.#sessions[this.#current];
    if (session === undefined) throw new TypeError("a session without a key");
    const sent = counts ? this.#parts.counters()?.sent.packets : undefined;
    const packet = session.packet(number, { wall: wallNow(), boot: this.#parts.loop.now() }, sent);
    session.leaves(number, wallNow());
    const errno = this.#socket.send(packet, this.#to);
    return errno === 0 ? undefined : { errno: errnoName(errno) };
  }

  [Symbol.dispose](): void {
    this.#socket[Symbol.dispose]();
  }

  #received(bytes: Uint8Array, meta: DatagramMeta): void {
    const { on, loop } = this.#parts;
    const from = decodeInet(meta.from);
    if (from === undefined || from.ip !== this.#peer || from.port !== this.#port) return on.refused("stranger");
    const boot = loop.now();
    const now = wallNow();
    const wall = meta.stamp === undefined ? now : wallOf(meta.stamp);
    const measured = this.#read(bytes, { wall, boot });
    if (!measured.ok) return on.refused(measured.error.kind);
    this.#heard(boot);
    const { number, rtt, out, back, reflector, held, counters, extensions } = measured.value;
    if (extensions !== undefined) on.refused(extensions.kind);
    const kept = keptOf(wall, now);
    const arrivedAt = instant(boot - kept);
    on.answered({ number, arrivedAt, rtt, out, back, reflector }, { kept, counters, held: ms(held) });
  }

  #isSilent(): boolean {
    const [at, rhythm] = [this.#answeredAt, this.#rhythm];
    if (this.#sessions.length < 2) return false;
    return at === undefined || rhythm === undefined || since(at, this.#parts.loop.now()) > rhythm * 1.1 + 1;
  }

  #heard(now: Instant): void {
    const gap = this.#answeredAt === undefined ? undefined : since(this.#answeredAt, now);
    this.#answeredAt = now;
    if (gap !== undefined) this.#rhythm = this.#rhythm === undefined ? gap : this.#rhythm + (gap - this.#rhythm) / 8;
  }

  /** An answer says by its proof which of them it belongs to. */
  #read(bytes: Uint8Array, at: Reading): Result<Measured, NotOurs> {
    let read: Result<Measured, NotOurs> = err({ kind: "bad-hmac" });
    for (const session of this.#sessions) {
      read = session.read(bytes, at);
      if (read.ok || read.error.kind !== "bad-hmac") break;
    }
    return read;
  }
}

export function sealOf(key: string): Seal {
  const secret = Buffer.from(key, "hex");
  if (secret.length !== 32) throw new TypeError(`a key of ${secret.length} octets`);
  const made = createSecretKey(secret);
  return (bytes) => createHmac("sha256", made).update(bytes).digest();
}

export function address(text: string): Ip {
  const ip = parseIp(text);
  if (!ip.ok) throw new TypeError(`not an address: ${text}`);
  return ip.value;
}

/** A stamp of the kernel as wallNow() says it. */
export function wallOf(stamp: bigint): number {
  return Number(stamp / 1_000_000n) + Number(stamp % 1_000_000n) / 1e6;
}

/** From a packet's arrival until now, by its stamp; a clock that was set between says nothing. */
export function keptOf(stamp: number, now: number): Ms {
  const kept = now - stamp;
  return ms(kept >= 0 && kept < MOST_KEPT ? kept : 0);
}

/** RFC 8972 §3: any but zero, and another one each time, so that the reflector tells sessions apart. */
function sessionId(): number {
  const [high = 0, low = 0] = randomOctets(2);
  return high * 256 + low || 1;
}

/** A process that stood still for a while still finds what came meanwhile. */
const RECEIVE_BUFFER = 1 << 18;
const MOST_KEPT = 10_000;
