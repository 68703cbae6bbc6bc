/**
 * Best paths on their way to the kernel: which prefixes it must be told of, and what it was told last.  Next-hop sets
 * are numbered, so that a prefix takes four octets and an attribute that does not matter to forwarding causes nothing.
 */
import { formatIp, type Ip, isIpv4 } from "../../base/address.ts";
import { type AttributeStore, Memo } from "./attributes.ts";
import type { RouteChange } from "./event.ts";
import type { Family } from "./packet/family.ts";
import { larger } from "./paths.ts";
import type { BgpPlan } from "./plan.ts";
import type { PrefixId } from "./prefixes.ts";
import type { Rib } from "./rib.ts";

type Hops = RouteChange["nextHops"];

export class Fib {
  #install: BgpPlan["install"];
  readonly #tables: Readonly<Record<Family, Table>>;
  readonly #sets = new Map<string, number>();
  readonly #hops: Hops[] = [[]];
  /** Nothing is said until what is there has been learnt (RFC 4724 §4.1). */
  held = false;

  constructor(ribs: Readonly<Record<Family, Rib>>, store: AttributeStore) {
    this.#tables = { ipv4: new Table(ribs.ipv4, store), ipv6: new Table(ribs.ipv6, store) };
  }

  get waiting(): boolean {
    return !this.held && (this.#tables.ipv4.waiting || this.#tables.ipv6.waiting);
  }
  configure(install: BgpPlan["install"]): void {
    if (JSON.stringify(install) === JSON.stringify(this.#install)) return;
    this.#install = install;
    for (const table of Object.values(this.#tables)) table.touchAll();
  }
  touch(family: Family, prefix: PrefixId): void {
    if (this.#install !== undefined) this.#tables[family].touch(prefix);
  }
  isUsed(family: Family, prefix: PrefixId): boolean {
    return this.#tables[family].isUsed(prefix);
  }

  next(most: number): readonly RouteChange[] {
    const changes: RouteChange[] = [];
    if (this.held) return changes;
    for (const table of Object.values(this.#tables)) {
      while (changes.length < most) {
        const prefix = table.take();
        if (prefix === undefined) break;
        const set = this.#setFor(table, prefix);
        if (!table.tell(prefix, set)) continue;
        changes.push({ prefix: table.rib.table.prefix(prefix), nextHops: this.#hops[set] ?? [] });
      }
    }
    return changes;
  }

  /** Where there is one path, what it takes is known by its attributes. */
  #setFor({ rib, single }: Table, prefix: PrefixId): number {
    const best = rib.best(prefix);
    if (this.#install === undefined || best === 0) return 0;
    const { paths } = rib;
    const several = paths.next(paths.first(prefix)) !== 0;
    // Of a link-local one the interface matters, which is the source's and may change.
    if (several || rib.family === "ipv6") return this.#setOf(this.#wanted(rib, prefix));
    const key = paths.attributes(best) * 65536 + paths.source(best);
    return single.get(key) ?? single.set(key, this.#setOf(this.#wanted(rib, prefix)));
  }
  #wanted(rib: Rib, prefix: PrefixId): Hops {
    if (this.#install === undefined || rib.best(prefix) === 0) return [];
    const decision = rib.decision(prefix);
    if (decision === undefined || decision.best.source.kind === "local") return [];
    const hops = new Map<string, Hops[number]>();
    for (const { entry, source } of decision.equal) {
      const ip: Ip = entry.nextHop;
      const ifname = !isIpv4(ip) && /^fe[89ab]/.test(ip) ? source.ifname : undefined;
      hops.set(`${formatIp(ip)}%${ifname ?? ""}`, { ip, ifname });
      if (hops.size >= Math.max(1, this.#install.multipath)) break;
    }
    return [...hops.keys()].toSorted().flatMap((key) => hops.get(key) ?? []);
  }
  #setOf(hops: Hops): number {
    if (hops.length === 0) return 0;
    const key = hops.map(({ ip, ifname }) => `${formatIp(ip)}%${ifname ?? ""}`).join(" ");
    const known = this.#sets.get(key);
    if (known !== undefined) return known;
    this.#sets.set(key, this.#hops.length);
    this.#hops.push(hops);
    return this.#hops.length - 1;
  }
}

class Table {
  readonly rib: Rib;
  /** Attributes and source → set of next hops. */
  readonly single: Memo<number>;
  #told = new Uint32Array(64);
  #dirty: PrefixId[] = [];
  #isDirty = new Uint8Array(64);

  constructor(rib: Rib, store: AttributeStore) {
    this.rib = rib;
    this.single = new Memo(store);
  }
  get waiting(): boolean {
    return this.#dirty.length > 0;
  }
  isUsed(prefix: PrefixId): boolean {
    return (this.#told[prefix] ?? 0) !== 0 || this.#isDirty[prefix] === 1;
  }
  touch(prefix: PrefixId): void {
    if (prefix >= this.#isDirty.length) this.#isDirty = larger(this.#isDirty, Uint8Array, prefix + 1);
    if (this.#isDirty[prefix] === 1) return;
    this.#isDirty[prefix] = 1;
    this.#dirty.push(prefix);
  }
  touchAll(): void {
    for (let prefix = 1; prefix < this.rib.table.bound; prefix++)
      if (this.rib.best(prefix) !== 0 || (this.#told[prefix] ?? 0) !== 0) this.touch(prefix);
  }
  /** Order does not matter to a kernel: the last first. */
  take(): PrefixId | undefined {
    const prefix = this.#dirty.pop();
    if (prefix !== undefined) this.#isDirty[prefix] = 0;
    return prefix;
  }
  /** Whether that is news. */
  tell(prefix: PrefixId, set: number): boolean {
    if (prefix >= this.#told.length) this.#told = larger(this.#told, Uint32Array, prefix + 1);
    if (this.#told[prefix] === set) return false;
    this.#told[prefix] = set;
    return true;
  }
}
