/**
 * From Adj-RIB-In to what may be used: loops, import policy, graceful shutdown.  Standards: RFC 4271 §9.1.2, §5.1.3,
 * RFC 4456 §8, RFC 8326 §4.3, RFC 9494 §4.
 */
import type { Ip, Ipv4 } from "../../base/address.ts";
import { type AttributeId, type AttributeStore, type Entry, LLGR_STALE, Memo } from "./attributes.ts";
import { attributesOf } from "./packet/attributes.ts";
import { pathHas } from "./packet/path.ts";
import type { Policy } from "./policy.ts";
import type { PrefixId } from "./prefixes.ts";

export type Unusable = "as-loop" | "originator-loop" | "own-next-hop" | "policy";

export interface ImportContext {
  readonly store: AttributeStore;
  readonly external: boolean;
  /** Ours: in a path, they tell a loop. */
  readonly asns: readonly number[];
  readonly routerId: Ipv4;
  /** §5.1.3: a next hop of our own is of no use. */
  readonly isOurs: (ip: Ip) => boolean;
  readonly policy: Policy;
}

export class Importer {
  readonly #context: ImportContext;
  readonly #loops: Memo<Unusable | undefined>;
  readonly #shut: Memo<AttributeId>;
  readonly #longLived: Memo<AttributeId>;

  constructor(context: ImportContext) {
    this.#context = context;
    this.#loops = new Memo(context.store);
    this.#shut = new Memo(context.store);
    this.#longLived = new Memo(context.store);
  }

  /** What of a route is used; 0: nothing. */
  apply(prefix: PrefixId, raw: AttributeId): AttributeId {
    if (this.loop(raw) !== undefined) return 0;
    const taken = this.#context.policy.apply(prefix, raw);
    if (taken === 0 || !this.#context.external) return taken;
    return this.#context.store.entry(raw).gracefulShutdown ? this.#shutDown(taken) : taken;
  }
  /** The same for many routes with one set of attributes. */
  forSet(raw: AttributeId): (prefix: PrefixId) => AttributeId {
    if (this.loop(raw) !== undefined) return () => 0;
    const { policy, external, store } = this.#context;
    if (!external || !store.entry(raw).gracefulShutdown) return (prefix) => policy.apply(prefix, raw);
    return (prefix) => this.apply(prefix, raw);
  }
  why(prefix: PrefixId, raw: AttributeId): Unusable | undefined {
    return this.loop(raw) ?? (this.#context.policy.apply(prefix, raw) === 0 ? "policy" : undefined);
  }
  loop(raw: AttributeId): Unusable | undefined {
    // `undefined` is an answer, too: it must be told from "not looked at".
    const known = this.#loops.get(raw);
    if (known !== undefined || this.#loops.has(raw)) return known;
    return this.#loops.set(raw, this.#look(this.#context.store.entry(raw)));
  }
  /** RFC 9494 §4.2: marked, so that whoever hears of it prefers anything else. */
  longLived(attributes: AttributeId): AttributeId {
    const { store } = this.#context;
    const known = this.#longLived.get(attributes);
    if (known !== undefined) return known;
    const before = store.attributes(attributes);
    const marked = before.communities.includes(LLGR_STALE)
      ? attributes
      : store.id(attributesOf({ ...before, communities: [...before.communities, LLGR_STALE] }));
    return this.#longLived.set(attributes, marked);
  }

  /** RFC 8326 §4.3: the last resort, whatever policy made of it. */
  #shutDown(attributes: AttributeId): AttributeId {
    const known = this.#shut.get(attributes);
    if (known !== undefined) return known;
    const { store } = this.#context;
    return this.#shut.set(attributes, store.id(attributesOf({ ...store.attributes(attributes), localPref: 0 })));
  }
  #look({ attributes, nextHop }: Entry): Unusable | undefined {
    const { asns, routerId, isOurs } = this.#context;
    if (asns.some((asn) => pathHas(attributes.asPath, asn))) return "as-loop";
    // RFC 4456 §8; the cluster list is not ours to look for, since we reflect nothing and so have no cluster.
    if (attributes.originatorId === routerId) return "originator-loop";
    return isOurs(nextHop) ? "own-next-hop" : undefined;
  }
}
