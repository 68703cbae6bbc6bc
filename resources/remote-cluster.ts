/** NovaEdgeRemoteCluster: another site, its key, its networks and how tunnels reach it.  Hub sessions come later. */
import * as z from "zod";
import { labels } from "./metadata.ts";
import { routePrefix, secretFile } from "./routing-values.ts";
import { flag, integer, label, port, prefix } from "./scalar.ts";
import { hostPort, publicKey, siteName } from "./wan-values.ts";

const wireGuard = z.strictObject({
  publicKey: publicKey.describe("Its public key: what `novactl wan keys` shows there."),
  nextPublicKey: publicKey
    .optional()
    .describe("The public key that it is about to change to: both are let in, so that no packet is lost meanwhile."),
  presharedKeyFile: secretFile
    .optional()
    .describe("File with a preshared key in base64 as `wg genpsk` prints it, equal on both sites."),
  endpoint: hostPort
    .optional()
    .describe("Where it is reached, when none of its ProxyWANLinks is known here. Without both: it calls us."),
  allowedIPs: z.array(routePrefix).max(256).default([]).describe("Networks behind the site, besides `overlayCIDR`."),
  persistentKeepalive: integer(0, 65_535).default(25).describe("Seconds between keepalives; 0: none."),
  listenPort: port.default(51_820).describe("First UDP port of its tunnels, when `endpoint` names none."),
});

const tunnel = z.strictObject({
  type: z.enum(["WireGuard"]).default("WireGuard").describe("Kind of the tunnels."),
  relay: siteName
    .optional()
    .describe("Site that carries the packets while there is no direct way to this one. Without it: the hubs."),
  relayEndpoint: hostPort
    .optional()
    .describe("The same by its endpoint: that of a ProxyWANLink or NovaEdgeRemoteCluster of another site."),
  via: siteName.optional().describe("Site through which this one is always reached: no tunnels of its own."),
  wireGuard: wireGuard.describe("WireGuard."),
});

export const remoteClusterSpec = z.strictObject({
  clusterName: siteName.describe("The site's name: `sdwan.site` there, and `site` of its ProxyWANLinks."),
  region: label.optional().describe("Where it is; shown."),
  zone: label.optional().describe("Where it is; shown."),
  labels: labels.default({}).describe("Shown."),
  connection: z
    .strictObject({
      mode: z.enum(["Tunnel"]).default("Tunnel").describe("How it is joined."),
      tunnel: tunnel.describe("Its tunnels."),
    })
    .describe("How it is joined."),
  overlayCIDR: prefix.describe("The site's part of the overlay; its host has the first address."),
  paused: flag.default(false).describe("`true`: no tunnels to it."),
});
export type RemoteClusterSpec = z.output<typeof remoteClusterSpec>;
