/** Who is measured: each speaker in the same three roles, on host `s` of the same network. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Host } from "../../lab/host.ts";
import { startBird } from "../../lab/peers/bird.ts";
import { startExabgp } from "../../lab/peers/exabgp.ts";
import { startFrr } from "../../lab/peers/frr.ts";
import { startGobgp } from "../../lab/peers/gobgp.ts";
import type { RouterSpec } from "../../lab/peers/router.ts";
import { until } from "../../lab/peers/until.ts";
import { treeOf } from "../../lab/process.ts";
import { mrtOf } from "./mrt.ts";
import { prefixes } from "./prefixes.ts";
import { bgpPeer, bgpPlan, network, RoutingProcess } from "./routing-process.ts";

export const OWN = { address: "10.0.0.1", asn: 65001 };
export const OTHER = { address: "10.0.0.2", asn: 65002 };

export type Role =
  /** One peer, which calls; all this is ready to be sent. */
  | { readonly kind: "announce"; readonly prefixes: readonly string[] }
  /** One peer, which calls; what it says is taken. */
  | { readonly kind: "learn"; readonly installs: boolean }
  /** Calls so many peers, which say nothing. */
  | { readonly kind: "idle"; readonly peers: readonly string[] };

export interface Started extends AsyncDisposable {
  /** All processes that the role needs. */
  pids(): readonly number[];
  /** Routes that it has taken into its table; `count`: how many there will be. */
  learnt(count: number): Promise<number>;
}

export interface Subject {
  readonly name: string;
  /** The Debian package and a command of it; nothing for our own. */
  readonly package: readonly [command: string, debian: string] | undefined;
  /** Whether it makes sense to ask. */
  takes(role: Role): boolean;
  start(host: Host, role: Role): Promise<Started>;
}

const novaedge: Subject = {
  name: "novaedge",
  package: undefined,
  takes: () => true,
  async start(host, role) {
    const ours = new RoutingProcess(host.namespace);
    const peers =
      role.kind === "idle"
        ? role.peers.map((address, n) => bgpPeer(`p${n}`, address, OTHER.asn, { mode: "active" }))
        : [bgpPeer("p", OTHER.address, OTHER.asn, { mode: "passive" })];
    ours.plan({
      bgp: bgpPlan(OWN.asn, OWN.address, {
        peers,
        networks: role.kind === "announce" ? role.prefixes.map(network) : [],
        install: role.kind === "learn" && role.installs ? { table: 254, metric: 20, multipath: 1 } : undefined,
      }),
    });
    // Answers come in order: when this one is here, the plan has been taken.
    await ours.ask({ of: "bgp-routes", prefix: undefined, peer: undefined, most: 1 });
    // It tells by itself within 50 ms, which is exact enough for many.  Else it is asked for the last one, which costs it
    // nothing, and when that is there for all, which is a walk over its table.
    const learnt = async (count: number): Promise<number> => {
      const told = ours.peers.get("p")?.families[0]?.accepted ?? 0;
      if (told >= count || count > 10_000) return told;
      const asked = async (prefix: string | undefined): Promise<number> => {
        const answer = await ours.ask({ of: "bgp-routes", prefix, peer: "p", most: 1 });
        return answer.of === "bgp-routes" ? answer.routes.length + answer.more : 0;
      };
      return (await asked(prefixes(count).at(-1))) === 0 ? 0 : await asked(undefined);
    };
    return { pids: () => [ours.pid], learnt, [Symbol.asyncDispose]: () => ours[Symbol.asyncDispose]() };
  },
};

const gobgp: Subject = {
  name: "gobgp",
  package: ["gobgpd", "gobgpd"],
  takes: (role) => role.kind !== "learn" || !role.installs, // it has no kernel routes of its own
  async start(host, role) {
    const peer = await startGobgp(host, routerOf(role, []));
    const count = async (): Promise<number> =>
      Number(/Destination:\s*(\d+)/.exec(await peer.ask("global", "rib", "summary"))?.[1] ?? 0);
    if (role.kind === "announce") {
      // 3.10's `mrt inject` ends before its stream is flushed: what follows the last route is padding.
      const file = join(host.directory, "routes.mrt");
      writeFileSync(file, mrtOf(role.prefixes, OWN.address, 64_999));
      await peer.ask("mrt", "inject", "global", "--nexthop", OWN.address, "--no-ipv6", file);
      await until("gobgp's routes", async () => (await count()) >= role.prefixes.length, {
        within: 120_000,
        every: 200,
      });
    }
    return {
      pids: () => treeOf(peer.running.pid),
      learnt: count,
      [Symbol.asyncDispose]: () => peer[Symbol.asyncDispose](),
    };
  },
};

const exabgp: Subject = {
  name: "exabgp",
  package: ["exabgp", "exabgp"],
  // It keeps no table of what it hears, reads 1,500 routes a second, and calls itself: it listens for nobody.
  takes: (role) => role.kind === "announce" && role.prefixes.length <= 10_000,
  async start(host, role) {
    const router = routerOf(role, role.kind === "announce" ? role.prefixes : []);
    const { bgp } = router;
    if (bgp === undefined) throw new TypeError("a router without BGP");
    const neighbors = bgp.neighbors.map((each) => ({ ...each, passive: false }));
    const peer = startExabgp(host, { ...router, bgp: { ...bgp, neighbors } });
    return {
      pids: () => treeOf(peer.running.pid),
      learnt: () => Promise.resolve(0),
      [Symbol.asyncDispose]: () => peer[Symbol.asyncDispose](),
    };
  },
};

/** `coalesce`: milliseconds that it gathers after a session came up; its own default is 1000. */
function frr(name: string, coalesce: number): Subject {
  return {
    name,
    package: ["vtysh", "frr"],
    takes: () => true,
    async start(host, role) {
      const config = frrLines(role, coalesce);
      const installs = role.kind === "learn" && role.installs;
      const peer = await startFrr(host, "", {
        daemons: ["zebra", "bgpd"],
        files: { bgpd: config },
        args: installs ? {} : { bgpd: ["-n"] },
      });
      const count = async (): Promise<number> => {
        const said = await peer.json<FrrSummary>("bgpd", "show bgp ipv4 unicast summary json");
        return said.ribCount ?? 0;
      };
      if (role.kind === "announce")
        await until("FRR's routes", async () => (await count()) >= role.prefixes.length, {
          within: 120_000,
          every: 200,
        });
      return {
        pids: () => [peer.running("zebra").pid, peer.running("bgpd").pid],
        learnt: count,
        [Symbol.asyncDispose]: () => peer[Symbol.asyncDispose](),
      };
    },
  };
}

interface FrrSummary {
  readonly ribCount?: number;
}

/** Read by bgpd itself: through vtysh, 100,000 lines take minutes. */
function frrLines(role: Role, coalesce: number): string {
  const peers = role.kind === "idle" ? role.peers : [OTHER.address];
  return [
    `router bgp ${OWN.asn}`,
    ` bgp router-id ${OWN.address}`,
    " no bgp ebgp-requires-policy",
    " no bgp network import-check",
    ` coalesce-time ${coalesce}`,
    ...peers.flatMap((peer) => [
      ` neighbor ${peer} remote-as ${OTHER.asn}`,
      ` neighbor ${peer} timers 30 90`,
      ` neighbor ${peer} timers connect 1`,
      ...(role.kind === "idle" ? [] : [` neighbor ${peer} passive`]),
    ]),
    " address-family ipv4 unicast",
    ...(role.kind === "announce" ? role.prefixes : []).map((prefix) => `  network ${prefix}`),
    " exit-address-family",
    "",
  ].join("\n");
}

const bird: Subject = {
  name: "bird",
  package: ["bird", "bird2"],
  takes: () => true,
  async start(host, role) {
    const peer = await startBird(host, routerOf(role, role.kind === "announce" ? role.prefixes : []));
    const learnt = async (): Promise<number> =>
      Number(/Routes:\s+(\d+) imported/.exec(await peer.ask("show protocols all p"))?.[1] ?? 0);
    return {
      pids: () => [peer.running.pid],
      learnt,
      [Symbol.asyncDispose]: () => peer[Symbol.asyncDispose](),
    };
  },
};

const openbgpd: Subject = {
  name: "openbgpd",
  package: ["bgpctl", "openbgpd"],
  // Half a minute of CPU for reading 100,000 `network` lines; Linux' table it does not fill here.
  takes: (role) => (role.kind === "announce" ? role.prefixes.length <= 10_000 : role.kind === "idle" || !role.installs),
  async start(host, role) {
    const file = join(host.directory, "openbgpd.conf");
    const socket = join(host.directory, "openbgpd.sock");
    writeFileSync(file, openbgpdLines(role, socket), { mode: 0o600 });
    const running = host.spawn("sh", ["-c", 'mkdir -p /run/openbgpd && exec /usr/sbin/bgpd -d -f "$1"', "sh", file]);
    const ask = async (...words: readonly string[]): Promise<string> =>
      (await host.exec("/usr/sbin/bgpctl", ["-s", socket, ...words])).stdout;
    let over = false;
    void running.finished.finally(() => (over = true));
    const count = async (): Promise<number> =>
      Number(/(\d+) IPv4 unicast network entries/.exec(await ask("show", "rib", "memory"))?.[1] ?? 0);
    const wanted = role.kind === "announce" ? role.prefixes.length : 0;
    await until(
      "bgpctl",
      () =>
        count().then(
          (n) => n >= wanted,
          () => false,
        ),
      {
        within: 120_000,
        every: 100,
        explain: () => running.output(),
        giveUp: () => over,
      },
    );
    return {
      pids: () => treeOf(running.pid),
      learnt: count,
      [Symbol.asyncDispose]: () => running[Symbol.asyncDispose](),
    };
  },
};

function openbgpdLines(role: Role, socket: string): string {
  const installs = role.kind === "learn" && role.installs;
  const peers = role.kind === "idle" ? role.peers : [OTHER.address];
  return [
    `AS ${OWN.asn}`,
    `router-id ${OWN.address}`,
    `socket "${socket}"`,
    `fib-update ${installs ? "yes" : "no"}`,
    `listen on ${OWN.address}`,
    ...(role.kind === "announce" ? role.prefixes : []).map((prefix) => `network ${prefix}`),
    ...peers.map((peer) => `neighbor ${peer} {\n remote-as ${OTHER.asn}\n ${role.kind === "idle" ? "" : "passive"}\n}`),
    "allow to any",
    "allow from any",
    "",
  ].join("\n");
}

function routerOf(role: Role, networks: readonly string[]): RouterSpec {
  const peer = { local: OWN.address, asn: OTHER.asn, hold: 90, keepalive: 30 };
  const neighbors =
    role.kind === "idle"
      ? role.peers.map((address, n) => ({ ...peer, name: `p${n}`, address }))
      : [{ ...peer, name: "p", address: OTHER.address, passive: true }];
  return {
    routerId: OWN.address,
    bgp: { asn: OWN.asn, neighbors, networks },
    installs: role.kind === "learn" && role.installs,
  };
}

export const SUBJECTS: readonly Subject[] = [
  novaedge,
  gobgp,
  exabgp,
  frr("frr", 1000),
  frr("frr-coalesce-1", 1),
  bird,
  openbgpd,
];
