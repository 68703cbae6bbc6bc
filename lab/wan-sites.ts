/**
 * Configuration of edge hosts that join sites (lab/topology/sites.ts): settings of each, links of all, and the others as
 * each sees them.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { generateSiteKeys } from "../daemon/wan-keys.ts";
import { CORE, type Gateways, outside, type SitesOptions, WANS, type Wan } from "./topology/sites.ts";

export interface WanSites extends SitesOptions {
  /** Site 1 relays for others that find no way to each other, and is their way out of hard gateways. */
  readonly hub?: boolean;
  /** Lines of YAML below `sdwan:` of every host's settings. */
  readonly settings?: string;
  /** Lines of YAML below `spec:` of a link, "1.2" being site 1's second. */
  readonly links?: Readonly<Partial<Record<`${number}.${Wan}`, string>>>;
  /** Documents for every host, such as policies. */
  readonly resources?: string;
}

/** Writes DIRECTORY/eN/novaedge.yaml and DIRECTORY/eN/conf.d for each site. */
export function writeSites(directory: string, options: WanSites): void {
  const names = Array.from({ length: options.count }, (_, index) => index + 1);
  const keys = names.map(() => generateSiteKeys());
  const links = names.flatMap((site) => WANS.map((wan) => linkOf(site, wan, options))).join("---\n");
  for (const site of names) {
    const own = join(directory, `e${site}`);
    mkdirSync(join(own, "conf.d"), { recursive: true });
    mkdirSync(join(own, "state"), { recursive: true });
    writeFileSync(join(own, "site.key"), `${keys[site - 1]?.privateKey ?? ""}\n`, { mode: 0o600 });
    writeFileSync(join(own, "novaedge.yaml"), settingsOf(site, own, options));
    const others = names.filter((each) => each !== site).map((each) => remote(each, keys[each - 1]?.publicKey ?? ""));
    writeFileSync(join(own, "conf.d", "links.yaml"), links);
    writeFileSync(join(own, "conf.d", "sites.yaml"), others.join("---\n"));
    if (options.resources !== undefined) writeFileSync(join(own, "conf.d", "policies.yaml"), options.resources);
  }
}

export function siteName(site: number): string {
  return `site${site}`;
}
/** Link resources are named so. */
export function wanName(site: number, wan: Wan): string {
  return `s${site}-isp${wan}`;
}
function settingsOf(site: number, own: string, { hub, settings }: WanSites): string {
  return `node:
  name: e${site}
admin:
  socket: ${own}/admin.sock
paths:
  config: ${own}/conf.d
  state: ${own}/state
dataplane:
  workers: 1
  user: nobody
sdwan:
  site: ${siteName(site)}
  overlayCIDR: 10.255.${site}.0/24
  prefixes: [10.${site}.0.0/24, "fd0${site}::/64"]
  privateKeyFile: ${own}/site.key
  stun:
    servers: [${WANS.flatMap((wan) => CORE[`isp${wan}`].map((address) => `"${address}:3478"`)).join(", ")}]
${hub === true ? `  topology:\n    hubs: [${siteName(1)}]\n` : ""}${indented(settings ?? "", 2)}`;
}

function linkOf(site: number, wan: Wan, { nats, links }: WanSites): string {
  const gateways: Gateways = nats?.[`${site}.${wan}`] ?? "none";
  return `apiVersion: novaedge.io/v1alpha1
kind: ProxyWANLink
metadata:
  name: ${wanName(site, wan)}
spec:
  site: ${siteName(site)}
  interface: wan${wan}
  provider: isp${wan}
  bandwidth: 100Mbps
${gateways === "none" ? `  tunnelEndpoint:\n    publicIP: ${outside(site, wan)}\n` : ""}${indented(links?.[`${site}.${wan}`] ?? "", 2)}`;
}

function remote(site: number, publicKey: string): string {
  return `apiVersion: novaedge.io/v1alpha1
kind: NovaEdgeRemoteCluster
metadata:
  name: ${siteName(site)}
spec:
  clusterName: ${siteName(site)}
  overlayCIDR: 10.255.${site}.0/24
  connection:
    mode: Tunnel
    tunnel:
      wireGuard:
        publicKey: ${publicKey}
        allowedIPs: [10.${site}.0.0/24, "fd0${site}::/64"]
`;
}

function indented(text: string, by: number): string {
  return text
    .split("\n")
    .filter((line) => line.trim() !== "")
    .map((line) => `${" ".repeat(by)}${line}\n`)
    .join("");
}
