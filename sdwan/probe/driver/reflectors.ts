/** The sockets that answer probes, one for each device that somebody probes through. */
import { formatIp } from "../../../base/address.ts";
import { Fault } from "../../../base/fault.ts";
import { after, seconds } from "../../../base/unit.ts";
import { wallNow } from "../../../netstack/kernel/clock.ts";
import { EAGAIN, ENOBUFS, errnoName } from "../../../netstack/kernel/errno.ts";
import type { DatagramMeta, Datagrams, Loop } from "../../../netstack/kernel/loop.ts";
import { decodeInet } from "../../../netstack/kernel/sockaddr.ts";
import { openUdp } from "../../../netstack/kernel/sockets.ts";
import type { ReflectorSpec } from "../../steer-plan.ts";
import { type Key, Reflector, reply, wantsCounters } from "../reflector.ts";
import type { Devices } from "./devices.ts";
import type { Failure } from "./hands.ts";
import { address, sealOf, wallOf } from "./stamp-hands.ts";

export interface ReflectorsParts {
  readonly loop: Loop;
  readonly devices: Devices;
  readonly failed: (fields: Failure) => void;
}

export class Reflectors implements Disposable {
  readonly #parts: ReflectorsParts;
  readonly #open = new Map<string, Open>();
  /** Names of refusals → how often, over all of them. */
  readonly refused: Record<string, number> = {};
  answered = 0;
  #again: Disposable | undefined;
  /** What sealing an answer takes: T3 is written before, and says when it will leave. */
  #sealing = 0;

  constructor(parts: ReflectorsParts) {
    this.#parts = parts;
  }

  plan(specs: readonly ReflectorSpec[]): void {
    const wanted = new Map(specs.map((spec) => [`${spec.ifname} ${spec.local} ${spec.port}`, spec]));
    for (const [key, open] of this.#open) {
      if (wanted.has(key)) continue;
      close(open);
      this.#open.delete(key);
    }
    for (const [key, spec] of wanted) {
      const open: Open = this.#open.get(key) ?? {
        spec,
        reflector: new Reflector(),
        socket: undefined,
        ifindex: 0,
        told: "",
      };
      open.spec = spec;
      open.reflector.configure(keysOf(spec));
      this.#open.set(key, open);
    }
    this.#try();
  }

  deviceChanged(ifname: string): void {
    if ([...this.#open.values()].some(({ spec }) => spec.ifname === ifname)) this.#try();
  }

  [Symbol.dispose](): void {
    this.#again?.[Symbol.dispose]();
    for (const open of this.#open.values()) close(open);
    this.#open.clear();
  }

  #try(): void {
    let missing = false;
    for (const open of this.#open.values()) {
      const device = this.#parts.devices.of(open.spec.ifname);
      if (device?.index !== open.ifindex) close(open);
      // It is told when the device comes.
      if (device === undefined || open.socket !== undefined) continue;
      try {
        open.socket = this.#opened(open);
        open.ifindex = device.index;
        open.told = "";
      } catch (cause) {
        if (!(cause instanceof Fault)) throw cause;
        missing = true;
        const { ifname, local, port } = open.spec;
        this.#tell(open, { ifname, local, port, code: cause.code, ...cause.fields });
      }
    }
    const { loop } = this.#parts;
    this.#again?.[Symbol.dispose]();
    this.#again = missing ? loop.wakeAt(after(loop.now(), RETRY), () => this.#try()) : undefined;
  }

  #opened(open: Open): Datagrams {
    const { ifname, local, port } = open.spec;
    const fd = openUdp({
      bind: { ip: address(local), port },
      device: ifname,
      freebind: true,
      ttl: 255,
      meta: { stamp: true, ttl: true },
      receiveBuffer: RECEIVE_BUFFER,
    });
    return this.#parts.loop.datagrams(fd, {
      received: (socket, bytes, meta) => this.#received(open, socket, bytes, meta),
      failed: (_socket, errno) => this.#tell(open, { ifname, errno: errnoName(errno) }),
    });
  }

  #received(open: Open, socket: Datagrams, bytes: Uint8Array, meta: DatagramMeta): void {
    const from = decodeInet(meta.from);
    if (from === undefined) return;
    const receivedAt = meta.stamp === undefined ? wallNow() : wallOf(meta.stamp);
    const arrival = { address: formatIp(from.ip), port: from.port, ttl: meta.ttl ?? 0, receivedAt };
    const accepted = open.reflector.receive(bytes, arrival, this.#parts.loop.turnAt());
    if (!accepted.ok) {
      const { kind } = accepted.error;
      this.refused[kind] = (this.refused[kind] ?? 0) + 1;
      return;
    }
    const now = wantsCounters(accepted.value) ? this.#counters(open) : undefined;
    const at = wallNow();
    const answer = reply(accepted.value, at + this.#sealing, now);
    const took = Math.min(Math.max(wallNow() - at, 0), MOST_SEALING);
    this.#sealing += (took - this.#sealing) / 8;
    const errno = socket.send(answer, meta.from.slice());
    if (errno === 0) {
      this.answered++;
      open.told = "";
    } else if (errno !== EAGAIN && errno !== ENOBUFS) {
      this.#tell(open, { ifname: open.spec.ifname, peer: arrival.address, errno: errnoName(errno) });
    }
  }

  #counters({ spec, ifindex }: Open): { readonly received: number; readonly sent: number } | undefined {
    // Of several peers nobody can tell which one's packets they are.
    if (Object.keys(spec.peers).length !== 1) return undefined;
    const counters = this.#parts.devices.counters(ifindex);
    return counters === undefined ? undefined : { received: counters.received.packets, sent: counters.sent.packets };
  }

  /** Once for each reason, until something works again. */
  #tell(open: Open, fields: Failure): void {
    const text = JSON.stringify(fields);
    if (open.told === text) return;
    open.told = text;
    this.#parts.failed(fields);
  }
}

function keysOf({ peers, nextKeys = {} }: ReflectorSpec): ReadonlyMap<string, readonly Key[]> {
  const key = (id: string): Key => ({ id, seal: sealOf(id) });
  return new Map(
    Object.entries(peers).map(([peer, now]) => {
      const next = nextKeys[peer];
      return [formatIp(address(peer)), next === undefined ? [key(now)] : [key(now), key(next)]];
    }),
  );
}

interface Open {
  spec: ReflectorSpec;
  readonly reflector: Reflector;
  socket: Datagrams | undefined;
  /** Of the device that the socket is bound to. */
  ifindex: number;
  told: string;
}

function close(open: Open): void {
  open.socket?.[Symbol.dispose]();
  open.socket = undefined;
  open.ifindex = 0;
}

const RETRY = seconds(1);
/** Milliseconds: longer, and something else took the processor. */
const MOST_SEALING = 1;
const RECEIVE_BUFFER = 1 << 18;
