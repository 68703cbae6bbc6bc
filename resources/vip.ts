/** ProxyVIP: a virtual IP address that one host of a segment answers for, or that hosts announce to routers. */
import * as z from "zod";
import { vipBfd } from "./bfd.ts";
import { labelSelector } from "./metadata.ts";
import { duration, flag, hostIpv4, hostIpv6, integer, interfaceName, port, subdomain } from "./scalar.ts";
import { bgpConfig, ospfConfig } from "./vip-routing.ts";

const healthPolicy = z.strictObject({
  minHealthyNodes: integer(1, 65535)
    .optional()
    .describe(
      "A host may have the address only while at least so many endpoints behind it are healthy. Without this and without minHealthyPercent: one, if there are endpoints at all.",
    ),
  minHealthyPercent: integer(1, 100)
    .optional()
    .describe("A host may have the address only while at least this share of the endpoints behind it is healthy."),
  requireGateway: flag
    .default(true)
    .describe(
      "A VIP that no gateway refers to is not announced. `false` announces it for a service that NovaEdge does not carry; its ports are then not checked.",
    ),
});

const l2 = z.strictObject({
  interface: interfaceName
    .optional()
    .describe(
      "Interface that the address lives on. Without it: `l2.interface` of the node, else the interface whose network contains the address.",
    ),
  priorities: z
    .array(
      z.strictObject({
        nodeSelector: labelSelector.describe("Nodes (by their labels) that have this priority."),
        priority: integer(1, 255).describe("The higher one wins among hosts that may own the address."),
      }),
    )
    .default([])
    .describe("Priority by node, first match wins; the rest have `node.priority`."),
  preempt: flag.default(false).describe("Whether a host with a higher priority takes over from a healthy owner."),
  preemptDelay: duration("0s", "24h")
    .optional()
    .describe("How long the better host waits before it takes over; 5s if not given. Needs `preempt: true`."),
  onConflict: z
    .enum(["defend", "yield"])
    .default("defend")
    .describe(
      "What the owner does when a stranger claims the address: defend it (RFC 5227 §2.4 b) or give it up (§2.4 a).",
    ),
});

export const vipSpec = z.strictObject({
  address: hostIpv4.optional().describe("IPv4 address. Without it and without ipv6Address a pool gives one."),
  ipv6Address: hostIpv6.optional().describe("IPv6 address; moves together with the IPv4 address."),
  mode: z
    .enum(["L2ARP", "BGP", "OSPF"])
    .describe(
      "How the address is announced: ARP and neighbour discovery by one host of a segment, or to routers by every host on which it works.",
    ),
  addressFamily: z
    .enum(["ipv4", "ipv6", "dual"])
    .optional()
    .describe(
      "Families of the VIP; a pool fills in what is not written. Without it: the families that are written, else ipv4.",
    ),
  ports: z
    .array(port)
    .min(1, "at least one port")
    .max(64, "at most 64 ports")
    .describe("TCP ports that must be listened on here before this host may have the address."),
  nodeSelector: labelSelector
    .optional()
    .describe("Hosts (by `node.labels`) that may have the address; all without it."),
  healthPolicy: healthPolicy.prefault({}).describe("What must work behind the address."),
  poolRef: z
    .strictObject({ name: subdomain.describe("Name of a ProxyIPPool.") })
    .optional()
    .describe("Pool that gives the address, or that a written address must lie in."),
  l2: l2.prefault({}).describe("Mode L2ARP: how hosts of one segment share the address."),
  bgpConfig: bgpConfig.prefault({}).describe("Mode BGP: how the address is announced, and to whom."),
  ospfConfig: ospfConfig.prefault({}).describe("Mode OSPF: how the address is announced."),
  bfd: vipBfd
    .optional()
    .describe(
      "Mode BGP: guard the peers in `bgpConfig.peers`; mode OSPF: the adjacencies of a node whose settings have no `ospf`.",
    ),
});
export type VipSpec = z.output<typeof vipSpec>;

/** The families that this VIP shall have. */
export function familiesOf(spec: VipSpec): { readonly v4: boolean; readonly v6: boolean } {
  switch (spec.addressFamily) {
    case "ipv4":
      return { v4: true, v6: false };
    case "ipv6":
      return { v4: false, v6: true };
    case "dual":
      return { v4: true, v6: true };
    case undefined: {
      const v6 = spec.ipv6Address !== undefined;
      return { v4: spec.address !== undefined || !v6, v6 };
    }
  }
}
