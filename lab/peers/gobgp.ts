/** GoBGP on a host of a lab.  It has no kernel routes; its routes are put in through its own client. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Host } from "../host.ts";
import type { Running } from "../process.ts";
import { type BgpSpec, familiesOf, type NeighborSpec, type RouterSpec } from "./router.ts";
import { until } from "./until.ts";

export interface Gobgp extends AsyncDisposable {
  readonly make: "gobgp";
  readonly running: Running;
  /** The `gobgp` client. */
  ask(...words: readonly string[]): Promise<string>;
  json<T>(...words: readonly string[]): Promise<T>;
}

export async function startGobgp(host: Host, spec: RouterSpec): Promise<Gobgp> {
  const directory = join(host.directory, `gobgp-${host.name}`);
  mkdirSync(directory, { recursive: true });
  const config = join(directory, "gobgpd.toml");
  writeFileSync(config, gobgpConfig(spec));
  const quiet = ["-p", "--pprof-disable", "--api-hosts=127.0.0.1:50051", "-l", "warn"];
  const running = host.spawn("/usr/bin/gobgpd", ["-f", config, "-t", "toml", ...quiet]);
  let over = false;
  void running.finished.finally(() => (over = true));
  const ask = async (...words: readonly string[]): Promise<string> => (await host.exec("/usr/bin/gobgp", words)).stdout;
  const gobgp: Gobgp = {
    make: "gobgp",
    running,
    ask,
    json: async <T>(...words: readonly string[]) => JSON.parse(await ask("-j", ...words)) as T,
    [Symbol.asyncDispose]: () => running[Symbol.asyncDispose](),
  };
  try {
    await until("gobgpd's interface", () => ask("global").catch(() => undefined), {
      explain: () => running.output(),
      giveUp: () => over,
    });
    for (const network of spec.bgp?.networks ?? [])
      await ask("global", "rib", "add", ...(network.includes(":") ? ["-a", "ipv6"] : []), network, "origin", "igp");
    return gobgp;
  } catch (error) {
    await gobgp[Symbol.asyncDispose]();
    throw error;
  }
}

export function gobgpConfig(spec: RouterSpec): string {
  const { bgp } = spec;
  if (bgp === undefined || spec.ospf !== undefined) throw new TypeError("lab: GoBGP speaks BGP, and nothing else");
  return [
    `[global.config]\nas = ${bgp.asn}\nrouter-id = "${spec.routerId}"`,
    ...bgp.neighbors.map((neighbor) => neighborTables(bgp, neighbor)),
    spec.extra ?? "",
    "",
  ].join("\n");
}

function neighborTables(_: BgpSpec, neighbor: NeighborSpec): string {
  if (neighbor.bfd !== undefined) throw new TypeError("lab: GoBGP 3 knows no BFD");
  const { address, ifname, hold = 9, gracefulRestart: restarts } = neighbor;
  const named = address === undefined ? `neighbor-interface = "${ifname}"` : `neighbor-address = "${address}"`;
  return [
    "[[neighbors]]",
    `[neighbors.config]\n${named}\npeer-as = ${neighbor.asn}`,
    neighbor.password === undefined ? "" : `auth-password = "${neighbor.password}"`,
    `[neighbors.timers.config]\nhold-time = ${hold}\nkeepalive-interval = ${neighbor.keepalive ?? Math.max(1, Math.floor(hold / 3))}\nconnect-retry = 1\nidle-hold-time-after-reset = 1`,
    `[neighbors.transport.config]\npassive-mode = ${neighbor.passive === true}`,
    neighbor.local === undefined ? "" : `local-address = "${neighbor.local}"`,
    neighbor.port === undefined ? "" : `remote-port = ${neighbor.port}`,
    neighbor.gtsm === undefined
      ? ""
      : `[neighbors.ttl-security.config]\nenabled = true\nttl-min = ${256 - neighbor.gtsm}`,
    neighbor.multihop === undefined
      ? ""
      : `[neighbors.ebgp-multihop.config]\nenabled = true\nmultihop-ttl = ${neighbor.multihop}`,
    restarts === undefined
      ? ""
      : `[neighbors.graceful-restart.config]\nenabled = true\nrestart-time = ${restarts.restartTime}\nnotification-enabled = true`,
    ...familiesOf(neighbor).map((family) =>
      [
        "[[neighbors.afi-safis]]",
        `[neighbors.afi-safis.config]\nafi-safi-name = "${family}-unicast"`,
        restarts === undefined ? "" : "[neighbors.afi-safis.mp-graceful-restart.config]\nenabled = true",
        neighbor.maxPrefixes === undefined
          ? ""
          : `[neighbors.afi-safis.prefix-limit.config]\nmax-prefixes = ${neighbor.maxPrefixes}`,
      ].join("\n"),
    ),
    ...(neighbor.extra ?? []),
  ]
    .filter(Boolean)
    .join("\n");
}
