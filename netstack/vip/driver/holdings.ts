/**
 * What this host holds in the kernel for its virtual IPs: leases and fence, and the addresses on the interface.
 * IPv6 addresses are added without the kernel's duplicate address detection (RFC 4862 §5.4): the claim has just done
 * its own, faster, and a tentative address would answer nothing for a second.
 */
import { type Ip, isIpv4 } from "../../../base/address.ts";
import { Fault } from "../../../base/fault.ts";
import { type Ms, ms } from "../../../base/unit.ts";
import { Fence, type Guard, type Handover, type Installed } from "../../kernel/fence.ts";
import { LONGEST_HANDOVER } from "../../kernel/fence-rules.ts";
import { ADDRESS_PROTOCOL } from "../../kernel/marks.ts";
import { RouteSocket } from "../../kernel/netlink/route-socket.ts";
import type { Holding, VipId } from "../event.ts";

export class Holdings implements Disposable {
  readonly #fence = new Fence();
  readonly #route = new RouteSocket();
  /** Addresses on interfaces, ours. */
  readonly #added = new Map<Ip, number>();
  readonly #repaired: () => void;
  #guards: readonly Guard[] = [];

  /** `repaired` is called when somebody had damaged the fence. */
  constructor(repaired: () => void) {
    this.#repaired = repaired;
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
   * it may.  Returns what is held.
   */
  claim(
    wanted: readonly Holding[],
    ifindex: number,
    lease: Ms,
    stands: () => boolean,
    failed: (vip: VipId, cause: Fault) => void,
  ): readonly VipId[] {
    const addresses = wanted.flatMap((each) => each.addresses);
    let begun = false;
    try {
      this.#repairing(() => {
        begun = this.#fence.claim(addresses, lease, PERMIT, stands);
      });
    } catch (cause) {
      if (!(cause instanceof Fault)) throw cause;
      for (const { vip } of wanted) failed(vip, cause);
    }
    if (!begun) return [];
    return wanted
      .filter((each) => {
        try {
          for (const ip of each.addresses) this.#add(ip, ifindex);
          return true;
        } catch (cause) {
          if (!(cause instanceof Fault)) throw cause;
          this.drop(each.addresses);
          failed(each.vip, cause);
          return false;
        }
      })
      .map(({ vip }) => vip);
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
        const ifindex = this.#added.get(ip);
        this.#added.delete(ip);
        if (ifindex !== undefined) this.#route.deleteAddress(ip, lengthOf(ip), ifindex);
      }
    }
  }

  /** Flows for these addresses that we do not know go to their previous owners for a while. */
  handover(moves: readonly Handover[], span: Ms): void {
    const kept = ms(Math.min(span, LONGEST_HANDOVER));
    this.#repairing(() => this.#fence.handover(moves, kept));
  }

  /** Puts back an address that somebody took from the interface while we own it. */
  restore(ip: Ip): boolean {
    const index = this.#added.get(ip);
    return index !== undefined && this.#add(ip, index);
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

  #add(ip: Ip, index: number): boolean {
    this.#added.set(ip, index);
    const noDad = isIpv4(ip) ? {} : { noDad: true };
    return this.#route.addAddress({ ip, prefixLength: lengthOf(ip), index, protocol: ADDRESS_PROTOCOL, ...noDad });
  }

  #repair(): boolean {
    const { changed } = this.#fence.install(this.#guards);
    if (changed) this.#repaired();
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

function lengthOf(ip: Ip): number {
  return isIpv4(ip) ? 32 : 128;
}
