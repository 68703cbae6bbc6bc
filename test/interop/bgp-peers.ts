/** A routing daemon of either make as our BGP peer, and the pair of both. */
import type { Lab } from "../../lab/build.ts";
import { type Bird, startBird } from "../../lab/peers/bird.ts";
import { type Frr, startFrr } from "../../lab/peers/frr.ts";
import type { BgpSpec, NeighborSpec } from "../../lab/peers/router.ts";
import type { BgpPeerSpec, BgpPlan } from "../../netstack/bgp/plan.ts";
import { bgpOf, peerOf, planOf, RoutingUnderTest } from "./bgp-router.ts";

export type Make = "bird" | "frr";
export const MAKES: readonly Make[] = ["bird", "frr"];
/** What the peer announces. */
export const THEIRS4 = "198.51.100.0/24";
export const THEIRS6 = "2001:db8:77::/48";

export interface PairSpec {
  readonly make: Make;
  readonly theirs?: Partial<NeighborSpec>;
  readonly bgp?: Partial<BgpSpec>;
  readonly extra?: string;
  readonly own?: Partial<BgpPeerSpec>;
  readonly plan?: Partial<BgpPlan>;
  readonly recovers?: boolean;
  /** FRR's side has no address for us but this interface. */
  readonly unnumbered?: string;
}

/** Ours on host a, theirs on host r; both end when disposed. */
export class Pair implements AsyncDisposable {
  readonly lab: Lab;
  readonly us: RoutingUnderTest;
  readonly router: Bird | Frr;

  constructor(lab: Lab, us: RoutingUnderTest, router: Bird | Frr) {
    this.lab = lab;
    this.us = us;
    this.router = router;
  }

  readonly explain = (): string => `${this.us.explain()}\n${this.router.log().slice(-3000)}`;

  get frr(): Frr {
    if (this.router.make !== "frr") throw new TypeError("not FRR");
    return this.router;
  }
  get bird(): Bird {
    if (this.router.make !== "bird") throw new TypeError("not BIRD");
    return this.router;
  }
  /** What the router says of a route, in its own words. */
  async shows(prefix: string): Promise<string> {
    if (this.router.make === "bird") return await this.router.ask(`show route for ${prefix} all`);
    const family = prefix.includes(":") ? "ipv6" : "ipv4";
    return await this.router.ask("bgpd", `show bgp ${family} unicast ${prefix}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.us[Symbol.asyncDispose]();
    await this.router[Symbol.asyncDispose]();
  }
}

export async function pairOf(lab: Lab, spec: PairSpec): Promise<Pair> {
  const host = lab.host("r");
  const { address: _address, ...nameless } = NEIGHBOR;
  const base = spec.unnumbered === undefined ? NEIGHBOR : { ...nameless, ifname: spec.unnumbered };
  const neighbor: NeighborSpec = { ...base, ...(spec.make === "bird" ? { local: "10.0.0.2" } : {}), ...spec.theirs };
  const description = {
    routerId: "2.2.2.2",
    bgp: { asn: 65002, neighbors: [neighbor], networks: [THEIRS4, THEIRS6], ...spec.bgp },
    ...(spec.extra === undefined ? {} : { extra: spec.extra }),
  };
  const options = spec.recovers === undefined ? {} : { recovers: spec.recovers };
  const router = await (spec.make === "bird" ? startBird(host, description, options) : startFrr(host, description));
  const us = new RoutingUnderTest(lab.host("a"), planOf(bgpOf([peerOf(spec.own)], spec.plan)));
  return new Pair(lab, us, router);
}

export const NEIGHBOR: NeighborSpec = {
  name: "ours",
  address: "10.0.0.1",
  asn: 65001,
  families: ["ipv4", "ipv6"],
};
