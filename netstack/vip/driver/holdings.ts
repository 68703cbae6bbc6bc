/**
 * What this host holds in the kernel for its virtual IPs: leases and fence, and the addresses on the interface.
 * IPv6 addresses are added without the kernel's duplicate address detection (RFC 4862 §5.4): the claim has just done
 * its own, faster, and a tentative address would answer nothing for a second.
 */
import { bitsOf, type Ip, isIpv4 } from "../../../base/address.ts";
import { Fault } from "../../../base/fault.ts";
import { type Ms, ms } from "../../../base/unit.ts";
import { Fence, type Guard, type Handover, type Installed } from "../../kernel/fence.ts";
import { LONGEST_HANDOVER } from "../../kernel/fence-rules.ts";
import { ADDRESS_PROTOCOL } from "../../kernel/marks.ts";
import { RouteSocket } from "../../kernel/netlink/route-socket.ts";
import type { Holding, VipId } from "../event.ts";

/** An address that the kernel does not take. */
export interface Refusal {
  readonly ip: Ip;
  readonly cause: Fault;
}
export interface Notes {
  /** Somebody had damaged the fence. */
  readonly repaired: () => void;
  /** Somebody else had put an address of ours on the interface: it is used, and left there. */
  readonly foreign: (ip: Ip) => void;
}

export class Holdings implements Disposable {
  readonly #fence = new Fence();
  readonly #route = new RouteSocket();
  /** Addresses that we hold and the interface that they belong on; `ours`: we put it there, so we take it away. */
  readonly #added = new Map<Ip, { readonly index: number; readonly ours: boolean }>();
  readonly #notes: Notes;
  #guards: readonly Guard[] = [];

  constructor(notes: Notes) {
    this.#notes = notes;
  }

  /** Takes away what an earlier process left: first its voice, then its addresses. */
  sweep(): number {
    const left = this.#route.addresses().filter((each) => each.protocol === ADDRESS_PROTOCOL);
    const living = this.#fence.observe().map((each) => each.address);
    if (living.length > 0) this.#fence.forget([...new Set(living)]);
    for (const { ip, prefixLength, index } of left) this.#route.deleteAddress(ip, prefixLength, index);
    return left.length;
  }

  /** Which addresses the fence shall guard. */
  guard(guards: readonly Guard[]): Installed {
    this.#guards = guards;
    return this.#fence.install(guards);
  }

  /**
   * New leases in one transaction, unless it is too late for them (`stands`); then the addresses: nothing answers before
   * it may.  Returns what is held: with an address that the kernel refuses, only if `suffices` says so.
   */
  claim(
    wanted: readonly Holding[],
    ifindex: number,
    lease: Ms,
    stands: () => boolean,
    suffices: (holding: Holding, refused: readonly Refusal[]) => boolean,
  ): readonly VipId[] {
    const addresses = wanted.flatMap((each) => each.addresses);
    let begun = false;
    try {
      this.#repairing(() => {
        begun = this.#fence.claim(addresses, lease, PERMIT, stands);
      });
    } catch (cause) {
      if (!(cause instanceof Fault)) throw cause;
      for (const each of wanted) suffices(each, refusedAll(each, cause));
    }
    if (!begun) return [];
    const held = wanted.filter((each) => {
      const refused = each.addresses.flatMap((ip) => this.#tryAdd(ip, ifindex));
      return refused.length === 0 || suffices(each, refused);
    });
    const given = wanted.filter((each) => !held.includes(each));
    if (given.length > 0) this.drop(given.flatMap((each) => each.addresses));
    return held.map(({ vip }) => vip);
  }

  /** Leases that are alive get their full span; the others are lost, and named. */
  extend(holdings: readonly Holding[], lease: Ms): readonly VipId[] {
    const addresses =
      holdings.length === 1 ? (holdings[0]?.addresses ?? []) : holdings.flatMap((each) => each.addresses);
    const lost = this.#fence.renew(addresses, lease);
    if (lost.length === 0) return [];
    // Somebody flushed the ruleset: the leases did not run out, they were taken away with the fence.
    if (this.#repair() && this.#fence.claim(lost, lease, PERMIT, () => true)) return [];
    return holdings.filter((each) => each.addresses.some((ip) => lost.includes(ip))).map(({ vip }) => vip);
  }

  /** No more announced or answered for; flows go on. */
  drain(addresses: readonly Ip[], span: Ms): void {
    this.#repairing(() => this.#fence.drain(addresses, span));
  }

  /** Silent, and gone from the interface. */
  drop(addresses: readonly Ip[]): void {
    try {
      this.#repairing(() => this.#fence.forget(addresses));
    } finally {
      for (const ip of addresses) {
        const added = this.#added.get(ip);
        this.#added.delete(ip);
        if (added?.ours === true) this.#route.deleteAddress(ip, bitsOf(ip), added.index);
      }
    }
  }

  /** Flows for these addresses that we do not know go to their previous owners for a while. */
  handover(moves: readonly Handover[], span: Ms): void {
    const kept = ms(Math.min(span, LONGEST_HANDOVER));
    this.#repairing(() => this.#fence.handover(moves, kept));
  }

  holds(ip: Ip): boolean {
    return this.#added.has(ip);
  }

  /** Puts back addresses that somebody took from the interface while we hold them. */
  restore(): { readonly restored: readonly Ip[]; readonly refused: readonly Refusal[] } {
    if (this.#added.size === 0) return { restored: [], refused: [] };
    const there = new Set(this.#route.addresses().map(({ ip, index }) => `${ip} ${index}`));
    const missing = [...this.#added].filter(([ip, { index }]) => !there.has(`${ip} ${index}`));
    const refused = missing.flatMap(([ip, { index }]) => this.#tryAdd(ip, index));
    const restored = missing.map(([ip]) => ip).filter((ip) => !refused.some((each) => each.ip === ip));
    return { restored, refused };
  }

  /** Nothing of ours stays. */
  clear(): void {
    this.drop([...this.#added.keys()]);
    this.#fence.remove();
  }

  [Symbol.dispose](): void {
    this.#fence[Symbol.dispose]();
    this.#route[Symbol.dispose]();
  }

  #tryAdd(ip: Ip, index: number): readonly Refusal[] {
    try {
      this.#add(ip, index);
      return [];
    } catch (cause) {
      if (!(cause instanceof Fault)) throw cause;
      return [{ ip, cause }];
    }
  }

  #add(ip: Ip, index: number): void {
    // Held also when it is refused: it is ours to put there as soon as that is possible.
    this.#added.set(ip, { index, ours: true });
    const noDad = isIpv4(ip) ? {} : { noDad: true };
    if (this.#route.addAddress({ ip, prefixLength: bitsOf(ip), index, protocol: ADDRESS_PROTOCOL, ...noDad })) return;
    const there = this.#route.addresses(index).find((each) => each.ip === ip && each.protocol === ADDRESS_PROTOCOL);
    if (there !== undefined) return;
    this.#added.set(ip, { index, ours: false });
    this.#notes.foreign(ip);
  }

  #repair(): boolean {
    const { changed } = this.#fence.install(this.#guards);
    if (changed) this.#notes.repaired();
    return changed;
  }

  /** The fence may have been flushed by somebody: put it back, once, and try again. */
  #repairing(change: () => void): void {
    try {
      change();
    } catch (cause) {
      if (!(cause instanceof Fault) || cause.code !== "NFTABLES") throw cause;
      if (!this.#repair()) throw cause;
      change();
    }
  }
}

/** How late a claim may be carried out that was in time when we looked at the clock: a few of the kernel's jiffies. */
const PERMIT = ms(20);

function refusedAll(holding: Holding, cause: Fault): readonly Refusal[] {
  return holding.addresses.map((ip) => ({ ip, cause }));
}
