/** The routing process alone, in a host's namespace, as control would run it: told a plan, asked for what it knows. */
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { ROUTING_FLAGS } from "../../daemon/routing/flags.ts";
import type {
  FromRouting,
  RoutingAnswer,
  RoutingPlan,
  RoutingQuestion,
  ToRouting,
} from "../../daemon/routing/words.ts";
import type { BgpPeerReport, BgpPeerSpec, BgpPlan, BgpPolicy } from "../../netstack/bgp/plan.ts";
import { spawnInside } from "../../netstack/kernel/namespace.ts";
import { openParentChannel, type ParentChannel } from "../../netstack/kernel/parent-channel.ts";

export class RoutingProcess implements AsyncDisposable {
  readonly child: ChildProcess;
  /** The last report of each peer. */
  readonly peers = new Map<string, BgpPeerReport>();
  readonly events: (FromRouting & { readonly kind: "event" })[] = [];
  /** Why the channel ended. */
  ended: string | undefined;
  readonly #channel: ParentChannel;
  readonly #asked = new Map<number, (answer: RoutingAnswer) => void>();
  #asks = 0;

  constructor(namespace: string) {
    this.#channel = openParentChannel(
      {
        received: (message) => this.#received(message as FromRouting),
        ended: (why) => {
          this.ended = why;
        },
      },
      false,
    );
    const [end] = this.#channel.childEnds;
    if (end === undefined) throw new TypeError("a channel without an end for the child");
    this.child = spawnInside(namespace, process.execPath, [...ROUTING_FLAGS, PROGRAM, "--log-level", "info"], {
      stdio: ["ignore", "inherit", "inherit", end],
    });
    this.#channel.spawned();
  }

  get pid(): number {
    return this.child.pid ?? -1;
  }
  send(message: ToRouting): void {
    this.#channel.send(message);
  }
  plan(plan: Partial<RoutingPlan>): void {
    this.send({ kind: "plan", plan: { bgp: undefined, ospf: [], vips: [], ...plan } });
  }
  ask(question: RoutingQuestion): Promise<RoutingAnswer> {
    const n = ++this.#asks;
    return new Promise((resolve) => {
      this.#asked.set(n, resolve);
      this.send({ kind: "ask", n, question });
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#channel[Symbol.dispose]();
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const gone = once(this.child, "exit");
    this.child.kill("SIGKILL");
    await gone;
  }

  #received(message: FromRouting): void {
    if (message.kind === "bgp-peer") this.peers.set(message.peer.name, message.peer);
    if (message.kind === "bgp-peer-gone") this.peers.delete(message.name);
    if (message.kind === "event") this.events.push(message);
    if (message.kind !== "answer") return;
    this.#asked.get(message.n)?.(message.answer);
    this.#asked.delete(message.n);
  }
}

export function bgpPlan(asn: number, routerId: string, plan: Partial<BgpPlan>): BgpPlan {
  return {
    asn,
    routerId,
    listen: { port: 179, addresses: [] },
    peers: [],
    dynamic: [],
    networks: [],
    install: undefined,
    gracefulShutdown: false,
    restarting: false,
    ...plan,
  };
}

/** An external IPv4 peer to and from which everything passes. */
export function bgpPeer(name: string, address: string, asn: number, peer: Partial<BgpPeerSpec> = {}): BgpPeerSpec {
  return {
    name,
    address,
    ifname: undefined,
    port: 179,
    mode: "both",
    adminDown: false,
    asn,
    localAsn: undefined,
    source: undefined,
    holdTime: 90_000,
    keepalive: 30_000,
    connectRetry: 1000,
    auth: undefined,
    ttlSecurity: undefined,
    multihop: undefined,
    families: [{ family: address.includes(":") ? "ipv6" : "ipv4", addPathReceive: false, maxPrefixes: undefined }],
    extendedNextHop: false,
    gracefulRestart: undefined,
    import: ALL,
    export: ALL,
    bfd: undefined,
    ...peer,
  };
}

export function network(prefix: string) {
  return {
    prefix,
    med: undefined,
    localPref: undefined,
    prepend: 0,
    communities: [],
    extendedCommunities: [],
    largeCommunities: [],
    peers: undefined,
  };
}

const ALL: BgpPolicy = { rules: [], otherwise: "accept" };
const PROGRAM = join(import.meta.dirname, "..", "..", "daemon", "routing", "main.ts");
