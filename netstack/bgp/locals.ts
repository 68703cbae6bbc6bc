/**
 * Networks that we originate, as paths of source 0.  Who hears one is its audience: a number that stands where a path
 * identifier does, so that one prefix may be told differently to different peers.  An audience of some comes before
 * that of all.
 */
import { ipv4, ipv6, isIpv4, parsePrefix } from "../../base/address.ts";
import type { AttributeId, AttributeStore } from "./attributes.ts";
import { NO_OPTIONAL, type PathAttributes } from "./packet/attribute.ts";
import { attributesOf } from "./packet/attributes.ts";
import type { Family } from "./packet/family.ts";
import { prepended } from "./packet/path.ts";
import { larger } from "./paths.ts";
import type { BgpNetwork } from "./plan.ts";
import { community, must, withCommunity } from "./policy.ts";
import type { Rib } from "./rib.ts";
import { LOCAL } from "./sources.ts";

export class Locals {
  readonly #store: AttributeStore;
  readonly #ribs: Readonly<Record<Family, Rib>>;
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
    const made = new Map<string, AttributeId>();
    const kept = { ipv4: new Uint8Array(64), ipv6: new Uint8Array(64) };
    for (const network of networks) {
      const said = `${network.prefix.includes(":")} ${asn} ${saidOf(network)}`;
      let id = made.get(said);
      if (id === undefined) {
        id = this.#store.id(attributesFor(network, asn));
        made.set(said, id);
      }
      const prefix = must(parsePrefix(network.prefix));
      const rib = this.#ribs[isIpv4(prefix.ip) ? "ipv4" : "ipv6"];
      const place = rib.table.id(prefix);
      const audience = this.#audience(network.peers);
      // Equal attributes have one number: a path that did not change does not notice.
      rib.set(place, LOCAL, audience, id, id);
      const path = rib.paths.find(place, LOCAL, audience);
      if (path >= kept[rib.family].length) kept[rib.family] = larger(kept[rib.family], Uint8Array, path + 1);
      kept[rib.family][path] = 1;
    }
    for (const rib of Object.values(this.#ribs))
      rib.paths.eachOf(LOCAL, (path) => {
        if (kept[rib.family][path] !== 1) rib.remove(path);
      });
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

/** Equal when what is announced is. */
function saidOf({ med, localPref, prepend, communities, extendedCommunities, largeCommunities }: BgpNetwork): string {
  const all = communities.length + extendedCommunities.length + largeCommunities.length;
  const text = all === 0 ? "" : [communities, extendedCommunities, largeCommunities].join(";");
  return `${med} ${localPref} ${prepend} ${text}`;
}

function attributesFor(network: BgpNetwork, asn: number): PathAttributes {
  let attributes = attributesOf({
    // ORIGIN IGP, or an announcer falls out of its neighbours' ECMP sets.
    origin: "igp",
    // As long as the exporter shall make it, less what every external peer gets.
    asPath: prepended([], asn, network.prepend),
    nextHop: { global: network.prefix.includes(":") ? ipv6("::") : ipv4("0.0.0.0"), linkLocal: undefined },
    ...NO_OPTIONAL,
    med: network.med,
    localPref: network.localPref,
  });
  for (const text of [...network.communities, ...network.extendedCommunities, ...network.largeCommunities])
    attributes = withCommunity(attributes, community(text));
  return attributesOf(attributes);
}

/** Everybody: after all others. */
const ALL = 0xffffffff;
