/**
 * Three sites with two providers each, for path selection and tunnels.  A core router joins the providers.  Site 1 has public
 * addresses on both WANs; site 2 reaches its first provider through a gateway whose mapping is endpoint-independent,
 * site 3 through one whose mapping depends on the destination.  Every WAN link can be impaired, by the name "eN-wanM".
 */
import { type Description, describe, type HostSpec, type LinkSpec, type NatSpec } from "../description.ts";

export const CORE = { isp1: "203.0.113.1", isp2: "198.51.100.1" } as const;
export const SITES = [1, 2, 3] as const;

export function threeSites(): Description {
  return describe({
    hosts: {
      core: {
        interfaces: { isp1: [`${CORE.isp1}/24`], isp2: [`${CORE.isp2}/24`] },
        forwards: true,
      },
      ...Object.fromEntries(SITES.flatMap((site) => [...siteHosts(site)])),
    },
    switches: ["isp1", "isp2", ...SITES.map((site) => `lan${site}`)],
    links: [{ from: "core:isp1", to: "isp1" }, { from: "core:isp2", to: "isp2" }, ...SITES.flatMap(siteLinks)],
  });
}

const MAPPINGS: Readonly<Record<number, NatSpec["mapping"]>> = {
  2: "endpoint-independent",
  3: "address-and-port-dependent",
};

function siteHosts(site: number): readonly (readonly [string, HostSpec])[] {
  const mapping = MAPPINGS[site];
  const [inside, gateway] = [`192.168.${site}.10`, `192.168.${site}.1`];
  const outside = `203.0.113.${10 + site}`;
  const edge: HostSpec = {
    interfaces: {
      lan0: [`10.${site}.0.1/24`, `fd0${site}::1/64`],
      wan1: [mapping === undefined ? `${outside}/24` : `${inside}/24`],
      wan2: [`198.51.100.${10 + site}/24`],
    },
    routes: [
      { to: "default", via: mapping === undefined ? CORE.isp1 : gateway, metric: 10 },
      { to: "default", via: CORE.isp2, metric: 20 },
    ],
    forwards: true,
  };
  const host: HostSpec = {
    interfaces: { eth0: [`10.${site}.0.10/24`, `fd0${site}::10/64`] },
    routes: [
      { to: "default", via: `10.${site}.0.1` },
      { to: "default", via: `fd0${site}::1` },
    ],
  };
  const hosts: readonly (readonly [string, HostSpec])[] = [
    [`e${site}`, edge],
    [`h${site}`, host],
  ];
  if (mapping === undefined) return hosts;
  const nat: HostSpec = {
    interfaces: { lan0: [`${gateway}/24`], wan0: [`${outside}/24`] },
    routes: [{ to: "default", via: CORE.isp1 }],
    nat: { outside: "wan0", mapping, filtering: "address-and-port-dependent" },
  };
  return [...hosts, [`n${site}`, nat]];
}

function siteLinks(site: number): readonly LinkSpec[] {
  const wan1: readonly LinkSpec[] =
    MAPPINGS[site] === undefined
      ? [{ name: `e${site}-wan1`, from: `e${site}:wan1`, to: "isp1", impair: {} }]
      : [
          { from: `e${site}:wan1`, to: `n${site}:lan0`, name: `n${site}-lan` },
          { name: `e${site}-wan1`, from: `n${site}:wan0`, to: "isp1", impair: {} },
        ];
  return [
    { from: `h${site}:eth0`, to: `lan${site}` },
    { from: `e${site}:lan0`, to: `lan${site}` },
    ...wan1,
    { name: `e${site}-wan2`, from: `e${site}:wan2`, to: "isp2", impair: {} },
  ];
}
