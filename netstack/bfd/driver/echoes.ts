/**
 * The Echo function's hands: a packet socket on each interface that has it.  Our echoes leave through it, because they
 * are addressed to ourselves; they come back through it, because the kernel drops what claims to come from itself; and
 * where the kernel does not forward, those of a peer are returned through it.  Standards: RFC 5881 §4.
 */
import { type Ip, isIpv4, isLinkLocal, type Mac } from "../../../base/address.ts";
import { Fault } from "../../../base/fault.ts";
import { after, type Instant, seconds } from "../../../base/unit.ts";
import {
  AND,
  type BpfInstruction,
  JUMP_EQUAL,
  LOAD_HALF,
  LOAD_HALF_AT_X,
  LOAD_HEADER_LENGTH,
  LOAD_OCTET,
  LOAD_WORD,
  PACKET_TYPE,
  RETURN,
} from "../../kernel/bpf.ts";
import { errnoName } from "../../kernel/errno.ts";
import type { DatagramHandler, DatagramMeta, Datagrams, Loop } from "../../kernel/loop.ts";
import { RouteSocket } from "../../kernel/netlink/route-socket.ts";
import { Sender } from "../../kernel/sender.ts";
import { openPacket, openUdp } from "../../kernel/sockets.ts";
import { readSysctl } from "../../kernel/sysctl.ts";
import { decodeEchoFrame, ECHO_PORT, encodeEchoFrame, reflected } from "../echo-frame.ts";
import type { Session } from "../session.ts";
import { ANY4, ANY6 } from "./sockets.ts";

export interface EchoEvents {
  /** Something came back, or a stranger sent something. */
  returned(payload: Uint8Array, from: Ip): boolean;
  /** Whose echo this may be: its peer's, up, and we have said that we return them. */
  owner(peer: Ip, ifname: string): Session | undefined;
  failed(fields: Readonly<Record<string, unknown>>): void;
}

export class Echoes implements Disposable {
  readonly #loop: Loop;
  readonly #on: EchoEvents;
  readonly #route = new RouteSocket();
  readonly #ports = new Map<string, Port>();
  readonly #absorbers: Sender[] = [];

  constructor(loop: Loop, on: EchoEvents) {
    this.#loop = loop;
    this.#on = on;
  }

  /** The interfaces where echoes are sent or returned. */
  want(ifnames: ReadonlySet<string>): void {
    if (ifnames.size > 0) this.#absorb();
    for (const [ifname, port] of this.#ports) {
      const link = this.#route.link(ifname);
      if (ifnames.has(ifname) && link?.index === port.ifindex && link.mac === port.mac) continue;
      port[Symbol.dispose]();
      this.#ports.delete(ifname);
    }
    for (const ifname of ifnames) {
      if (this.#ports.has(ifname)) continue;
      const link = this.#route.link(ifname);
      if (link?.mac === undefined) continue; // another look when there is one
      try {
        this.#ports.set(ifname, new Port(this.#loop, this.#on, this.#route, { ...link, mac: link.mac }));
      } catch (cause) {
        if (!(cause instanceof Fault)) throw cause;
        this.#on.failed({ ifname, code: cause.code, ...cause.fields });
      }
    }
  }

  send(session: Session, payload: Uint8Array): void {
    const { ifname = session.ifname, local = session.local, peer } = session.config;
    const port = ifname === undefined ? undefined : this.#ports.get(ifname);
    // A router does not pass on what is addressed to a link (RFC 4291 §2.5.6).
    if (port === undefined || local === undefined || isLinkLocal(local)) return;
    const destinationMac = port.macOf(peer);
    if (destinationMac === undefined) return;
    const sourceMac = port.mac;
    const frame = { sourceMac, destinationMac, source: local, destination: local, ttl: 255, sourcePort: ECHO_PORT };
    port.send(encodeEchoFrame({ ...frame, payload }));
  }

  [Symbol.dispose](): void {
    for (const port of this.#ports.values()) port[Symbol.dispose]();
    this.#ports.clear();
    for (const absorber of this.#absorbers.splice(0)) absorber[Symbol.dispose]();
    this.#route[Symbol.dispose]();
  }

  /** What comes to port 3785 is looked at on its way in; with nobody there the kernel would call it unreachable. */
  #absorb(): void {
    for (const ip of this.#absorbers.length === 0 ? [ANY4, ANY6] : []) {
      try {
        this.#absorbers.push(new Sender(openUdp({ bind: { ip, port: ECHO_PORT }, receiveBuffer: 1 })));
      } catch (cause) {
        if (!(cause instanceof Fault)) throw cause;
        this.#on.failed({ port: ECHO_PORT, code: cause.code, ...cause.fields });
      }
    }
  }
}

class Port implements DatagramHandler, Disposable {
  readonly ifindex: number;
  readonly mac: Mac;
  readonly #ifname: string;
  readonly #socket: Datagrams;
  readonly #on: EchoEvents;
  readonly #loop: Loop;
  readonly #route: RouteSocket;
  readonly #returnedAt = new WeakMap<Session, Instant>();
  /** What was asked of the kernel, for a while. */
  #neighbours: Kept<ReadonlyMap<Ip, Mac>> | undefined;
  #forwarding: Kept<readonly [boolean, boolean]> | undefined;

  constructor(loop: Loop, on: EchoEvents, route: RouteSocket, link: LinkWithMac) {
    this.#loop = loop;
    this.#on = on;
    this.#route = route;
    this.#ifname = link.name;
    this.ifindex = link.index;
    this.mac = link.mac;
    const options = { ifindex: link.index, ethertype: EVERYTHING, filter: ECHO_FILTER };
    this.#socket = loop.datagrams(openPacket(options), this);
  }

  /** As the kernel knows it: control packets keep the entry fresh. */
  macOf(peer: Ip): Mac | undefined {
    const now = this.#loop.now();
    if (this.#neighbours === undefined || now >= this.#neighbours.until) {
      const macs = new Map<Ip, Mac>();
      for (const { ip, mac } of this.#route.neighbours(this.ifindex)) if (mac !== undefined) macs.set(ip, mac);
      this.#neighbours = { value: macs, until: after(now, KEPT) };
    }
    return this.#neighbours.value.get(peer);
  }

  send(frame: Uint8Array): void {
    // Lost echoes are what the function is about.
    this.#socket.send(frame);
  }

  received(_socket: Datagrams, bytes: Uint8Array, _meta: DatagramMeta): void {
    const frame = decodeEchoFrame(bytes);
    if (!frame.ok) return;
    const { source, destination, payload } = frame.value;
    if (source === destination && this.#on.returned(payload, source)) return;
    const forwarded = this.#on.owner(destination, this.#ifname);
    if (forwarded !== undefined && !this.#forwards(source)) this.#reflect(forwarded, bytes, false);
    // Some peers (FRR over IPv6) address their echoes to us, which no forwarding plane would return.
    const addressed = forwarded === undefined ? this.#on.owner(source, this.#ifname) : undefined;
    if (addressed !== undefined && addressed.local === destination) {
      this.#reflect(addressed, bytes, true);
    }
  }
  failed(_socket: Datagrams, errno: number): void {
    this.#on.failed({ ifname: this.#ifname, errno: errnoName(errno) });
  }

  [Symbol.dispose](): void {
    this.#socket[Symbol.dispose]();
  }

  #reflect(session: Session, bytes: Uint8Array, swap: boolean): void {
    const now = this.#loop.turnAt();
    const last = this.#returnedAt.get(session);
    // RFC 5880 §6.8.9 allows the sender 25 % of jitter, and queues press packets together.
    const least = session.config.timing.requiredMinEchoRx * 0.5;
    if (last !== undefined && now - last < least) return session.refuse("echo-rate", this.#ifname);
    const back = reflected(bytes, swap);
    if (back === undefined) return session.refuse("echo-ttl", this.#ifname);
    this.#returnedAt.set(session, now);
    this.send(back);
  }

  #forwards(ip: Ip): boolean {
    const now = this.#loop.turnAt();
    if (this.#forwarding === undefined || now >= this.#forwarding.until) {
      const [v4, v6] = ["ipv4", "ipv6"].map((family) => readSysctl(`net/${family}/conf/${this.#ifname}/forwarding`));
      this.#forwarding = { value: [v4 === "1", v6 === "1"], until: after(now, KEPT) };
    }
    return this.#forwarding.value[isIpv4(ip) ? 0 : 1];
  }
}

interface LinkWithMac {
  readonly name: string;
  readonly index: number;
  readonly mac: Mac;
}
interface Kept<T> {
  readonly value: T;
  readonly until: Instant;
}

const EVERYTHING = 3;
const KEPT = seconds(1);
const OUTGOING = 4;
/** UDP to port 3785 in unfragmented IPv4, or directly after the IPv6 header; not what this host sends. */
const ECHO_FILTER: readonly BpfInstruction[] = [
  [LOAD_WORD, 0, 0, PACKET_TYPE],
  [JUMP_EQUAL, 16, 0, OUTGOING],
  [LOAD_HALF, 0, 0, 12],
  [JUMP_EQUAL, 0, 8, 0x0800],
  [LOAD_OCTET, 0, 0, 23],
  [JUMP_EQUAL, 0, 12, 17],
  [LOAD_HALF, 0, 0, 20],
  [AND, 0, 0, 0x3fff],
  [JUMP_EQUAL, 0, 9, 0],
  [LOAD_HEADER_LENGTH, 0, 0, 14],
  [LOAD_HALF_AT_X, 0, 0, 16],
  [JUMP_EQUAL, 5, 6, ECHO_PORT],
  [JUMP_EQUAL, 0, 5, 0x86dd],
  [LOAD_OCTET, 0, 0, 20],
  [JUMP_EQUAL, 0, 3, 17],
  [LOAD_HALF, 0, 0, 56],
  [JUMP_EQUAL, 0, 1, ECHO_PORT],
  [RETURN, 0, 0, 0xffff],
  [RETURN, 0, 0, 0],
];
