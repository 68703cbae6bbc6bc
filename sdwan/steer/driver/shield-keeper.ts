/**
 * Keeps the tables of the loss shield's near end as they are wanted, and counts at both ends.  What they do has to be
 * renewed: when this process ends, however it ends, nobody watches whether there is loss any more.
 */
import { type Ms, ms } from "../../../base/unit.ts";
import { MARK_MASK, packetMark, TABLE_PREFIX } from "../../../netstack/kernel/marks.ts";
import { placing } from "../../../netstack/kernel/netlink/nftables-elements.ts";
import { SetSocket } from "../../../netstack/kernel/netlink/set-socket.ts";
import { Nftables } from "../../../netstack/kernel/nftables.ts";
import type { SteeringPlan } from "../part.ts";
import { duplicatesCounter } from "../shield-chains.ts";
import { type Copies, copiesOf, LEASED, type ShieldDevice, type ShieldOrder } from "../shield-copies.ts";
import { WAN_TABLE } from "./ruleset-keeper.ts";

export const SHIELD_TABLE = `${TABLE_PREFIX}_wan_shield`;

/** Since this process began. */
export interface ShieldCount {
  readonly class: string;
  /** Where they were sent; undefined: duplicates that came in and were dropped, of all classes with the same code point. */
  readonly copied: ShieldOrder | undefined;
  readonly packets: number;
  readonly octets: number;
}

export class ShieldKeeper implements Disposable {
  readonly #sets = new SetSocket();
  /** Opened at the first need. */
  #nft: Nftables | undefined;
  /** What an earlier process left is gone. */
  #swept = false;
  #made: { readonly copies: Copies; readonly key: string } | undefined;
  /** By order: what tables counted that are no more. */
  readonly #before = new Map<string, Tally>();
  readonly #orders = new Map<string, ShieldOrder>();
  readonly #duplicates = new Map<string, Growing>();

  /** Returns what is kept up when it is not what was. */
  keep(
    plan: SteeringPlan,
    wanted: readonly ShieldOrder[],
    deviceOf: (ifname: string) => ShieldDevice | undefined,
  ): readonly ShieldOrder[] | undefined {
    const copies = copiesOf(plan, { mask: MARK_MASK, of: packetMark }, wanted, deviceOf, SHIELD_TABLE);
    // A device that was made anew has lost its hook.
    const key = [
      copies.tables,
      ...copies.orders.map(({ from, to }) => [deviceOf(from)?.index, deviceOf(to)?.index]),
    ].join();
    if (this.#made?.key === key) return undefined;
    if (this.#made === undefined && copies.tables === undefined && this.#isSwept()) return undefined;
    this.#fold();
    this.#made = undefined;
    this.#nft ??= new Nftables();
    this.#nft.transaction(`${NO_TABLES}${copies.tables ?? ""}`);
    this.#swept = true;
    if (copies.tables !== undefined) this.#made = { copies, key };
    this.renew();
    return copies.orders;
  }

  /** What is not renewed within `LEASE` ends. */
  renew(): void {
    if (this.#made === undefined) return;
    const elements = [...new Set(this.#made.copies.orders.map(({ from }) => from))].map((from) => ({
      key: nameKey(from),
      timeout: LEASE,
    }));
    this.#sets.apply(placing({ family: "inet", table: SHIELD_TABLE, name: LEASED }, elements));
  }

  counts(plan: SteeringPlan): readonly ShieldCount[] {
    const now = this.#current();
    const copied = [...this.#orders].map(([key, order]): ShieldCount => {
      const sum = plus(this.#before.get(key), now.get(key));
      return { class: order.class, copied: order, ...sum };
    });
    return [...copied, ...this.#dropped(plan)];
  }

  remove(): void {
    this.#fold();
    this.#made = undefined;
    if (this.#isSwept() && this.#nft === undefined) return;
    this.#nft ??= new Nftables();
    this.#nft.transaction(NO_TABLES);
  }

  [Symbol.dispose](): void {
    this.#nft?.[Symbol.dispose]();
    this.#sets[Symbol.dispose]();
  }

  #isSwept(): boolean {
    this.#swept ||= !this.#sets.tables().some(({ name }) => name === SHIELD_TABLE);
    return this.#swept;
  }

  #dropped({ classes }: SteeringPlan): readonly ShieldCount[] {
    const shielded = classes.filter((each) => each.shielded === true);
    if (shielded.length === 0) return [];
    const found = new Map(this.#sets.counters("inet", WAN_TABLE).map((each) => [each.name, each]));
    return shielded.flatMap(({ name, dscp }): readonly ShieldCount[] => {
      const counter = dscp === undefined ? undefined : found.get(duplicatesCounter(dscp));
      if (counter === undefined) return [];
      const before = this.#duplicates.get(name);
      // The table was made anew.
      const base =
        before === undefined || counter.packets >= before.last.packets ? before?.base : plus(before.base, before.last);
      this.#duplicates.set(name, { base: base ?? NONE, last: counter });
      return [{ class: name, copied: undefined, ...plus(base, counter) }];
    });
  }

  #current(): ReadonlyMap<string, Tally> {
    if (this.#made === undefined) return new Map();
    const { orders, counters } = this.#made.copies;
    const found = new Map(this.#sets.counters("netdev", SHIELD_TABLE).map((each) => [each.name, each]));
    return new Map(
      orders.map((order, index) => {
        const key = keyOf(order);
        this.#orders.set(key, order);
        return [key, found.get(counters[index] ?? "") ?? NONE] as const;
      }),
    );
  }

  #fold(): void {
    for (const [key, tally] of this.#current()) this.#before.set(key, plus(this.#before.get(key), tally));
  }
}

interface Tally {
  readonly packets: number;
  readonly octets: number;
}
interface Growing {
  readonly base: Tally;
  readonly last: Tally;
}

function plus(a: Tally = NONE, b: Tally = NONE): Tally {
  return { packets: a.packets + b.packets, octets: a.octets + b.octets };
}

function keyOf(order: ShieldOrder): string {
  return [order.class, order.site, order.from, order.to].join(" ");
}

/** As the kernel compares it: 16 octets, zeros at the end. */
function nameKey(ifname: string): Uint8Array {
  const key = new Uint8Array(IFNAMSIZ);
  key.set(new TextEncoder().encode(ifname));
  return key;
}

const LEASE: Ms = ms(20_000);
const IFNAMSIZ = 16;
const NONE: Tally = { packets: 0, octets: 0 };
const NO_TABLES = ["inet", "netdev"]
  .map((family) => `add table ${family} ${SHIELD_TABLE}\ndelete table ${family} ${SHIELD_TABLE}\n`)
  .join("");
