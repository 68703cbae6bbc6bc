/** Our routing process in a lab's host, as a test holds it: plans in, reports out. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { TraceLine } from "../../base/trace.ts";
import type {
  FromRouting,
  RoutedVipReport,
  RoutingAnswer,
  RoutingPlan,
  ToRouting,
} from "../../daemon/routing/words.ts";
import { buildLab, type Lab } from "../../lab/build.ts";
import { describe as described } from "../../lab/description.ts";
import type { Host } from "../../lab/host.ts";
import { type KernelRoute, kernelRoutes } from "../../lab/peers/kernel.ts";
import { until } from "../../lab/peers/until.ts";
import type { Running } from "../../lab/process.ts";
import type { BfdReport, BfdSpec } from "../../netstack/bfd/plan.ts";
import type {
  BgpFamilySpec,
  BgpNetwork,
  BgpPeerReport,
  BgpPeerSpec,
  BgpPlan,
  BgpPolicy,
  BgpRouteReport,
} from "../../netstack/bgp/plan.ts";

export class RoutingUnderTest implements AsyncDisposable {
  readonly events: (FromRouting & { readonly kind: "event" })[] = [];
  readonly vips = new Map<string, RoutedVipReport>();
  readonly trace: TraceLine[] = [];
  readonly #host: Host;
  readonly #peers = new Map<string, BgpPeerReport>();
  readonly #gone: string[] = [];
  readonly #said: FromRouting["kind"][] = [];
  readonly #answers = new Map<number, RoutingAnswer>();
  #running: Running | undefined;
  #pid: number | undefined;
  #plan: RoutingPlan;
  #asked = 0;
  #life = 0;
  sessions: readonly BfdSpec[] = [];

  constructor(host: Host, plan: RoutingPlan) {
    this.#host = host;
    this.#plan = plan;
    this.start();
  }

  /** Another life, after the last one has ended. */
  start(): void {
    const file = join(this.#host.directory, `${this.#host.name}-plan.json`);
    writeFileSync(file, JSON.stringify(this.#plan));
    const life = ++this.#life;
    this.#peers.clear();
    this.#said.length = 0;
    this.#pid = undefined;
    this.#running = this.#host.node("lab/programs/routing.ts", [file], {
      line: (line, from) => {
        if (life === this.#life && from === "stdout") this.#told(JSON.parse(line) as FromRouting);
      },
    });
    this.tell({ kind: "trace", n: 0, protocol: "bgp", peer: undefined });
  }

  plan(plan: RoutingPlan): void {
    this.#plan = plan;
    this.tell({ kind: "plan", plan });
  }
  /** For the next life. */
  replan(change: (plan: RoutingPlan) => RoutingPlan): void {
    this.#plan = change(this.#plan);
  }
  bfd(report: BfdReport): void {
    this.tell({ kind: "bfd", report });
  }
  tell(order: ToRouting | { readonly kind: "hang-up" }): void {
    this.#running?.write(`${JSON.stringify(order)}\n`);
  }
  get pid(): number {
    return this.#pid ?? -1;
  }

  peer(name = "r"): BgpPeerReport | undefined {
    return this.#peers.get(name);
  }
  all(): readonly BgpPeerReport[] {
    return [...this.#peers.values()];
  }
  async established(name = "r"): Promise<BgpPeerReport> {
    return await this.until(`Established with ${name}`, () => {
      const report = this.peer(name);
      return report?.state === "established" ? report : undefined;
    });
  }
  async until<T>(what: string, look: () => T | undefined | false, within = 20_000): Promise<T> {
    return await until(what, look, { within, explain: () => this.explain() });
  }
  async said(kind: FromRouting["kind"]): Promise<void> {
    await this.until(kind, () => this.#said.includes(kind));
  }
  gone(name: string): boolean {
    return this.#gone.includes(name);
  }
  async routes(peer?: string, prefix?: string): Promise<readonly BgpRouteReport[]> {
    const n = ++this.#asked;
    this.tell({ kind: "ask", n, question: { of: "bgp-routes", prefix, peer, most: 1000 } });
    const answer = await this.until("an answer", () => this.#answers.get(n));
    return answer.of === "bgp-routes" ? answer.routes : [];
  }
  explain(): string {
    const told = [...this.#peers.values(), ...this.events, ...this.vips.values()].map((each) => JSON.stringify(each));
    const trace = this.trace.slice(-40).map(({ peer, direction, text }) => `${peer} ${direction} ${text}`);
    return [...told, ...trace, this.#running?.output().slice(-2000) ?? ""].join("\n");
  }

  async kill(): Promise<void> {
    await this.said("hello");
    process.kill(this.pid, "SIGKILL");
    await this.#running?.finished.catch(() => undefined);
  }
  async stop(keep: boolean): Promise<void> {
    this.tell({ kind: "stop", keep });
    await this.finished();
  }
  async finished(): Promise<number | undefined> {
    return (await this.#running?.finished)?.code;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#running?.[Symbol.asyncDispose]();
  }

  #told(message: FromRouting): void {
    this.#said.push(message.kind);
    if (message.kind === "hello") this.#pid = message.pid;
    else if (message.kind === "bgp-peer") this.#peers.set(message.peer.name, message.peer);
    else if (message.kind === "bgp-peer-gone") {
      this.#peers.delete(message.name);
      this.#gone.push(message.name);
    } else if (message.kind === "event") this.events.push(message);
    else if (message.kind === "bfd") this.sessions = message.sessions;
    else if (message.kind === "vip") this.vips.set(message.vip.name, message.vip);
    else if (message.kind === "trace") this.trace.push(message.line);
    else if (message.kind === "answer") this.#answers.set(message.n, message.answer);
  }
}

/** Ours (a, AS 65001) and two routers (r, AS 65002; s, AS 65003) on one segment. */
export function bgpLab(): Promise<Lab> {
  const host = (n: number) => ({
    interfaces: { eth0: [`10.0.0.${n}/24`, `fd00::${n}/64`] },
    forwards: true,
  });
  return buildLab(
    described({
      hosts: { a: host(1), r: host(2), s: host(3) },
      switches: ["lan"],
      links: ["a", "r", "s"].map((name) => ({ from: `${name}:eth0`, to: "lan" })),
    }),
  );
}

export const ACCEPT: BgpPolicy = { rules: [], otherwise: "accept" };
export const family = (name: "ipv4" | "ipv6", more: Partial<BgpFamilySpec> = {}): BgpFamilySpec => ({
  family: name,
  addPathReceive: false,
  maxPrefixes: undefined,
  ...more,
});

export function peerOf(more: Partial<BgpPeerSpec> = {}): BgpPeerSpec {
  return {
    name: "r",
    address: "10.0.0.2",
    ifname: undefined,
    port: 179,
    mode: "both",
    adminDown: false,
    asn: 65002,
    localAsn: undefined,
    source: undefined,
    holdTime: 9000,
    keepalive: 3000,
    connectRetry: 1000,
    auth: undefined,
    ttlSecurity: undefined,
    multihop: undefined,
    families: [family("ipv4"), family("ipv6")],
    extendedNextHop: false,
    gracefulRestart: undefined,
    import: ACCEPT,
    export: ACCEPT,
    bfd: undefined,
    ...more,
  };
}

export function networkOf(prefix: string, more: Partial<BgpNetwork> = {}): BgpNetwork {
  return {
    prefix,
    med: undefined,
    localPref: undefined,
    prepend: 0,
    communities: [],
    extendedCommunities: [],
    largeCommunities: [],
    peers: undefined,
    ...more,
  };
}

export const VIP4 = "192.0.2.10/32";
export const VIP6 = "2001:db8::10/128";

export function bgpOf(peers: readonly BgpPeerSpec[], more: Partial<BgpPlan> = {}): BgpPlan {
  return {
    asn: 65001,
    routerId: "1.1.1.1",
    listen: { port: 179, addresses: [] },
    peers,
    dynamic: [],
    networks: [networkOf(VIP4), networkOf(VIP6)],
    install: { table: 254, metric: 20, multipath: 4 },
    gracefulShutdown: false,
    restarting: false,
    ...more,
  };
}

/** With one virtual IP of both families. */
export function planOf(bgp: BgpPlan, more: Partial<RoutingPlan> = {}): RoutingPlan {
  const vips = [{ name: "v", addresses: [VIP4, VIP6], eligible: true, why: "", ports: [] }];
  return { bgp, ospf: [], vips, ...more };
}

/** Waits until the host's kernel has (or has no more) a route to exactly `prefix`. */
export async function routed(
  host: Host,
  prefix: string,
  wanted: boolean | readonly string[],
  explain: () => string = () => "",
): Promise<KernelRoute | undefined> {
  let last: readonly KernelRoute[] = [];
  const look = async (): Promise<{ readonly route: KernelRoute | undefined } | undefined> => {
    last = await kernelRoutes(host, prefix);
    const [route] = last;
    if (wanted === false) return route === undefined ? { route } : undefined;
    if (route === undefined) return undefined;
    return wanted === true || wanted.join() === route.via.join() ? { route } : undefined;
  };
  const why = (): string => `${JSON.stringify(last)}\n${explain()}`;
  return (await until(`${host.name} ${String(wanted)} ${prefix}`, look, { explain: why, every: 50 })).route;
}
