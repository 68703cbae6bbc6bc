/** ICMP echo by raw sockets that hear nothing but their own replies; the kernel stamps those. */
import { type Ip, isIpv4 } from "../../../base/address.ts";
import { instant } from "../../../base/unit.ts";
import {
  type BpfInstruction,
  DROP,
  JUMP_EQUAL,
  LOAD_HALF,
  LOAD_HALF_AT_X,
  LOAD_HEADER_LENGTH,
  PASS,
} from "../../../netstack/kernel/bpf.ts";
import { wallNow } from "../../../netstack/kernel/clock.ts";
import { errnoName } from "../../../netstack/kernel/errno.ts";
import type { DatagramMeta, Datagrams } from "../../../netstack/kernel/loop.ts";
import { randomOctets } from "../../../netstack/kernel/random.ts";
import { decodeInet, encodeInet } from "../../../netstack/kernel/sockaddr.ts";
import { openRaw } from "../../../netstack/kernel/sockets.ts";
import type { PathSpec, ProbeSpec } from "../../steer-plan.ts";
import { decodeReply, type Echo, encodeEcho } from "../echo.ts";
import { type Reading, spanOf } from "../stamp.ts";
import { Targets } from "../targets.ts";
import { type Failure, type Hands, type HandsParts, NOTHING_ALSO } from "./hands.ts";
import { address, keptOf, wallOf } from "./stamp-hands.ts";

export type EchoSpec = Extract<ProbeSpec, { readonly kind: "icmp" }>;

export class EchoHands implements Hands {
  readonly #parts: HandsParts;
  readonly #targets: readonly Target[];
  readonly #choice: Targets;
  readonly #sockets: ReadonlyMap<4 | 6, Datagrams>;
  readonly #ours: Omit<Echo, "number">;
  /** Number → when each target was asked. */
  readonly #sent = new Map<number, Map<number, Reading>>();
  #newest = -1;

  constructor(path: PathSpec, spec: EchoSpec, parts: HandsParts) {
    this.#parts = parts;
    this.#targets = spec.targets.map((target) => targetOf(address(target)));
    this.#choice = new Targets(this.#targets.length);
    const [high = 0, low = 0, ...token] = randomOctets(10);
    this.#ours = { identifier: high * 256 + low, token: Uint8Array.from(token) };
    const sockets = new Map<4 | 6, Datagrams>();
    try {
      for (const { family } of this.#targets)
        if (!sockets.has(family)) sockets.set(family, this.#opened(family, path.ifname, spec.mark));
    } catch (cause) {
      for (const socket of sockets.values()) socket[Symbol.dispose]();
      throw cause;
    }
    this.#sockets = sockets;
  }

  ask(number: number, broad: boolean): Failure | undefined {
    this.#newest = number;
    this.#sent.delete(number - REMEMBERED);
    const times = new Map<number, Reading>();
    this.#sent.set(number, times);
    let failure: Failure | undefined;
    for (const index of this.#choice.ask(number, broad)) {
      const target = this.#targets[index];
      if (target === undefined) continue;
      const packet = encodeEcho(target.family, { ...this.#ours, number });
      times.set(index, { wall: wallNow(), boot: this.#parts.loop.now() });
      const errno = this.#sockets.get(target.family)?.send(packet, target.to) ?? 0;
      if (errno !== 0) failure = { errno: errnoName(errno) };
    }
    return failure;
  }

  [Symbol.dispose](): void {
    for (const socket of this.#sockets.values()) socket[Symbol.dispose]();
  }

  #opened(family: 4 | 6, device: string, mark: number): Datagrams {
    const fd = openRaw({
      family,
      protocol: family === 4 ? IPPROTO_ICMP : IPPROTO_ICMPV6,
      device,
      mark,
      meta: { stamp: true },
      filter: repliesTo(family, this.#ours.identifier),
      receiveBuffer: RECEIVE_BUFFER,
    });
    return this.#parts.loop.datagrams(fd, {
      received: (_socket, bytes, meta) => this.#received(family, bytes, meta),
      failed: (_socket, errno) => this.#parts.on.failed({ errno: errnoName(errno) }),
    });
  }

  #received(family: 4 | 6, bytes: Uint8Array, meta: DatagramMeta): void {
    const { on, loop } = this.#parts;
    const decoded = decodeReply(family, bytes, this.#ours);
    if (!decoded.ok) return on.refused(decoded.error.kind);
    const from = decodeInet(meta.from);
    const index = this.#targets.findIndex(({ ip }) => ip === from?.ip);
    const number = this.#newest - ((this.#newest - decoded.value) >>> 0);
    const sent = this.#sent.get(number)?.get(index);
    if (sent === undefined) return on.refused("unasked");
    const boot = loop.now();
    const now = wallNow();
    const wall = meta.stamp === undefined ? now : wallOf(meta.stamp);
    const { way } = spanOf(sent, { wall, boot });
    const { main, changed } = this.#choice.answered(number, index);
    if (changed) on.targetChanged();
    const kept = keptOf(wall, now);
    const arrivedAt = instant(boot - kept);
    on.answered({ number, arrivedAt, rtt: main ? way : undefined }, NOTHING_ALSO);
  }
}

interface Target {
  readonly ip: Ip;
  readonly family: 4 | 6;
  readonly to: Uint8Array;
}

function targetOf(ip: Ip): Target {
  return { ip, family: isIpv4(ip) ? 4 : 6, to: encodeInet({ ip, port: 0 }) };
}

/** Echo replies with our identifier: every raw socket is shown every ICMP message of the host. */
function repliesTo(family: 4 | 6, identifier: number): readonly BpfInstruction[] {
  const reply = family === 4 ? 0 : 129 << 8;
  const load: (offset: number) => BpfInstruction =
    family === 4 ? (offset) => [LOAD_HALF_AT_X, 0, 0, offset] : (offset) => [LOAD_HALF, 0, 0, offset];
  const start: readonly BpfInstruction[] = family === 4 ? [[LOAD_HEADER_LENGTH, 0, 0, 0]] : [];
  return [...start, load(0), [JUMP_EQUAL, 0, 3, reply], load(4), [JUMP_EQUAL, 0, 1, identifier], PASS, DROP];
}

const IPPROTO_ICMP = 1;
const IPPROTO_ICMPV6 = 58;
const REMEMBERED = 1024;
const RECEIVE_BUFFER = 1 << 16;
