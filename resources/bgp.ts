/** BGP-4 (RFC 4271) in the settings of a node: the router, its peers and its policies. */
import * as z from "zod";
import { bfdGuard } from "./bfd.ts";
import {
  asn,
  asPathPattern,
  community,
  extendedCommunity,
  largeCommunity,
  routePrefix,
  routerAddress,
  routerId,
  secret,
  secretFile,
} from "./routing-values.ts";
import { duration, flag, integer, interfaceName, ip, label, port, subdomain, unicast } from "./scalar.ts";

const number32 = integer(0, 4_294_967_295);
/** Of what travels in seconds. */
const wholeSeconds = { error: "a duration of whole seconds" };
const whole = (value: number): boolean => value % 1000 === 0;
const family = z.enum(["ipv4", "ipv6"]);

/** What a route of ours carries; shared with `bgpConfig` of a ProxyVIP. */
export const announcementShape = {
  localPreference: number32.optional().describe("LOCAL_PREF towards internal peers."),
  med: number32.optional().describe("MULTI_EXIT_DISC towards external peers."),
  prepend: integer(0, 16).default(0).describe("Our own AS so many times more in the path."),
  communities: z.array(community).max(64).default([]).describe("Communities (RFC 1997), by number or well-known name."),
  largeCommunities: z.array(largeCommunity).max(64).default([]).describe("Large communities (RFC 8092)."),
  extendedCommunities: z
    .array(extendedCommunity)
    .max(64)
    .default([])
    .describe("Extended communities (RFC 4360): route target and route origin."),
};

const gracefulRestart = z.strictObject({
  enabled: flag
    .optional()
    .describe(
      "Whether peers are asked to keep our routes while this daemon is away (RFC 4724); some then keep them, BFD or not, when all its processes have died. Without it: when `routing.onStop` is `keep`. Restarts of peers are always helped.",
    ),
  restartTime: duration("1s", "4095s")
    .refine(whole, wholeSeconds)
    .prefault("120s")
    .describe("How long the peer waits for us to come back."),
  stalePathTime: duration("1s", "4095s")
    .prefault("360s")
    .describe("How long we keep the routes of a peer that restarts."),
  longLived: duration("1s", "4660h")
    .refine(whole, wholeSeconds)
    .optional()
    .describe("Long-lived graceful restart (RFC 9494): how long stale routes stay as last choice."),
  notification: flag.default(true).describe("Also over NOTIFICATION messages and an expired hold timer (RFC 8538)."),
});
export type GracefulRestartSpec = z.output<typeof gracefulRestart>;

const maxPrefixes = z.strictObject({
  limit: integer(1, 10_000_000).describe("Prefixes above which the session is ended."),
  warnAt: integer(1, 100).default(75).describe("A warning at so many percent."),
  restartAfter: duration("1s", "24h")
    .optional()
    .describe("Try again after this time. Without it: when an operator clears the peer."),
});

const ao = z.strictObject({
  keyId: integer(0, 255).describe("Number of the key, equal on both sides."),
  algorithm: z
    .enum(["hmac-sha1-96", "aes-128-cmac-96", "hmac-sha256"])
    .default("hmac-sha1-96")
    .describe("MAC algorithm (RFC 5926)."),
  key: secret(80).optional().describe("The secret."),
  keyFile: secretFile.optional(),
});

const policyName = label;
const sessionShape = {
  asn: z
    .union([asn, z.enum(["external", "internal"])], { error: "an AS number, external, or internal" })
    .describe("AS of the peer; `external`: any other than ours; `internal`: ours."),
  localAsn: asn.optional().describe("AS that this peer sees instead of ours."),
  source: unicast.optional().describe("Source address of the session."),
  holdTime: duration("0s", "65535s")
    .refine((value) => value % 1000 === 0 && (value === 0 || value >= 3000), {
      error: "0s, or a duration of whole seconds from 3s to 65535s",
    })
    .prefault("90s")
    .describe("Offered hold time; `0s`: no keepalives at all."),
  keepalive: duration("1s", "21845s")
    .optional()
    .describe("Time between keepalives. Without it: a third of the hold time; never more than that."),
  connectRetry: duration("1s", "1h").prefault("5s").describe("Time between two attempts to connect."),
  password: secret(80).optional().describe("TCP MD5 (RFC 2385)."),
  passwordFile: secretFile.optional(),
  ao: ao.optional().describe("TCP authentication option (RFC 5925); needs Linux 6.7."),
  ttlSecurity: integer(1, 254)
    .optional()
    .describe("GTSM (RFC 5082): the peer is at most so many hops away; 1: adjacent."),
  multihop: integer(1, 255).optional().describe("TTL towards an external peer that is not directly connected."),
  families: z
    .array(family)
    .min(1, "ipv4, ipv6, or both")
    .default(["ipv4", "ipv6"])
    .describe("Address families that are offered."),
  addPathReceive: z.array(family).default([]).describe("Families in which the peer may send several paths (RFC 7911)."),
  maxPrefixes: z
    .strictObject({
      ipv4: maxPrefixes.optional().describe("Of IPv4."),
      ipv6: maxPrefixes.optional().describe("Of IPv6."),
    })
    .prefault({})
    .describe("Limits on what the peer may announce."),
  extendedNextHop: flag
    .optional()
    .describe("IPv4 routes with IPv6 next hops (RFC 8950). Without it: for peers by interface alone."),
  gracefulRestart: gracefulRestart.optional().describe("Instead of `bgp.gracefulRestart`."),
  import: policyName
    .default("none")
    .describe("Policy for what the peer announces: one of `bgp.policies`, or `all`, or `none` (RFC 8212)."),
  export: policyName
    .default("own")
    .describe(
      "Policy for what is announced to it: one of `bgp.policies`, or `own` (virtual IPs and `bgp.networks`), `all`, `none`.",
    ),
  bfd: bfdGuard
    .extend({
      multihop: flag
        .optional()
        .describe(
          "A multihop BFD session (RFC 5883). Without it: with `multihop`. FRR wants one where it has `ttl-security`.",
        ),
    })
    .optional()
    .describe("Guard the peer with BFD; `{}` is enough."),
};

const peer = z.strictObject({
  name: subdomain.describe("Unique; what commands and reports call the peer."),
  address: routerAddress.optional().describe("Address of the peer."),
  interface: interfaceName
    .optional()
    .describe("Interface of the peer; without `address` the router that its router advertisements tell (unnumbered)."),
  port: port.default(179).describe("TCP port of the peer."),
  mode: z
    .enum(["active", "passive", "both"])
    .default("both")
    .describe("Who connects: we, the peer, or whoever is first."),
  enabled: flag.default(true).describe("`false` shuts the session down, which the peer is told."),
  ...sessionShape,
});
export type BgpPeerSettings = z.output<typeof peer>;

const dynamic = z.strictObject({
  name: label.describe("Unique; peers are named after it."),
  prefix: routePrefix.describe("Addresses that may call."),
  most: integer(1, 1024).default(64).describe("Peers at most."),
  ...sessionShape,
});
export type BgpDynamicSettings = z.output<typeof dynamic>;
export type BgpSessionSettings = Omit<BgpDynamicSettings, "name" | "prefix" | "most">;

const network = z.strictObject({
  prefix: routePrefix.describe("What is announced."),
  ...announcementShape,
  peers: z.array(subdomain).optional().describe("Names of the peers that hear it. Without it: all."),
});

const prefixRule = z.strictObject({
  prefix: routePrefix.describe("The prefix, and with `ge` or `le` what lies in it."),
  ge: integer(0, 128).optional().describe("Least length. With `le` alone: the length of the prefix."),
  le: integer(0, 128).optional().describe("Greatest length. With `ge` alone: the longest there is."),
});
const rule = z.strictObject({
  name: label.describe("For counters and `why`."),
  match: z
    .strictObject({
      prefixLists: z.array(label).optional().describe("Names of `bgp.prefixLists`: in any of them."),
      prefixes: z.array(prefixRule).optional().describe("In any of them."),
      communities: z.array(community).optional().describe("Carries any of them."),
      largeCommunities: z.array(largeCommunity).optional().describe("Carries any of them."),
      asPath: asPathPattern.optional().describe('Matches the path as text: "65001 65002 {65003 65004}".'),
      nextHops: z.array(ip).optional().describe("Has any of these next hops."),
    })
    .prefault({})
    .describe("All that is given must hold; nothing matches everything."),
  action: z.enum(["accept", "reject"]).describe("What happens to what matches."),
  set: z
    .strictObject({
      localPreference: number32.optional().describe("LOCAL_PREF."),
      med: z
        .union([number32, z.literal("remove")], { error: "a number, or remove" })
        .optional()
        .describe("MULTI_EXIT_DISC, or `remove`."),
      prepend: integer(1, 16).optional().describe("Our own AS so many times."),
      addCommunities: z.array(community).optional().describe("Added."),
      removeCommunities: z.array(community).optional().describe("Removed."),
      nextHop: z
        .union([z.literal("self"), ip], { error: "an address, or self" })
        .optional()
        .describe("Next hop, or `self`."),
    })
    .prefault({})
    .describe("Changes to what is accepted."),
});
export type BgpRuleSettings = z.output<typeof rule>;

export const bgpSettings = z.strictObject({
  asn: asn.optional().describe("AS of this node. Without it: what the virtual IPs say."),
  routerId: routerId
    .optional()
    .describe("Without it: what the virtual IPs say, else the lowest IPv4 address of the interfaces."),
  listen: z
    .strictObject({
      port: port.default(179).describe("TCP port."),
      addresses: z.array(ip).max(64).default([]).describe("Addresses; empty: all."),
    })
    .prefault({})
    .describe("Where peers are waited for."),
  gracefulShutdown: flag
    .default(false)
    .describe("Announce everything as the last choice (RFC 8326), before maintenance of this node."),
  gracefulRestart: gracefulRestart.prefault({}).describe("Graceful restart with all peers that do not say otherwise."),
  install: z
    .strictObject({
      table: integer(1, 4_294_967_295).default(254).describe("Routing table; 254 is main."),
      metric: integer(1, 4_294_967_295).default(20).describe("Metric of the routes."),
      multipath: integer(1, 64).default(1).describe("Equal paths at most that share the traffic."),
    })
    .optional()
    .describe("Put learnt routes into the kernel. Without this block they are only shown."),
  prefixLists: z
    .array(
      z.strictObject({
        name: label.describe("Unique."),
        prefixes: z.array(prefixRule).min(1).max(10_000).describe("Any of them matches."),
      }),
    )
    .default([])
    .describe("Prefixes by name, for policies."),
  policies: z
    .array(
      z.strictObject({
        name: policyName.describe("Unique; not `own`, `all` or `none`, which are there already."),
        rules: z.array(rule).max(1024).default([]).describe("The first one that matches decides."),
        otherwise: z.enum(["accept", "reject"]).default("reject").describe("When none matches."),
      }),
    )
    .default([])
    .describe("Policies by name, for `import` and `export` of peers."),
  networks: z.array(network).max(100_000).default([]).describe("What is announced beside virtual IPs."),
  peers: z.array(peer).max(1024).default([]).describe("Peers of this node."),
  dynamic: z.array(dynamic).max(64).default([]).describe("Peers that may call without being named."),
});
export type BgpSettings = z.output<typeof bgpSettings>;
/** Policies that need no writing. */
export const OWN_POLICIES = ["own", "all", "none"] as const;
