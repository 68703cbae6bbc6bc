/**
 * Networks that we originate, as paths of source 0.  Who hears one is its audience: a number that stands where a path
 * identifier does, so that one prefix may be told differently to different peers.  An audience of some comes before
 * that of all.
 */
import { ipv4, ipv6, isIpv4, parsePrefix } from "../../base/address.ts";
import type { AttributeStore } from "./attributes.ts";
import type { PathAttributes } from "./packet/attribute.ts";
import { attributesOf } from "./packet/attributes.ts";
import type { Family } from "./packet/family.ts";
import { prepended } from "./packet/path.ts";
import type { BgpNetwork } from "./plan.ts";
import { community, must, withCommunity } from "./policy.ts";
import type { Rib } from "./rib.ts";
import { LOCAL } from "./sources.ts";

export class Locals {
  readonly #store: AttributeStore;
  readonly #ribs: Readonly<Record<Family, Rib>>;
  /** "prefix audience" → what is announced of it. */
  #networks = new Map<string, Known>();
  readonly #audiences: (ReadonlySet<string> | undefined)[] = [undefined];
  readonly #audienceOf = new Map<string, number>();

  constructor(store: AttributeStore, ribs: Readonly<Record<Family, Rib>>) {
    this.#store = store;
    this.#ribs = ribs;
  }

  hears(audience: number, peer: string): boolean {
    return audience === ALL || this.#audiences[audience]?.has(peer) === true;
  }

  configure(networks: readonly BgpNetwork[], asn: number): void {
    const wanted = new Map<string, Known>();
    const made = new Map<string, PathAttributes>();
    for (const network of networks) {
      const audience = this.#audience(network.peers);
      const { prefix, peers: _peers, ...said } = network;
      wanted.set(`${prefix} ${audience}`, { prefix, audience, said: JSON.stringify(said) });
      const text = `${prefix.includes(":")} ${JSON.stringify(said)}`;
      if (!made.has(text)) made.set(text, attributesFor(network, asn));
    }
    for (const [key, known] of this.#networks) if (!wanted.has(key)) this.#drop(known);
    for (const [key, known] of wanted) {
      if (this.#networks.get(key)?.said === known.said) continue;
      const prefix = must(parsePrefix(known.prefix));
      const rib = this.#ribs[isIpv4(prefix.ip) ? "ipv4" : "ipv6"];
      const attributes = made.get(`${known.prefix.includes(":")} ${known.said}`);
      if (attributes === undefined) throw new TypeError("a network without attributes");
      const id = this.#store.id(attributes);
      rib.set(rib.table.id(prefix), LOCAL, known.audience, id, id);
    }
    this.#networks = wanted;
  }

  #drop({ prefix: text, audience }: Known): void {
    const prefix = must(parsePrefix(text));
    const rib = this.#ribs[isIpv4(prefix.ip) ? "ipv4" : "ipv6"];
    rib.unset(rib.table.id(prefix), LOCAL, audience);
  }
  #audience(peers: readonly string[] | undefined): number {
    if (peers === undefined) return ALL;
    const key = JSON.stringify(peers.toSorted());
    const known = this.#audienceOf.get(key);
    if (known !== undefined) return known;
    this.#audienceOf.set(key, this.#audiences.length);
    this.#audiences.push(new Set(peers));
    return this.#audiences.length - 1;
  }
}

interface Known {
  readonly prefix: string;
  readonly audience: number;
  /** JSON of the rest. */
  readonly said: string;
}

function attributesFor(network: BgpNetwork, asn: number): PathAttributes {
  let attributes = attributesOf({
    // ORIGIN IGP, or an announcer falls out of its neighbours' ECMP sets.
    origin: "igp",
    // As long as the exporter shall make it, less what every external peer gets.
    asPath: prepended([], asn, network.prepend),
    nextHop: { global: network.prefix.includes(":") ? ipv6("::") : ipv4("0.0.0.0"), linkLocal: undefined },
    med: network.med,
    localPref: network.localPref,
    atomicAggregate: false,
    aggregator: undefined,
    communities: [],
    extendedCommunities: [],
    largeCommunities: [],
    originatorId: undefined,
    clusterList: [],
    unknown: [],
    partial: [],
  });
  for (const text of [...network.communities, ...network.extendedCommunities, ...network.largeCommunities])
    attributes = withCommunity(attributes, community(text));
  return attributesOf(attributes);
}

/** Everybody: after all others. */
const ALL = 0xffffffff;
