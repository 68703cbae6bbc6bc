/** ProxyWANLink: one way of one site into the world: the own ones are driven, those of other sites are the far ends. */
import * as z from "zod";
import { isIpv4 } from "../base/address.ts";
import { routerAddress } from "./routing-values.ts";
import {
  duration,
  flag,
  integer,
  interfaceName,
  ip,
  parsed,
  port,
  prefix,
  size,
  subdomain,
  text,
  unicast,
} from "./scalar.ts";
import { bandwidth, parseHostPort, schedule, siteName, slaShape, window } from "./wan-values.ts";

function gateway(v4: boolean) {
  const error = `auto, none, or the ${v4 ? "IPv4" : "IPv6"} address of a router`;
  const address = routerAddress.refine((ip) => isIpv4(ip) === v4, { error });
  return z.union([z.enum(["auto", "none"]), address], { error }).meta({ title: "auto, none, or address" });
}

const paceShape = {
  interval: duration("10ms", "60s").optional().describe("Time between two probes while all is well."),
  deadAfter: integer(2, 10).default(3).describe("So many probes without an answer: the internet is dead by this link."),
};
const list = <T>(of: z.ZodType<T, string>) => z.array(of).min(1, "at least one target").max(8, "at most 8 targets");

export interface HttpTarget {
  readonly address: string;
  readonly port: number;
  readonly host: string;
  readonly path: string;
}
const HTTP_ERROR = "a URL of a server by its address, such as http://192.0.2.1/up";
const httpTarget: z.ZodType<HttpTarget, string> = parsed("URL", HTTP_ERROR, (written) => {
  const [, authority = "", path = "/"] = /^http:\/\/([^/?#@\s]+)(\/[\u0021-\u007e]*)?$/.exec(written) ?? [];
  const { host, port: number } = parseHostPort(authority) ?? {};
  if (host === undefined || !isAddress(host)) return undefined;
  return { address: host, port: number ?? 80, host: authority, path };
});
const tcpTarget = parsed("endpoint", "an address and a port such as 192.0.2.1:443", (written) => {
  const { host, port: number } = parseHostPort(written) ?? {};
  return host === undefined || number === undefined || !isAddress(host) ? undefined : { address: host, port: number };
});
/** Names are not looked up by what judges a link: a resolver that is away would be a link that is dead. */
function isAddress(host: string): boolean {
  return ip.safeParse(host).success;
}

const probe = z
  .discriminatedUnion("kind", [
    z.strictObject({
      kind: z.literal("icmp"),
      targets: z
        .array(unicast)
        .max(8, "at most 8 targets")
        .default([])
        .describe("Who is asked; it is enough that one answers. Empty with `icmp`: the link's gateway."),
      ...paceShape,
    }),
    z.strictObject({ kind: z.literal("tcp"), targets: list(tcpTarget).describe("Who is asked."), ...paceShape }),
    z.strictObject({ kind: z.literal("http"), targets: list(httpTarget).describe("Who is asked."), ...paceShape }),
    z.strictObject({ kind: z.literal("none") }),
  ])
  .describe(
    "How the internet by this link is measured: echo requests, connections to a TCP port, or HTTP requests to servers of others.",
  );

export const wanLinkSpec = z.strictObject({
  site: siteName.describe("The site that the link belongs to: `sdwan.site` of this host, or a remote one."),
  interface: interfaceName.describe("Interface on that site's host."),
  provider: text.min(1, "a provider").max(63, "at most 63 characters").describe("Who provides it; a label of metrics."),
  bandwidth: bandwidth.describe(
    "What it carries: one rate, or `up` and `down`. A path carries no more than `up` of its near and `down` of its far end.",
  ),
  cost: integer(0, 1_000_000).default(100).describe("Strategy lowest-cost takes the path with the least."),
  tariff: z
    .number({ error: "a price from 0 to 1000000" })
    .min(0, "a price from 0 to 1000000")
    .max(1_000_000, "a price from 0 to 1000000")
    .default(0)
    .meta({ title: "number" })
    .describe("Price of a gigabyte in any currency; is added to `cost`."),
  sla: z
    .strictObject(slaShape)
    .prefault({})
    .describe("What is good on this link for every policy; a policy may ask for more."),
  tunnelEndpoint: z
    .strictObject({
      publicIP: unicast
        .optional()
        .describe("Address at which others reach it. Without it: found by NAT traversal, or it calls the others."),
      port: port
        .optional()
        .describe(
          "First UDP port of its tunnels. Without it: 51820, plus 8 for each link of the site before it in the order of names.",
        ),
    })
    .prefault({})
    .describe("Where tunnels reach it."),
  role: z
    .enum(["primary", "backup", "loadbalance"])
    .default("primary")
    .describe("Backup: while no other link is good. Loadbalance: flows are spread over all links of this role."),
  weight: integer(1, 1000).default(100).describe("Share of flows among links over which they are spread."),
  gateway: gateway(true).default("auto").describe("IPv4 next hop; `auto`: by DHCP or the main table."),
  gateway6: gateway(false)
    .default("auto")
    .describe("IPv6 next hop; `auto`: by router advertisements or the main table."),
  masquerade: z
    .union([z.enum(["ipv4", "ipv6"]), flag], { error: "true, false, ipv4, or ipv6" })
    .default(true)
    .meta({ title: "true, false, ipv4 or ipv6" })
    .describe(
      "What leaves for the internet by this link gets its address as source (NAT): of both families, none, or one alone.",
    ),
  routedPrefixes: z
    .array(prefix)
    .max(16, "at most 16 networks")
    .default([])
    .describe(
      "Networks that the provider routes to this link (a delegated IPv6 prefix): they leave by it as they are.",
    ),
  mtu: integer(576, 65_535).optional().describe("Largest packet. Without it: measured."),
  metered: flag
    .default(false)
    .describe(
      "Taken after all others, and probed sparingly, but for the policies in `reservedFor`. A quota or a tariff does the same.",
    ),
  quota: z
    .strictObject({
      size: size.describe("Octets both ways per month."),
      resetDay: integer(1, 28).default(1).describe("Day of the month at which counting begins anew."),
    })
    .optional()
    .describe("When it is spent, only the policies in `reservedFor` use the link."),
  reservedFor: z
    .array(subdomain)
    .max(32)
    .default([])
    .describe("Names of the ProxyWANPolicies that may use this link; empty: all until a quota is spent."),
  probe: probe.prefault({ kind: "icmp" }),
  bandwidthTest: z
    .strictObject({
      schedule: schedule.optional().describe("When, as in crontab(5). Without it: only when an operator asks."),
      window: window.optional().describe("Only at this time of the day (of this host)."),
    })
    .optional()
    .describe("Measure the bandwidth; what was measured replaces what `bandwidth` says."),
});
export type WanLinkSpec = z.output<typeof wanLinkSpec>;
