/** Files of a host of ours that announces the virtual IP to the router by BGP, guarded by BFD, and serves it. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { BfdTimes } from "../../lab/peers/router.ts";
import { ANYCAST4, type AnycastHost, ROUTER4 } from "../../lab/topology/anycast.ts";
import { webResources } from "../../lab/web-resources.ts";

export const ROUTER_ASN = 65_000;
export const asnOf = (host: AnycastHost): number => (host === "a" ? 65_001 : 65_002);

/** `httpPath`: what the health check asks the servers for. */
export function writeEdge(home: string, host: AnycastHost, bfd: BfdTimes, httpPath: string): void {
  mkdirSync(join(home, "conf.d"), { recursive: true });
  writeFileSync(join(home, "novaedge.yaml"), settingsOf(host, home, bfd));
  const resources = webResources({
    vip: `address: ${ANYCAST4}, mode: BGP`,
    backends: ["10.78.0.11", "10.78.0.12"],
    check: `interval: 1s, httpPath: ${httpPath}`,
  });
  writeFileSync(join(home, "conf.d", "app.yaml"), resources);
}

function settingsOf(host: AnycastHost, home: string, { interval, multiplier }: BfdTimes): string {
  return `node: { name: ${host} }
dataplane: { workers: 1 }
admin: { socket: ${home}/admin.sock }
log: { level: info, format: json }
paths: { config: ${home}/conf.d, state: ${home}/state }
bfd: { profiles: [{ name: fast, interval: ${interval}ms, multiplier: ${multiplier} }] }
bgp:
  asn: ${asnOf(host)}
  peers:
    - { name: r, address: ${ROUTER4}, asn: ${ROUTER_ASN}, families: [ipv4], connectRetry: 1s, bfd: { profile: fast } }
`;
}
