/** Two hosts with a wire between them and a WireGuard tunnel over it: ours, or wireguard-go as it comes. */
import { type ChildProcess, execFileSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as elapse } from "node:timers/promises";
import { ipv4 } from "../../base/address.ts";
import {
  createNamespace,
  deleteNamespace,
  inside,
  openNamespace,
  spawnInside,
} from "../../netstack/kernel/namespace.ts";
import { RouteSocket } from "../../netstack/kernel/netlink/route-socket.ts";
import { endWireguardGo, socketOf, startWireguardGo, wireguardGoOf } from "../../netstack/kernel/wireguard/process.ts";
import { widenSockets } from "../../netstack/kernel/wireguard/socket-buffers.ts";
import { answersAt } from "../../netstack/kernel/wireguard/uapi-door.ts";
import {
  type ClassMatch,
  type ClassSpec,
  EVERYTHING,
  type LaneSpec,
  type TunnelPeerSpec,
  type UnderlayPlan,
} from "../../sdwan/underlay-plan.ts";
import type { SiteOrder } from "./site.ts";

export interface Pair extends AsyncDisposable {
  readonly subject: string;
  /** Namespaces of the client and of the server. */
  readonly client: string;
  readonly server: string;
  /** All processes that carry or keep the tunnel. */
  readonly pids: readonly number[];
}

export interface OurPair extends Pair {
  /** The site at one end gets another plan for its peer, and for itself. */
  plan(end: "client" | "server", change: PlanChange): void;
  readonly publicKeys: { readonly client: string; readonly server: string };
}

export interface PlanChange {
  readonly privateKey?: string;
  readonly peer?: Partial<TunnelPeerSpec>;
}

/**
 * wireguard-go, set up by hand, one route: what anybody would compare with.  "wide": with the receive buffers that ours has,
 * so that what remains is what marks, rules and classification cost.  "router": on a host that also tracks connections and
 * hides others behind its address, as any does that is the way to the internet, so that what remains is ours alone.
 */
export type Bare = "plain" | "wide" | "router";

export async function barePair(kind: Bare): Promise<Pair> {
  const hosts = wire(kind.slice(0, 1));
  const keys = hosts.map(() => newKey());
  const directory = mkdtempSync(join(tmpdir(), "nv-bench-"));
  for (const [index, host] of hosts.entries()) {
    const run = (...args: readonly string[]): void =>
      void execFileSync("nsenter", [`--net=/run/netns/${host.namespace}`, ...args], { stdio: "ignore" });
    const file = join(directory, host.ifname);
    writeFileSync(file, keys[index]?.privateKey ?? "", { mode: 0o600 });
    const started = inside(host.namespace, () => startWireguardGo(host.ifname, undefined));
    if (!started.ok) throw new Error(started.error);
    await there(host.ifname);
    run("ip", "link", "set", host.ifname, "mtu", String(MTU), "up");
    run("wg", "set", host.ifname, "private-key", file, "listen-port", "51820");
    const [other, key] = [hosts[1 - index], keys[1 - index]];
    if (other === undefined || key === undefined) continue;
    const peer = ["peer", key.publicKey, "endpoint", `${other.wire}:51820`, "persistent-keepalive", "25"];
    run("wg", "set", host.ifname, ...peer, "allowed-ips", other.network);
    run("ip", "route", "add", other.network, "dev", host.ifname, "src", host.address);
    if (kind === "router") for (const line of ROUTER) run("nft", line);
  }
  rmSync(directory, { recursive: true });
  const pair = pairOf(SUBJECTS[kind], hosts, []);
  if (kind !== "plain") for (const pid of pair.pids) widenSockets(pid, new Set());
  return pair;
}

/** Ours, with marks, rules and eight classes. */
export async function ourPair(): Promise<OurPair> {
  const hosts = wire("n");
  const keys = hosts.map(() => newKey());
  const sites: ChildProcess[] = [];
  const plans: UnderlayPlan[] = [];
  for (const [index, host] of hosts.entries()) {
    const [other, own, key] = [hosts[1 - index], keys[index], keys[1 - index]];
    if (other === undefined || own === undefined || key === undefined) continue;
    const plan = planOf(host, other, own.privateKey, key.publicKey);
    plans.push(plan);
    const order: SiteOrder = { plan, source: host.address, remote: other.network };
    const program = join(import.meta.dirname, "site.ts");
    const args = [program, JSON.stringify(order)];
    sites.push(spawnInside(host.namespace, process.execPath, args, { stdio: ["pipe", "pipe", "inherit"] }));
  }
  for (const site of sites) if (site.stdout !== null) await once(site.stdout, "data");
  const [client, server] = keys.map(({ publicKey }) => publicKey);
  return {
    ...pairOf("novaedge", hosts, sites),
    publicKeys: { client: client ?? "", server: server ?? "" },
    plan(end, { privateKey, peer }) {
      const index = end === "client" ? 0 : 1;
      const before = plans[index];
      if (before === undefined) throw new TypeError(end);
      const tunnels = before.tunnels.map((each) => ({
        ...each,
        peers: each.peers.map((one) => ({ ...one, ...peer })),
      }));
      const after = { ...before, tunnels, privateKey: privateKey ?? before.privateKey };
      plans[index] = after;
      sites[index]?.stdin?.write(`${JSON.stringify(after)}\n`);
    },
  };
}

async function there(ifname: string): Promise<void> {
  for (const end = Date.now() + 5_000; Date.now() < end; await elapse(5)) if (answersAt(socketOf(ifname))) return;
  throw new Error(`wireguard-go made no ${ifname}`);
}

interface Host {
  readonly namespace: string;
  readonly ifname: string;
  /** Of the outer packets. */
  readonly wire: string;
  /** Of the site itself. */
  readonly address: string;
  readonly overlay: string;
  readonly network: string;
}

function wire(kind: string): readonly Host[] {
  const tag = `${process.pid.toString(36)}${kind}`;
  const hosts = [1, 2].map((n) => ({
    namespace: `nv${process.pid}x${kind}${n}`,
    ifname: `${kind === "n" ? "nv" : "wg"}${tag}${n}`,
    wire: `192.0.2.${n}`,
    address: `10.${n}.0.1`,
    overlay: `10.255.${n}.1/32`,
    network: `10.${n}.0.0/24`,
  }));
  for (const { namespace } of hosts) createNamespace(namespace);
  const [first, second] = hosts.map(({ namespace }) => inside(namespace, () => new RouteSocket()));
  if (first === undefined || second === undefined) throw new TypeError("a wire has two ends");
  const namespaceFd = openNamespace(hosts[1]?.namespace ?? "");
  first.addVeth("wan", { name: "wan", namespaceFd });
  for (const [index, route] of [first, second].entries()) {
    const host = hosts[index];
    if (host === undefined) continue;
    route.changeLink("wan", { up: true });
    route.addAddress({ ip: ipv4(host.wire), prefixLength: 24, index: route.indexOf("wan") });
    route.addAddress({ ip: ipv4(host.address), prefixLength: 32, index: route.indexOf("lo") });
    route[Symbol.dispose]();
  }
  return hosts;
}

function pairOf(subject: string, hosts: readonly Host[], sites: readonly ChildProcess[]): Pair {
  const carriers = hosts.map(({ ifname }) => wireguardGoOf(ifname));
  return {
    subject,
    client: hosts[0]?.namespace ?? "",
    server: hosts[1]?.namespace ?? "",
    pids: [...carriers, ...sites.map(({ pid }) => pid)].filter((pid) => pid !== undefined),
    [Symbol.asyncDispose]: async () => {
      for (const site of sites) {
        if (site.exitCode !== null) continue;
        site.kill("SIGKILL");
        await once(site, "close");
      }
      for (const { ifname, namespace } of hosts) {
        endWireguardGo(ifname);
        deleteNamespace(namespace);
      }
    },
  };
}

export function newKey(): { readonly privateKey: string; readonly publicKey: string } {
  const privateKey = execFileSync("wg", ["genkey"], { encoding: "utf8" }).trim();
  return { privateKey, publicKey: execFileSync("wg", ["pubkey"], { encoding: "utf8", input: privateKey }).trim() };
}

function planOf(own: Host, other: Host, privateKey: string, publicKey: string): UnderlayPlan {
  const names = ["voice", "video", "bulk", "office", "backup", "guests", "infra", "default"];
  const classes = names.map((name, index) => ({
    ...CLASS,
    name,
    mark: 10 + index,
    match: MATCHES[name] ?? EVERYTHING,
  }));
  const lanes: readonly LaneSpec[] = [
    { mark: 1, table: 11_001, what: { kind: "link", link: "isp1" } },
    { mark: 2, table: 11_002, what: { kind: "back", ifname: own.ifname } },
    ...classes.map(({ name, mark }) => ({ mark, table: 11_000 + mark, what: { kind: "class", name } }) as const),
  ];
  return {
    site: own.namespace,
    links: [
      {
        name: "isp1",
        ifname: "wan",
        mark: 1,
        table: 11_001,
        gateway4: "none",
        gateway6: "none",
        masquerade: true,
        publicIp: undefined,
        mtu: undefined,
        quota: undefined,
        bandwidthTest: undefined,
      },
    ],
    tunnels: [
      {
        ifname: own.ifname,
        link: "isp1",
        listenPort: 51_820,
        mark: 1,
        dscp: 0,
        mtu: MTU,
        peers: [
          {
            site: other.namespace,
            link: "isp1",
            publicKey,
            presharedKey: undefined,
            endpoint: `${other.wire}:51820`,
            allowedIps: [other.network, other.overlay],
            keepalive: 25,
            relay: undefined,
          },
        ],
      },
    ],
    lanes,
    classes,
    overlay: [own.overlay],
    prefixes: [own.network],
    privateKey,
    wireguard: "userspace",
    stun: { servers: [], interval: 60_000 },
    rendezvous: undefined,
  };
}

const CLASS: Pick<ClassSpec, "dscp" | "balance"> = { dscp: undefined, balance: undefined };
/** The traffic of the bench meets the sixth of eight: what comes before has to be looked at. */
const MATCHES: Readonly<Record<string, ClassMatch>> = {
  voice: { ...EVERYTHING, dscp: [46], protocols: ["udp"] },
  video: { ...EVERYTHING, dscp: [34, 36, 38] },
  bulk: { ...EVERYTHING, protocols: ["tcp"], ports: [[873, 873]] },
  office: { ...EVERYTHING, destinations: ["203.0.113.0/24", "198.51.100.0/24"] },
  backup: { ...EVERYTHING, protocols: ["tcp"], ports: [[10_000, 10_100]] },
  guests: { ...EVERYTHING, ports: [[5201, 5299]], protocols: ["tcp", "udp"] },
  infra: { ...EVERYTHING, protocols: ["icmp"] },
};
const SUBJECTS: Readonly<Record<Bare, string>> = {
  plain: "wireguard-go",
  wide: "wireguard-go, wide",
  router: "wireguard-go, wide, router",
};
const ROUTER = [
  "add table inet router",
  "add chain inet router input { type filter hook input priority 0; }",
  "add rule inet router input ct state established,related accept",
  "add chain inet router srcnat { type nat hook postrouting priority 100; }",
  'add rule inet router srcnat oifname "wan" fib saddr . oif type != local masquerade',
];
/** The same for both: a larger packet alone would win. */
const MTU = 1420;
