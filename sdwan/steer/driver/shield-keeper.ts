/**
 * Keeps the tables of the loss shield's near end as they are wanted, and counts at both ends.  The tables belong to the
 * socket that made them (`flags owner`, Linux 5.12): the kernel takes them away when this process ends, however it ends, since
 * then nobody watches whether there is loss any more.
 */
import { MARK_MASK, packetMark, TABLE_PREFIX } from "../../../netstack/kernel/marks.ts";
import { SetSocket } from "../../../netstack/kernel/netlink/set-socket.ts";
import { Nftables } from "../../../netstack/kernel/nftables.ts";
import type { SteeringPlan } from "../part.ts";
import { duplicatesCounter } from "../shield-chains.ts";
import { type Copies, copiesOf, type ShieldDevice, type ShieldOrder } from "../shield-copies.ts";
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
  /** Opened at the first need; its socket owns the tables. */
  #nft: Nftables | undefined;
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
    if (this.#made?.key === key || (this.#made === undefined && copies.tables === undefined)) return undefined;
    this.#fold();
    this.#made = undefined;
    this.#nft ??= new Nftables();
    this.#nft.transaction(`${NO_TABLES}${copies.tables ?? ""}`);
    if (copies.tables !== undefined) this.#made = { copies, key };
    return copies.orders;
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
    this.#nft?.transaction(NO_TABLES);
  }

  [Symbol.dispose](): void {
    this.#nft?.[Symbol.dispose]();
    this.#sets[Symbol.dispose]();
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

const NONE: Tally = { packets: 0, octets: 0 };
const NO_TABLES = ["inet", "netdev"]
  .map((family) => `table ${family} ${SHIELD_TABLE} { flags owner; }\ndelete table ${family} ${SHIELD_TABLE}\n`)
  .join("");
