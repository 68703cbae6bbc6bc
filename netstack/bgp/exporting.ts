/**
 * From Loc-RIB to what one peer hears of a route.  Standards: RFC 4271 §5.1 (attributes), §9.1.3, §9.2, RFC 1997,
 * RFC 2545, RFC 8950, RFC 8326 §4.2, RFC 9494 §4.3.  Left out on purpose: reflection (RFC 4456): what an internal peer
 * said is not told to another.
 */
import { isIpv4 } from "../../base/address.ts";
import { type AttributeId, type AttributeStore, GRACEFUL_SHUTDOWN, LLGR_STALE, Memo } from "./attributes.ts";
import { DEFAULT_LOCAL_PREF } from "./decide.ts";
import type { NextHop, PathAttributes } from "./packet/attribute.ts";
import { attributesOf } from "./packet/attributes.ts";
import { prepended } from "./packet/path.ts";
import { LONG_LIVED_STALE, type PathIndex } from "./paths.ts";
import type { Policy } from "./policy.ts";
import type { PrefixId } from "./prefixes.ts";
import type { Rib } from "./rib.ts";
import { LOCAL, type Sources } from "./sources.ts";

export interface ExportContext {
  readonly store: AttributeStore;
  readonly sources: Sources;
  readonly rib: Rib;
  /** Of the peer, as a source: it does not hear its own routes back. */
  readonly peer: number;
  readonly external: boolean;
  /** What the peer takes us for. */
  readonly asn: number;
  /** Of this family; undefined: we have no address that the peer could send to. */
  readonly self: NextHop | undefined;
  /** RFC 8950: IPv4 routes may have IPv6 next hops. */
  readonly extendedNextHop: boolean;
  /** RFC 9494: the peer has the capability. */
  readonly longLived: boolean;
  /** RFC 8326: say that we are about to leave. */
  readonly gracefulShutdown: boolean;
  readonly policy: Policy;
  /** Whether this peer is meant by a local route's audience. */
  readonly hears: (audience: number) => boolean;
}

export class Exporter {
  readonly #context: ExportContext;
  readonly #prepared: Memo<AttributeId>;
  readonly #finished: Memo<AttributeId>;

  constructor(context: ExportContext) {
    this.#context = context;
    this.#prepared = new Memo(context.store);
    this.#finished = new Memo(context.store);
  }

  /** What is announced of a prefix; 0: nothing. */
  apply(prefix: PrefixId): AttributeId {
    const { rib, policy } = this.#context;
    const path = this.#pathFor(prefix);
    if (path === 0) return 0;
    const stale = rib.paths.flags(path) & LONG_LIVED_STALE;
    const prepared = this.#prepare(rib.paths.attributes(path), rib.paths.source(path), stale !== 0);
    if (prepared === 0) return 0;
    const chosen = policy.apply(prefix, prepared);
    return chosen === 0 ? 0 : this.#finish(chosen);
  }

  #pathFor(prefix: PrefixId): PathIndex {
    const { rib, peer, hears } = this.#context;
    const best = rib.best(prefix);
    if (best === 0 || rib.paths.source(best) === peer) return 0;
    if (rib.paths.source(best) !== LOCAL) return best;
    // A network may be told to some peers only, and differently to others: the first that means this peer.
    let found = 0;
    for (let path = rib.paths.first(prefix); path !== 0; path = rib.paths.next(path)) {
      if (rib.paths.source(path) !== LOCAL || !hears(rib.paths.pathId(path))) continue;
      if (found === 0 || rib.paths.pathId(path) < rib.paths.pathId(found)) found = path;
    }
    return found;
  }

  /** What does not depend on the prefix, before policy. */
  #prepare(attributes: AttributeId, sourceIndex: number, stale: boolean): AttributeId {
    const { store, sources } = this.#context;
    const { kind } = sources.get(sourceIndex);
    const key = attributes * 8 + (kind === "local" ? 0 : kind === "internal" ? 1 : 2) * 2 + (stale ? 1 : 0);
    const known = this.#prepared.get(key);
    if (known !== undefined) return known;
    const made = this.#make(attributes, kind, stale);
    return this.#prepared.set(key, made === undefined ? 0 : store.id(attributesOf(made)));
  }
  #make(id: AttributeId, from: "local" | "internal" | "external", stale: boolean): PathAttributes | undefined {
    const { store, external, self, asn, longLived, gracefulShutdown } = this.#context;
    const { attributes, noAdvertise, noExport, longLivedStale } = store.entry(id);
    if (from === "internal" && !external) return undefined; // §9.2: split horizon
    if (from !== "local" && (noAdvertise || (noExport && external))) return undefined;
    if ((stale || longLivedStale) && !longLived) return undefined;
    const own = from === "local" ? attributes.asPath.flatMap(({ asns }) => asns).length : 0;
    const communities = new Set(attributes.communities);
    if (gracefulShutdown) communities.add(GRACEFUL_SHUTDOWN);
    if (stale) communities.add(LLGR_STALE);
    const changes = {
      ...attributes,
      communities: [...communities],
      localPref: gracefulShutdown ? 0 : (attributes.localPref ?? DEFAULT_LOCAL_PREF),
      // §5.1.3: ourselves to other ASes and for what is ours; an internal peer is told the next hop as it is.
      nextHop: external || from === "local" ? self : (this.#passedOn(attributes.nextHop) ?? self),
      // §5.1.4: another AS's MED is not passed on to a third one.
      ...(external && from !== "local" ? { med: undefined } : {}),
      // An internal peer would take our own number for a loop.
      ...(from === "local" ? { asPath: external ? prepended([], asn, own) : [] } : {}),
      ...(external ? { originatorId: undefined, clusterList: [] } : {}),
    };
    const { nextHop } = changes;
    return nextHop === undefined ? undefined : { ...changes, nextHop };
  }

  /** Of use to an internal peer: RFC 2545 §3 (link-local ones are this link's only), RFC 8950 §4 (only where agreed). */
  #passedOn({ global }: NextHop): NextHop | undefined {
    const { rib, extendedNextHop } = this.#context;
    if (global === undefined) return undefined;
    if (isIpv4(global) ? rib.family === "ipv6" : rib.family === "ipv4" && !extendedNextHop) return undefined;
    return { global, linkLocal: undefined };
  }

  /** After policy: what every external peer must, or must not, be told. */
  #finish(attributes: AttributeId): AttributeId {
    const { store, external, asn } = this.#context;
    if (!external) return attributes;
    const known = this.#finished.get(attributes);
    if (known !== undefined) return known;
    const before = store.attributes(attributes);
    const asPath = prepended(before.asPath, asn); // §5.1.2
    return this.#finished.set(attributes, store.id(attributesOf({ ...before, asPath, localPref: undefined })));
  }
}
