/**
 * The fence around virtual IPs: the kernel itself refuses to answer for, announce, receive or send from an address that
 * this host does not hold a living lease for (fence-rules.ts says how).  `renew` keeps the lease: when nobody calls it,
 * the address falls silent by itself, with no process of ours alive.
 *
 * No decision can be carried out late.  A process may be frozen between any two of its instructions; what it had decided
 * before, it must not do after it wakes.  So a lease that has lapsed cannot be renewed (the kernel refuses: the element
 * to renew is gone), only claimed; and a claim works only while a permit lives that was put into the kernel before the
 * decision was looked at for the last time.
 *
 * Order for a caller: `install` (at start and at each change of links or configuration), then `claim`, then add the
 * address to the interface, then announce.  To give up: `drain` or `forget` first, then everything else.  A packet
 * socket whose frame the fence drops is told so: sending fails with ENOBUFS.
 *
 * Limits: timeouts are counted in jiffies (4 ms at HZ=250, 10 ms at HZ=100) of a clock that stands still while a whole
 * virtual machine is paused, so a paused machine resumes with what was left of its lease.
 */
import { type Ip, ipOfOctets, isIpv4, octetsOfIp } from "../../base/address.ts";
import { Fault } from "../../base/fault.ts";
import { type Ms, ms } from "../../base/unit.ts";
import {
  type Guard,
  guardSets,
  type Have,
  type Living,
  planFence,
  removalScript,
  setRef,
  setsOf,
  type Want,
} from "./fence-plan.ts";
import { type Family, LONGEST_HANDOVER } from "./fence-rules.ts";
import { VIP_TABLE } from "./marks.ts";
import {
  type Change,
  type Element,
  encodeBatch,
  placing,
  removal,
  renewal,
  type SetRef,
} from "./netlink/nftables-elements.ts";
import { hex, join } from "./netlink/octets.ts";
import { RouteSocket } from "./netlink/route-socket.ts";
import { SetSocket } from "./netlink/set-socket.ts";
import { type Flow, SocketDiag } from "./netlink/socket-diag.ts";
import { Nftables } from "./nftables.ts";

export type { Guard, Living } from "./fence-plan.ts";

export interface Installed {
  /** Something had to be done; a second call in a row says false. */
  readonly changed: boolean;
  /** Interfaces that do not exist now: call again when they appear, before an address is put on them. */
  readonly missing: readonly string[];
}

/** A flow's way back after a graceful move: packets for `address` of older flows go to `previous`. */
export interface Handover {
  readonly address: Ip;
  /** The previous owner's own address on the same link, of the same family. */
  readonly previous: Ip;
}

export class Fence implements Disposable {
  readonly #nft: Nftables;
  readonly #sets: SetSocket;
  readonly #route: RouteSocket;
  readonly #diag: SocketDiag;
  /** Batches by what they renew; the same ones come again at every heartbeat. */
  readonly #renewals = new Map<string, Uint8Array>();
  /** When the leases that we know to be ours end, by a clock that goes on while the process does not. */
  readonly #leases = new Map<Ip, { readonly lease: Ms; readonly until: number }>();

  /** For the network namespace that the calling thread is in. */
  constructor() {
    this.#nft = new Nftables();
    this.#sets = new SetSocket();
    this.#route = new RouteSocket();
    this.#diag = new SocketDiag();
  }

  /**
   * Makes the fence as wanted: idempotent, repairs what others damaged, keeps living leases; those that a flushed ruleset
   * has taken away get what is left of their time.
   */
  install(guards: readonly Guard[]): Installed {
    const names = [...new Set(guards.map((guard) => guard.ifname))];
    for (;;) {
      const present = names.filter((name) => this.#route.link(name) !== undefined);
      try {
        const changed = this.#make({ guards, present });
        return { changed, missing: names.filter((name) => !present.includes(name)) };
      } catch (cause) {
        // An interface that went between looking and changing is none of the kernel's refusals that matter.
        if (present.every((name) => this.#route.link(name) !== undefined)) throw cause;
      }
    }
  }

  /**
   * Begins a lease.  `stands` looks at the decision once more (has its deadline passed?) after the kernel was given a
   * permit of `permit` ms; a process that is frozen after that look finds the permit expired.  So `permit` is how late a
   * claim may be carried out.  Returns whether the lease began; it may be tried again.
   */
  claim(addresses: readonly Ip[], lease: Ms, permit: Ms, stands: () => boolean): boolean {
    const permits = addresses.map((address) => ({ key: permitKey(address), timeout: permit }));
    this.#sets.apply(placing(PERMITS, permits));
    if (!stands()) return false;
    const since = performance.now();
    const owned = groups("owned", addresses, lease).flatMap(([set, elements]) => placing(set, elements));
    if (!this.#sets.trySend(encodeBatch([...renewal(PERMITS, permits).slice(0, 1), ...owned]))) return false;
    this.#holds(addresses, lease, since);
    return true;
  }

  /**
   * The addresses answer for `lease` from now.  Called at every heartbeat; some 30 µs for four addresses.  Returns those
   * whose lease had lapsed: they stay silent, until claimed.  (All of them, when somebody has flushed the ruleset: then
   * `install` says that it had something to do.)
   */
  renew(addresses: readonly Ip[], lease: Ms): readonly Ip[] {
    if (addresses.length === 0) return [];
    const since = performance.now();
    const lapsed = this.#sets.trySend(this.#renewalOf(addresses, lease))
      ? []
      : this.#ifAlive(addresses, (alive) =>
          groups("owned", alive, lease).flatMap(([set, elements]) => renewal(set, elements)),
        );
    const kept = lapsed.length === 0 ? addresses : addresses.filter((address) => !lapsed.includes(address));
    this.#holds(kept, lease, since);
    return lapsed;
  }

  /**
   * From now these addresses are not announced or answered for, but their flows go on for `span`.  Returns those whose
   * lease had lapsed: they are silent.
   */
  drain(addresses: readonly Ip[], span: Ms): readonly Ip[] {
    const lapsed = this.#ifAlive(addresses, (alive) => [
      ...groups("owned", alive).flatMap(([set, elements]) => renewal(set, elements).slice(0, 1)),
      ...groups("draining", alive, span).flatMap(([set, elements]) => placing(set, elements)),
    ]);
    this.#endHandover(addresses);
    for (const address of addresses) this.#leases.delete(address);
    return lapsed;
  }

  /** From now these addresses are silent here. */
  forget(addresses: readonly Ip[]): void {
    this.#sets.apply(
      (["owned", "draining"] as const).flatMap((name) =>
        groups(name, addresses).flatMap(([set, elements]) => removal(set, elements)),
      ),
    );
    for (const address of addresses) this.#leases.delete(address);
    this.#endHandover(addresses);
  }

  /**
   * For `span`, TCP flows that this host does not know are passed back to the previous owner: all but those whose SYN
   * comes from now on, and those it has already.  Call before the address is announced; best before `claim`, when there
   * is nothing to look up.
   */
  handover(moves: readonly Handover[], span: Ms): void {
    if (span > LONGEST_HANDOVER) throw new TypeError(`a handover of ${span} ms`);
    // Looking through all connections takes a while; only a host that owns or drains the address can have any.
    const held = this.observe().filter((each) => each.set !== "handover");
    const known = moves.filter(({ address }) => held.some((each) => each.address === address));
    this.#handOver(moves, span, known);
  }

  /** What the kernel holds now: leases, addresses draining, handovers. */
  observe(): readonly Living[] {
    return [...this.#living("ip", "4"), ...this.#living("ip6", "6")];
  }

  /** Takes the whole fence away: every address that is configured answers again. */
  remove(): void {
    this.#nft.transaction(removalScript());
  }

  [Symbol.dispose](): void {
    this.#nft[Symbol.dispose]();
    this.#sets[Symbol.dispose]();
    this.#route[Symbol.dispose]();
    this.#diag[Symbol.dispose]();
  }

  #holds(addresses: readonly Ip[], lease: Ms, since: number): void {
    for (const address of addresses) this.#leases.set(address, { lease, until: since + lease });
  }

  #renewalOf(addresses: readonly Ip[], lease: Ms): Uint8Array {
    const key = `${lease} ${addresses.join(" ")}`;
    let batch = this.#renewals.get(key);
    if (batch === undefined) {
      batch = encodeBatch(groups("owned", addresses, lease).flatMap(([set, elements]) => renewal(set, elements)));
      if (this.#renewals.size >= MOST_RENEWALS) this.#renewals.clear();
      this.#renewals.set(key, batch);
    }
    return batch;
  }

  /** Leases that run by our clock and that the kernel does not know of: like a claim, not to be carried out late. */
  #restore(): void {
    const known = this.observe().flatMap(({ set, address }) => (set === "owned" ? [address] : []));
    for (const [address, { lease, until }] of this.#leases) {
      if (known.includes(address)) continue;
      const permits = [{ key: permitKey(address), timeout: PERMIT }];
      this.#sets.apply(placing(PERMITS, permits));
      const left = Math.floor(until - performance.now()) - JIFFY;
      if (left <= 0) continue;
      const owned = groups("owned", [address], lease).flatMap(([set, elements]) =>
        placing(
          set,
          elements.map((element) => ({ ...element, expires: ms(left) })),
        ),
      );
      this.#sets.trySend(encodeBatch([...renewal(PERMITS, permits).slice(0, 1), ...owned]));
    }
  }

  #make(want: Want): boolean {
    const have = this.#have();
    const { script, changes, whole } = planFence(want, have);
    if (script !== "") this.#transaction(script);
    this.#sets.apply(changes);
    if (whole) {
      // Before the leases: until then no packet for the address gets as far as being judged.
      for (const { address, to, left } of have.living) {
        const moves = to === undefined ? [] : [{ address, previous: to }];
        this.#handOver(moves, left, moves);
      }
    }
    if (script !== "") this.#restore();
    return script !== "" || changes.length > 0;
  }

  /** `known`: those of the addresses that this host may have connections for. */
  #handOver(moves: readonly Handover[], span: Ms, known: readonly Handover[]): void {
    for (const { address } of known) this.#remember(address);
    this.#sets.replace(handoverElements(moves, span).map(([set, elements]) => ({ kind: "add", set, elements })));
    // Those that began between the first look and the change.
    for (const { address } of known) this.#remember(address);
  }

  #transaction(script: string): void {
    try {
      this.#nft.transaction(script);
    } catch (cause) {
      const unsupported = cause instanceof Fault && /not supported/.test(String(cause.fields["message"]));
      throw unsupported ? new Fault("KERNEL_MISSING", { needs: NEEDS }, cause) : cause;
    }
  }

  #endHandover(addresses: readonly Ip[]): void {
    const away = addresses.map((address) => ({ address, previous: address }));
    this.#sets.replace(handoverElements(away).map(([set, elements]) => ({ kind: "delete", set, elements })));
  }

  #remember(address: Ip): void {
    const set = isIpv4(address) ? setRef("ip", "started4") : setRef("ip6", "started6");
    const flows = this.#diag.flows(address).map((flow) => ({ key: flowKey(flow), timeout: ms(LONGEST_HANDOVER) }));
    for (let at = 0; at < flows.length; at += FLOWS_AT_ONCE) {
      this.#sets.apply(placing(set, flows.slice(at, at + FLOWS_AT_ONCE)));
    }
  }

  /** Applies the changes for those addresses that have a living lease; returns the others, which are silent for good. */
  #ifAlive(addresses: readonly Ip[], changes: (alive: readonly Ip[]) => readonly Change[]): readonly Ip[] {
    for (;;) {
      const lapsed = addresses.filter((address) => !this.#alive(address));
      const alive = addresses.filter((address) => !lapsed.includes(address));
      // Its elements in several tables may expire some microseconds apart.
      for (const address of lapsed) this.#leases.delete(address);
      const rest = groups("owned", lapsed).flatMap(([set, elements]) => removal(set, elements));
      // When somebody has flushed the ruleset, the sets are gone too; `install` will tell.
      if (rest.length > 0) this.#sets.trySend(encodeBatch(rest));
      // Another may lapse between looking and changing; each time fewer are alive, so this ends.
      if (alive.length === 0 || this.#sets.trySend(encodeBatch(changes(alive)))) return lapsed;
    }
  }

  #alive(address: Ip): boolean {
    const key = hex(octetsOfIp(address));
    return setsOf("owned", address).every((set) => this.#sets.elements(set).some((each) => hex(each.key) === key));
  }

  #have(): Have {
    const tables = this.#sets.tables().filter((table) => table.name === VIP_TABLE);
    const families = new Set(tables.map((table) => table.family));
    const places = [...guardSets([]).keys()].filter((place) => families.has(place.split(" ")[0] as Family));
    return {
      tables,
      chains: [...families].flatMap((family) => this.#sets.chains(family)),
      rules: [...families].flatMap((family) => this.#sets.rules(family, VIP_TABLE)),
      guarded: new Map(
        places.map((place) => {
          const [family = "", name = ""] = place.split(" ");
          return [place, this.#sets.elements(setRef(family as Family, name)).map((each) => hex(each.key))];
        }),
      ),
      living: this.observe(),
    };
  }

  #living(family: "ip" | "ip6", digit: "4" | "6"): readonly Living[] {
    return (["owned", "draining", "handover"] as const).flatMap((set) =>
      this.#sets.elements(setRef(family, `${set}${digit}`)).map((each) => ({
        set,
        address: ipOfOctets(each.key),
        timeout: each.timeout ?? ms(0),
        left: each.expires ?? ms(0),
        ...(each.data === undefined ? {} : { to: ipOfOctets(each.data) }),
      })),
    );
  }
}

/** The elements that addresses become, by the set that they go into. */
function groups(set: Living["set"], addresses: readonly Ip[], timeout?: Ms): readonly Group[] {
  const bySet = new Map<string, [SetRef, Element[]]>();
  for (const address of addresses) {
    for (const ref of setsOf(set, address)) {
      const group = bySet.get(`${ref.family} ${ref.name}`) ?? [ref, []];
      group[1].push({ key: octetsOfIp(address), ...(timeout === undefined ? {} : { timeout }) });
      bySet.set(`${ref.family} ${ref.name}`, group);
    }
  }
  return [...bySet.values()];
}

function handoverElements(moves: readonly Handover[], timeout?: Ms): readonly Group[] {
  return moves.flatMap(({ address, previous }): readonly Group[] => {
    if (isIpv4(address) !== isIpv4(previous)) throw new TypeError("a handover between address families");
    const element = { key: octetsOfIp(address), ...(timeout === undefined ? {} : { timeout }) };
    const [family, digit] = isIpv4(address) ? (["ip", "4"] as const) : (["ip6", "6"] as const);
    return [
      [setRef(family, `handover${digit}`), [{ ...element, data: octetsOfIp(previous) }]],
      [setRef(family, `moving${digit}`), [{ ...element, goto: "moving" }]],
    ];
  });
}

type Group = readonly [SetRef, readonly Element[]];

/** IPv4 as ::ffff:a.b.c.d. */
function permitKey(ip: Ip): Uint8Array {
  const octets = octetsOfIp(ip);
  if (octets.length === 16) return octets;
  return Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, ...octets);
}

/** Source address, source port, destination address, destination port of its packets to us, each padded to four octets. */
function flowKey(flow: Flow): Uint8Array {
  const port = (value: number): Uint8Array => Uint8Array.of(value >>> 8, value & 0xff, 0, 0);
  return join([octetsOfIp(flow.remote), port(flow.remotePort), octetsOfIp(flow.local), port(flow.localPort)]);
}

const NEEDS =
  "nftables with CONFIG_NETFILTER_EGRESS (Linux 5.16), CONFIG_NF_TABLES_ARP, CONFIG_NFT_FIB_IPV4 and _IPV6, CONFIG_NFT_DUP_IPV4 and _IPV6";
/** So that a batch stays below what one netlink message to the kernel may carry. */
const FLOWS_AT_ONCE = 500;
/** Different sets of addresses that are renewed at the same time: one for each interface, and some while they change. */
const MOST_RENEWALS = 64;
/** How late a lease may be put back. */
const PERMIT = ms(20);
/** The kernel ends a lease up to one tick of its clock (HZ=100 at the slowest) before its time. */
const JIFFY = 10;
const PERMITS = setRef("netdev", "permit");
