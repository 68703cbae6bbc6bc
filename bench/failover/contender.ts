/** Who holds the virtual IP in a failover trial: ours or keepalived, started on both edges of the same topology. */
import { spawnSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Lab } from "../../lab/build.ts";
import type { Running } from "../../lab/process.ts";
import { VIP4, VIP6 } from "../../lab/topology/two-edges.ts";
import { webResources } from "../../lab/web-resources.ts";
import { peer } from "../peer.ts";

export type Edge = "a" | "b";

export interface Contender {
  readonly name: string;
  /** Carries HTTP on the address itself; keepalived leaves that to others. */
  readonly carries: boolean;
  /** nft expression (bridge family) that matches its heartbeats. */
  readonly heartbeats: string;
  /** Longest time in milliseconds that it may need to settle after a fault, by its own timers. */
  readonly settles: number;
  start(lab: Lab, edge: Edge, folder: string): Running;
  /** Does this host mean to answer for the address now? Who does answer is for the capture to say. */
  owns(lab: Lab, edge: Edge): boolean;
}

export interface Timing {
  /** Milliseconds between two heartbeats. */
  readonly interval: number;
  readonly multiplier: number;
}

export function novaedge(name: string, timing: Timing): Contender {
  const main = join(import.meta.dirname, "..", "..", "daemon", "main.ts");
  return {
    name,
    carries: true,
    heartbeats: "udp dport 9477",
    settles: timing.interval * timing.multiplier + 500,
    owns: (lab, edge) => listing(lab, edge, ["nft", "list", "set", "netdev", "novaedge_vip", "owned4"]).includes(VIP4),
    start(lab, edge, folder) {
      const home = join(folder, edge);
      mkdirSync(join(home, "conf.d"), { recursive: true });
      writeFileSync(join(home, "l2.key"), `${"5a".repeat(32)}\n`, { mode: 0o600 });
      writeFileSync(join(home, "novaedge.yaml"), settingsOf(edge, home, timing));
      writeFileSync(join(home, "conf.d", "app.yaml"), RESOURCES);
      return lab.host(edge).node(main, ["run", "--config", join(home, "novaedge.yaml")]);
    },
  };
}

function settingsOf(edge: Edge, home: string, timing: Timing): string {
  return `node: { name: ${edge} }
l2:
  heartbeat: { interval: ${timing.interval}ms, multiplier: ${timing.multiplier} }
  interface: eth0
  keyFile: ${home}/l2.key
dataplane: { workers: 1 }
admin: { socket: ${home}/admin.sock }
log: { level: info, format: json }
paths: { config: ${home}/conf.d, state: ${home}/state }
`;
}

export const RESOURCES = webResources({
  vip: `address: ${VIP4}, ipv6Address: ${VIP6}, mode: L2ARP`,
  backends: ["10.78.0.11", "10.78.0.12", "10.78.0.13"],
  check: "interval: 1s, httpPath: /",
});

/** What a command says in the host's namespace; nothing while its subject does not exist. */
function listing(lab: Lab, edge: Edge, command: readonly string[]): string {
  return spawnSync("ip", ["netns", "exec", lab.host(edge).namespace, ...command], { encoding: "utf8" }).stdout;
}

/** `seconds` between adverts; VRRPv2 knows whole seconds, VRRPv3 hundredths. */
export function keepalived(name: string, seconds: number): Contender {
  const program = peer("keepalived", "keepalived");
  return {
    name,
    carries: false,
    heartbeats: "ip protocol vrrp",
    settles: 4 * seconds * 1000 + 500,
    owns: (lab, edge) =>
      listing(lab, edge, ["ip", "-o", "-4", "address", "show", "dev", "eth0"]).includes(`inet ${VIP4}/`),
    start(lab, edge, folder) {
      const home = join(folder, edge);
      mkdirSync(home, { recursive: true });
      const file = join(home, "keepalived.conf");
      writeFileSync(
        file,
        `global_defs {
  router_id ${edge}
  vrrp_version ${Number.isInteger(seconds) ? 2 : 3}
}
vrrp_instance web {
  state BACKUP
  interface eth0
  virtual_router_id 51
  priority ${edge === "a" ? 200 : 100}
  nopreempt
  advert_int ${seconds}
  virtual_ipaddress {
    ${VIP4}/24
  }
}
`,
        { mode: 0o600 },
      );
      const pids = ["-p", "main", "-r", "vrrp", "-c", "checkers", "-b", "bfd"].map((arg) =>
        arg.startsWith("-") ? arg : join(home, `${arg}.pid`),
      );
      return lab.host(edge).spawn(program, ["-n", "-l", "-D", "-f", file, ...pids]);
    },
  };
}
