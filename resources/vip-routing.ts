/** What a ProxyVIP of mode BGP or OSPF says about its announcement; the settings of the node say the rest. */
import * as z from "zod";
import { announcementShape } from "./bgp.ts";
import { areaId, asn, routerAddress, routerId, secret, secretFile } from "./routing-values.ts";
import { flag, integer, port } from "./scalar.ts";

const WHOLE = "a whole number of seconds from 1 to 65535";

export const bgpConfig = z.strictObject({
  localAS: asn
    .optional()
    .describe("AS of the node. Without it: `bgp.asn` of the node. One node has one AS: other values are refused."),
  localASBase: asn
    .optional()
    .describe("Instead of localAS: the node's AS is this number plus the last octet of its router id."),
  routerID: routerId
    .optional()
    .describe("Router id of a node that has no `bgp.routerId`. In a file that several nodes read, leave it out."),
  peers: z
    .array(
      z.strictObject({
        address: routerAddress.describe("IPv4 or IPv6 address of the peer."),
        as: asn.describe("AS of the peer."),
        port: port.default(179).describe("TCP port of the peer."),
      }),
    )
    .max(64)
    .default([])
    .describe(
      "Peers that hear the address, in addition to being peers of the node. Empty: all peers of the node hear it.",
    ),
  ...announcementShape,
});

export const ospfConfig = z.strictObject({
  routerID: routerId
    .optional()
    .describe("Router id of a node that has no `ospf.routerId`. In a file that several nodes read, leave it out."),
  areaID: areaId.optional().describe("Area that hears a `host` announcement; 0 without it."),
  cost: integer(1, 65_535).default(10).describe("Metric of the address."),
  metricType: z
    .enum(["external-1", "external-2", "host"])
    .default("external-2")
    .describe("AS-external with metric of type 1 or 2 (type 7 in an NSSA), or a host route of the router itself."),
  tag: integer(0, 4_294_967_295).default(0).describe("Tag of an external announcement."),
  helloInterval: integer(1, 65_535, WHOLE)
    .optional()
    .describe("Seconds, on a node whose settings have no `ospf`; 10 without it."),
  deadInterval: integer(1, 65_535, WHOLE)
    .optional()
    .describe("Seconds, on a node whose settings have no `ospf`; four times helloInterval without it."),
  authType: z
    .enum(["none", "simple", "md5", "hmac-sha1", "hmac-sha256", "hmac-sha384", "hmac-sha512"])
    .default("none")
    .describe("Authentication, on a node whose settings have no `ospf`; IPv6 takes none and the hmac ones."),
  authKey: secret(80).optional().describe("The secret."),
  authKeyFile: secretFile.optional(),
  authKeyId: integer(1, 255).default(1).describe("Number of the key."),
  gracefulRestart: flag
    .optional()
    .describe(
      "Restart gracefully (RFC 3623). Without it, and with `ospf` in the settings of the node: what those say.",
    ),
});
export type OspfConfig = z.output<typeof ospfConfig>;
