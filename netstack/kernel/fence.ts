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
import { hex } from "../../base/octets.ts";
import { type Ms, ms } from "../../base/unit.ts";
import { changesOf, flowKey, groups, type Handover, handoverElements, permitGroups } from "./fence-elements.ts";
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
import { RouteSocket } from "./netlink/route-socket.ts";
import { SetSocket } from "./netlink/set-socket.ts";
import { SocketDiag } from "./netlink/socket-diag.ts";
import { Nftables } from "./nftables.ts";

export type { Handover } from "./fence-elements.ts";
export type { Guard, Living } from "./fence-plan.ts";

export interface Installed {
  /** Something had to be done; a second call in a row says false. */
  readonly changed: boolean;
  /** Interfaces that do not exist now: call again when they appear, before an address is put on them. */
  readonly missing: readonly string[];
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
    const permits = permitGroups(addresses, permit);
    const owned = changesOf(groups("owned", addresses, lease), placing);
    const batch = encodeBatch([...changesOf(permits, deletion), ...owned]);
    this.#sets.apply(changesOf(permits, placing));
    if (!stands()) return false;
    const since = performance.now();
    if (!this.#sets.trySend(batch)) return false;
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
      : this.#ifAlive(addresses, (alive) => changesOf(groups("owned", alive, lease), renewal));
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
      ...changesOf(groups("owned", alive), deletion),
      ...changesOf(groups("draining", alive, span), placing),
    ]);
    this.#endHandover(addresses);
    for (const address of addresses) this.#leases.delete(address);
    return lapsed;
  }

  /** From now these addresses are silent here. */
  forget(addresses: readonly Ip[]): void {
    this.#sets.apply((["owned", "draining"] as const).flatMap((name) => changesOf(groups(name, addresses), removal)));
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
    const here = new Set(held.map((each) => each.address));
    const known = moves.filter(({ address }) => here.has(address));
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
      batch = encodeBatch(changesOf(groups("owned", addresses, lease), renewal));
      if (this.#renewals.size >= MOST_RENEWALS) this.#renewals.clear();
      this.#renewals.set(key, batch);
    }
    return batch;
  }

  /** Leases that run by our clock and that the kernel does not know of: like a claim, not to be carried out late. */
  #restore(): void {
    const known = new Set(this.observe().flatMap(({ set, address }) => (set === "owned" ? [address] : [])));
    const missing = [...this.#leases].filter(([address]) => !known.has(address));
    if (missing.length === 0) return;
    const permits = permitGroups(
      missing.map(([address]) => address),
      PERMIT,
    );
    this.#sets.apply(changesOf(permits, placing));
    const now = performance.now();
    const owned = missing.flatMap(([address, { lease, until }]) => {
      const expires = ms(Math.floor(until - now) - JIFFY);
      const timed = (set: SetRef, elements: readonly Element[]): readonly Change[] =>
        placing(
          set,
          elements.map((element) => ({ ...element, expires })),
        );
      return expires <= 0 ? [] : changesOf(groups("owned", [address], lease), timed);
    });
    if (owned.length > 0) this.#sets.trySend(encodeBatch([...changesOf(permits, deletion), ...owned]));
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
        if (moves.length > 0) this.#handOver(moves, left, moves);
      }
    }
    if (script !== "") this.#restore();
    return script !== "" || changes.length > 0;
  }

  /** `known`: those of the addresses that this host may have connections for. */
  #handOver(moves: readonly Handover[], span: Ms, known: readonly Handover[]): void {
    const addresses = known.map(({ address }) => address);
    this.#remember(addresses);
    this.#sets.replace(handoverElements(moves, span).map(([set, elements]) => ({ kind: "add", set, elements })));
    // Those that began between the first look and the change.
    this.#remember(addresses);
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

  #remember(addresses: readonly Ip[]): void {
    const flows = this.#diag.flows(addresses);
    for (const [digit, family] of [
      ["4", "ip"],
      ["6", "ip6"],
    ] as const) {
      const set = setRef(family, `started${digit}`);
      const started = flows
        .filter(({ local }) => isIpv4(local) === (digit === "4"))
        .map((flow) => ({ key: flowKey(flow), timeout: ms(LONGEST_HANDOVER) }));
      for (let at = 0; at < started.length; at += FLOWS_AT_ONCE) {
        this.#sets.apply(placing(set, started.slice(at, at + FLOWS_AT_ONCE)));
      }
    }
  }

  /** Applies the changes for those addresses that have a living lease; returns the others, which are silent for good. */
  #ifAlive(addresses: readonly Ip[], changes: (alive: readonly Ip[]) => readonly Change[]): readonly Ip[] {
    for (;;) {
      const living = this.#leased(addresses);
      const lapsed = addresses.filter((address) => !living.has(address));
      const alive = addresses.filter((address) => living.has(address));
      // Its elements in several tables may expire some microseconds apart.
      for (const address of lapsed) this.#leases.delete(address);
      const rest = changesOf(groups("owned", lapsed), removal);
      // When somebody has flushed the ruleset, the sets are gone too; `install` will tell.
      if (rest.length > 0) this.#sets.trySend(encodeBatch(rest));
      // Another may lapse between looking and changing; each time fewer are alive, so this ends.
      if (alive.length === 0 || this.#sets.trySend(encodeBatch(changes(alive)))) return lapsed;
    }
  }

  /** Those of the addresses that have a living lease in each of their sets; every set is listed once. */
  #leased(addresses: readonly Ip[]): ReadonlySet<Ip> {
    const listed = new Map<string, ReadonlySet<string>>();
    const has = (set: SetRef, key: string): boolean => {
      const name = `${set.family} ${set.name}`;
      const known = listed.get(name) ?? new Set(this.#sets.elements(set).map((each) => hex(each.key)));
      listed.set(name, known);
      return known.has(key);
    };
    return new Set(
      addresses.filter((address) => {
        const key = hex(octetsOfIp(address));
        return setsOf("owned", address).every((set) => has(set, key));
      }),
    );
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

function deletion(set: SetRef, elements: readonly Element[]): readonly Change[] {
  return renewal(set, elements).slice(0, 1);
}
