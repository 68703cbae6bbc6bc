/**
 * Sites with two providers each, for path selection and tunnels.  A core router joins the providers and has two addresses
 * at each (STUN servers need them).  Behind every WAN interface of every site stands what `nats` says: nothing, one
 * gateway, or two in a row.  IPv6 is global on every WAN without a gateway.  Every WAN can be impaired: "eN-wanM".
 */
import { type Description, describe, type HostSpec, type LinkSpec, type NatSpec } from "../description.ts";

export const CORE = {
  isp1: ["203.0.113.1", "203.0.113.2"],
  isp2: ["198.51.100.1", "198.51.100.2"],
} as const;
export const CORE6 = { isp1: "2001:db8:1::1", isp2: "2001:db8:2::1" } as const;
export const WANS = [1, 2] as const;
export type Wan = (typeof WANS)[number];

export type Gateways = "none" | GatewayKind | "double";
type GatewayKind = "preserving" | "independent" | "full-cone" | "address" | "symmetric" | "sequential";

export interface SitesOptions {
  readonly count: 1 | 2 | 3;
  /** "1.2": of site 1, its second WAN.  What is not named has none. */
  readonly nats?: Readonly<Partial<Record<`${number}.${Wan}`, Gateways>>>;
}

export function sites({ count, nats = {} }: SitesOptions): Description {
  const each = Array.from({ length: count }, (_, index) => index + 1);
  const wans = each.flatMap((site) => WANS.map((wan) => ({ site, wan, gateways: nats[`${site}.${wan}`] ?? "none" })));
  return describe({
    hosts: {
      core: {
        interfaces: Object.fromEntries(
          WANS.map((wan) => [
            `isp${wan}`,
            [...CORE[`isp${wan}`].map((address) => `${address}/24`), `${CORE6[`isp${wan}`]}/64`],
          ]),
        ),
        forwards: true,
      },
      ...Object.fromEntries(each.flatMap((site) => insideHosts(site, nats))),
      ...Object.fromEntries(wans.flatMap(gatewayHosts)),
    },
    switches: ["isp1", "isp2", ...each.map((site) => `lan${site}`)],
    links: [
      ...WANS.map((wan) => ({ from: `core:isp${wan}` as const, to: `isp${wan}` })),
      ...each.flatMap((site) => [
        { from: `h${site}:eth0` as const, to: `lan${site}` },
        { from: `e${site}:lan0` as const, to: `lan${site}` },
      ]),
      ...wans.flatMap(wanLinks),
    ],
  });
}

/** A site's own address on a WAN, as the provider sees it. */
export function outside(site: number, wan: Wan): string {
  return `${wan === 1 ? "203.0.113" : "198.51.100"}.${10 + site}`;
}
export function outside6(site: number, wan: Wan): string {
  return `2001:db8:${wan}::${10 + site}`;
}

/** One host behind one WAN interface. */
interface Behind {
  readonly site: number;
  readonly wan: Wan;
  readonly gateways: Gateways;
}

function insideHosts(site: number, nats: NonNullable<SitesOptions["nats"]>): readonly (readonly [string, HostSpec])[] {
  const direct = WANS.filter((wan) => (nats[`${site}.${wan}`] ?? "none") === "none");
  const edge: HostSpec = {
    interfaces: {
      lan0: [`10.${site}.0.1/24`, `fd0${site}::1/64`],
      ...Object.fromEntries(
        WANS.map((wan) => [
          `wan${wan}`,
          direct.includes(wan)
            ? [`${outside(site, wan)}/24`, `${outside6(site, wan)}/64`]
            : [`192.168.${site}${wan}.10/24`],
        ]),
      ),
    },
    routes: WANS.flatMap((wan) => [
      { to: "default", via: direct.includes(wan) ? CORE[`isp${wan}`][0] : `192.168.${site}${wan}.1`, metric: wan * 10 },
      ...(direct.includes(wan) ? [{ to: "default", via: CORE6[`isp${wan}`], metric: wan * 10 }] : []),
    ]),
    forwards: true,
    own: ["/run/wireguard"],
  };
  const host: HostSpec = {
    interfaces: { eth0: [`10.${site}.0.10/24`, `fd0${site}::10/64`] },
    routes: [
      { to: "default", via: `10.${site}.0.1` },
      { to: "default", via: `fd0${site}::1` },
    ],
  };
  return [
    [`e${site}`, edge],
    [`h${site}`, host],
  ];
}

function gatewayHosts({ site, wan, gateways }: Behind): readonly (readonly [string, HostSpec])[] {
  if (gateways === "none") return [];
  const [inner, first] = [`192.168.${site}${wan}.1/24`, `n${site}${wan}`];
  const provider = { to: "default", via: CORE[`isp${wan}`][0] };
  const own = `${outside(site, wan)}/24`;
  if (gateways !== "double")
    return [[first, { interfaces: { lan0: [inner], wan0: [own] }, routes: [provider], nat: GATEWAYS[gateways] }]];
  const between = `100.64.${site}${wan}`;
  return [
    [
      first,
      {
        interfaces: { lan0: [inner], wan0: [`${between}.2/24`] },
        routes: [{ to: "default", via: `${between}.1` }],
        nat: GATEWAYS.preserving,
      },
    ],
    [
      `m${site}${wan}`,
      { interfaces: { lan0: [`${between}.1/24`], wan0: [own] }, routes: [provider], nat: GATEWAYS.independent },
    ],
  ];
}

function wanLinks({ site, wan, gateways }: Behind): readonly LinkSpec[] {
  const [edge, first, last] = [`e${site}:wan${wan}`, `n${site}${wan}`, `m${site}${wan}`] as const;
  const uplink = (from: string): LinkSpec => ({
    name: `e${site}-wan${wan}`,
    from: from as LinkSpec["from"],
    to: `isp${wan}`,
    impair: {},
  });
  if (gateways === "none") return [uplink(edge)];
  const inside: LinkSpec = { from: edge as LinkSpec["from"], to: `${first}:lan0`, name: `${first}-lan` };
  if (gateways !== "double") return [inside, uplink(`${first}:wan0`)];
  return [
    inside,
    { from: `${first}:wan0` as LinkSpec["from"], to: `${last}:lan0`, name: `${last}-lan` },
    uplink(`${last}:wan0`),
  ];
}

const GATEWAYS: Readonly<Record<GatewayKind, NatSpec>> = {
  preserving: gateway({ mapping: "endpoint-independent" }),
  independent: gateway({ mapping: "endpoint-independent", ports: "other" }),
  "full-cone": gateway({ mapping: "endpoint-independent", filtering: "endpoint-independent" }),
  address: gateway({ mapping: "address-dependent" }),
  symmetric: gateway({ mapping: "address-and-port-dependent" }),
  sequential: gateway({ mapping: "address-and-port-dependent", ports: "next" }),
};

function gateway(spec: Partial<NatSpec> & Pick<NatSpec, "mapping">): NatSpec {
  return { outside: "wan0", filtering: "address-and-port-dependent", ...spec };
}
