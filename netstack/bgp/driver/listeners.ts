/**
 * Listening sockets, one for each address of the plan (none named: one for each family), with the keys of all peers.
 * SYN-ACKs leave with TTL 255, since a listener cannot know yet who calls (RFC 5082 §3); what a peer may do is set on
 * the connection.  A port that somebody else has is asked for again every few seconds.
 */
import {
  contains,
  formatIp,
  formatPrefix,
  hostPrefix,
  type Ip,
  ipOf,
  ipv4,
  ipv6,
  isIpv4,
  type Prefix,
  prefixOf,
} from "../../../base/address.ts";
import { Fault } from "../../../base/fault.ts";
import { after, type Ms, ms } from "../../../base/unit.ts";
import type { Acceptor, Fd, Loop } from "../../kernel/loop.ts";
import { attach, detach, listenTcp } from "../../kernel/sockets.ts";
import { addTcpKey, removeTcpKey, type TcpKey } from "../../kernel/tcp-options.ts";
import type { BgpAuth, BgpPlan } from "../plan.ts";
import { type Distance, distanceFilter } from "./distance-filter.ts";
import { keyOf, NETWORK_CONTROL } from "./session-socket.ts";

export interface ListenerNotes {
  warn(name: string, fields: Readonly<Record<string, unknown>>): void;
}

export class Listeners implements Disposable {
  readonly #loop: Loop;
  readonly #acceptor: Acceptor;
  readonly #notes: ListenerNotes;
  readonly #open = new Map<string, Listener>();
  /** Keys that shall be there, by peer. */
  #keys: ReadonlyMap<string, TcpKey> = new Map();
  #wanted: readonly Place[] = [];
  #distances: readonly Distance[] = [];
  #retry: Disposable | undefined;
  #holding: Disposable | undefined;
  /** What was said already, so that a retry does not say it again. */
  readonly #said = new Set<string>();

  constructor(loop: Loop, acceptor: Acceptor, notes: ListenerNotes) {
    this.#loop = loop;
    this.#acceptor = acceptor;
    this.#notes = notes;
  }

  /**
   * Nobody is listened to for a while.  After a restart both sides call at once, and a peer that helps takes the call that
   * it hears second for another restart, which ends the first session and all that it had kept for us (RFC 4724 §4.2, §5).
   */
  hold(span: Ms): void {
    this.#holding = this.#loop.wakeAt(after(this.#loop.now(), span), () => {
      this.#holding = undefined;
      this.#listen();
    });
  }

  /** `discovered`: the addresses of unnumbered peers by interface. */
  plan(plan: BgpPlan | undefined, discovered: ReadonlyMap<string, Ip>): void {
    this.#keys = plan === undefined ? new Map() : keysOf(plan, discovered);
    this.#wanted = plan === undefined ? [] : placesOf(plan);
    this.#distances = plan === undefined ? [] : distancesOf(plan, discovered);
    for (const [place, listener] of this.#open) {
      if (this.#wanted.some((each) => nameOf(each) === place)) continue;
      listener.accepting[Symbol.dispose]();
      this.#open.delete(place);
    }
    this.#listen();
  }

  /** Whether somebody who calls from `remote` has been made to sign, as `auth` wants it. */
  guards(remote: Ip, auth: BgpAuth | undefined): boolean {
    if (auth === undefined) return true;
    const listeners = [...this.#open.values()].filter((each) => isIpv4(each.ip) === isIpv4(remote));
    return listeners.every((listener) =>
      [...listener.keys.values()].some(({ peer, kind }) => kind === auth.kind && covers(peer, remote)),
    );
  }

  [Symbol.dispose](): void {
    this.#retry?.[Symbol.dispose]();
    this.#holding?.[Symbol.dispose]();
    for (const { accepting } of this.#open.values()) accepting[Symbol.dispose]();
    this.#open.clear();
  }

  #listen(): void {
    this.#retry?.[Symbol.dispose]();
    this.#retry = undefined;
    if (this.#holding !== undefined) return;
    for (const place of this.#wanted) {
      if (!this.#open.has(nameOf(place)) && !this.#begin(place)) {
        this.#retry ??= this.#loop.wakeAt(after(this.#loop.now(), RETRY), () => this.#listen());
      }
    }
    for (const listener of this.#open.values()) this.#furnish(listener);
  }

  #begin(place: Place): boolean {
    try {
      const hops = { ttl: 255, minTtl: 0 };
      const fd = listenTcp({ ...place, freebind: true, backlog: 128, hops, trafficClass: NETWORK_CONTROL });
      // Before the first turn: until its keys are there nobody is accepted.
      const listener = {
        fd,
        ip: place.ip,
        filter: undefined,
        keys: new Map<string, TcpKey>(),
        accepting: this.#loop.accept(fd, this.#acceptor),
      };
      this.#open.set(nameOf(place), listener);
      this.#said.delete(nameOf(place));
      return true;
    } catch (cause) {
      if (!(cause instanceof Fault)) throw cause;
      this.#say(nameOf(place), "bgp.listen-failed", { address: nameOf(place), why: cause.message });
      return false;
    }
  }

  #furnish(listener: Listener): void {
    const filter = distanceFilter(!isIpv4(listener.ip), this.#distances);
    const text = JSON.stringify(filter);
    if (text !== listener.filter) {
      if (filter === undefined) detach(listener.fd);
      else attach(listener.fd, filter);
      listener.filter = text;
    }
    for (const [id, key] of listener.keys) {
      const wanted = this.#keys.get(id);
      if (wanted !== undefined && wanted.kind === key.kind) continue;
      listener.keys.delete(id);
      removeTcpKey(listener.fd, key);
    }
    for (const [id, key] of this.#keys) {
      if (isIpv4(key.peer.ip) !== isIpv4(listener.ip) || same(listener.keys.get(id), key)) continue;
      try {
        const old = listener.keys.get(id);
        if (old?.kind === "ao") removeTcpKey(listener.fd, old);
        addTcpKey(listener.fd, key);
        listener.keys.set(id, key);
      } catch (cause) {
        if (!(cause instanceof Fault)) throw cause;
        listener.keys.delete(id);
        this.#say(`${id} ${cause.message}`, "bgp.auth-unavailable", { peer: id, why: cause.message });
      }
    }
  }

  #say(key: string, name: string, fields: Readonly<Record<string, unknown>>): void {
    if (this.#said.has(key)) return;
    this.#said.add(key);
    this.#notes.warn(name, fields);
  }
}

interface Place {
  readonly ip: Ip;
  readonly port: number;
}
interface Listener {
  readonly fd: Fd;
  readonly ip: Ip;
  readonly accepting: Disposable;
  readonly keys: Map<string, TcpKey>;
  /** The filter that it has, as text. */
  filter: string | undefined;
}

function placesOf(plan: BgpPlan): readonly Place[] {
  const { port, addresses } = plan.listen;
  const ips = addresses.length === 0 ? [ipv4("0.0.0.0"), ipv6("::")] : addresses.map(ipOf);
  return ips.map((ip) => ({ ip, port }));
}

function distancesOf(plan: BgpPlan, discovered: ReadonlyMap<string, Ip>): readonly Distance[] {
  const named = plan.peers.flatMap(({ address, ifname, ttlSecurity }): readonly Distance[] => {
    const ip = address === undefined ? discovered.get(ifname ?? "") : ipOf(address);
    return ip === undefined || ttlSecurity === undefined ? [] : [{ peer: hostPrefix(ip), minTtl: 256 - ttlSecurity }];
  });
  const dynamic = plan.dynamic.flatMap(({ prefix, ttlSecurity }) =>
    ttlSecurity === undefined ? [] : [{ peer: prefixOf(prefix), minTtl: 256 - ttlSecurity }],
  );
  return [...named, ...dynamic];
}

/** By the prefix that they are for: of two peers with one address the first counts. */
function keysOf(plan: BgpPlan, discovered: ReadonlyMap<string, Ip>): ReadonlyMap<string, TcpKey> {
  const keys = new Map<string, TcpKey>();
  const add = (auth: BgpAuth | undefined, peer: Prefix): void => {
    const key = keyOf(auth, peer);
    const id = formatPrefix(peer);
    if (key !== undefined && !keys.has(id)) keys.set(id, key);
  };
  for (const { address, ifname, auth } of plan.peers) {
    const ip = address === undefined ? discovered.get(ifname ?? "") : ipOf(address);
    if (ip !== undefined) add(auth, hostPrefix(ip));
  }
  for (const { prefix, auth } of plan.dynamic) add(auth, prefixOf(prefix));
  return keys;
}

function covers(peer: Prefix, ip: Ip): boolean {
  return isIpv4(peer.ip) === isIpv4(ip) && contains(peer, ip);
}

function same(a: TcpKey | undefined, b: TcpKey): boolean {
  return a !== undefined && JSON.stringify(plain(a)) === JSON.stringify(plain(b));
}
function plain(key: TcpKey): unknown {
  return { ...key, peer: formatPrefix(key.peer), key: [...key.key] };
}

function nameOf({ ip, port }: Place): string {
  return `${formatIp(ip)} port ${port}`;
}

const RETRY = ms(5000);
