/** ExaBGP on a host of a lab: an announcer without a table of routes. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Fault } from "../../base/fault.ts";
import type { Host } from "../host.ts";
import type { Running } from "../process.ts";
import { pathOf } from "./installed.ts";
import { familiesOf, type NeighborSpec, type RouterSpec } from "./router.ts";

export interface Exabgp extends AsyncDisposable {
  readonly make: "exabgp";
  readonly running: Running;
}

export function startExabgp(host: Host, spec: RouterSpec): Exabgp {
  const program = pathOf("exabgp");
  if (program === undefined) throw new Fault("LAB", { missing: "exabgp" });
  const directory = join(host.directory, `exabgp-${host.name}`);
  mkdirSync(directory, { recursive: true });
  const config = join(directory, "exabgp.conf");
  writeFileSync(config, exabgpConfig(spec));
  const env = {
    "exabgp.daemon.daemonize": "false",
    "exabgp.daemon.drop": "false",
    "exabgp.daemon.user": "root",
    "exabgp.tcp.bind": "",
    "exabgp.api.cli": "false",
    "exabgp.log.destination": "stdout",
    "exabgp.log.level": "ERR",
  };
  // Names with dots do not pass through a shell, but they do through env(1).
  const words = Object.entries(env).map(([name, value]) => `${name}=${value}`);
  const running = host.spawn("env", [...words, program, config]);
  return { make: "exabgp", running, [Symbol.asyncDispose]: () => running[Symbol.asyncDispose]() };
}

export function exabgpConfig(spec: RouterSpec): string {
  const { bgp } = spec;
  if (bgp === undefined || spec.ospf !== undefined) throw new TypeError("lab: ExaBGP speaks BGP, and nothing else");
  const networks = bgp.networks ?? [];
  return [...bgp.neighbors.map((each) => neighborBlock(spec.routerId, bgp.asn, each, networks)), spec.extra ?? ""].join(
    "\n",
  );
}

function neighborBlock(routerId: string, asn: number, neighbor: NeighborSpec, networks: readonly string[]): string {
  const { address, local, bfd, gtsm } = neighbor;
  if (bfd !== undefined || gtsm !== undefined) throw new TypeError("lab: ExaBGP knows neither BFD nor GTSM here");
  if (address === undefined || local === undefined)
    throw new TypeError("lab: ExaBGP needs a neighbour's address and its own");
  const families = familiesOf(neighbor);
  const own = networks.filter((each) => families.includes(each.includes(":") ? "ipv6" : "ipv4"));
  return [
    `neighbor ${address} {`,
    `  router-id ${routerId}; local-address ${local}; local-as ${asn}; peer-as ${neighbor.asn};`,
    `  hold-time ${neighbor.hold ?? 9};`,
    neighbor.passive === true ? "  passive true;" : "",
    neighbor.port === undefined ? "" : `  connect ${neighbor.port};`,
    neighbor.password === undefined ? "" : `  md5-password "${neighbor.password}";`,
    neighbor.multihop === undefined ? "" : `  outgoing-ttl ${neighbor.multihop};`,
    ...(neighbor.extra ?? []),
    `  family { ${families.map((family) => `${family} unicast;`).join(" ")} }`,
    neighbor.announces === false || own.length === 0
      ? ""
      : `  static {\n${own.map((each) => `    route ${each} next-hop self;`).join("\n")}\n  }`,
    "}",
  ]
    .filter(Boolean)
    .join("\n");
}
