/**
 * Two speakers that are nobody's tell each other routes, again and again, before anybody real does.  What V8 has not run
 * yet it runs many times slower than what it knows well: the first table that a peer sends after our start would take as
 * long as one of many times the size later.  The routes are some of each kind rather than those of any peer; no socket
 * and no kernel hears of them, time is its own, and nothing of it stays but the compiled code.
 *
 * Done in steps of a millisecond or so, in the time in which the real peers are waited for.
 */
import { ipv4 } from "../../base/address.ts";
import { type Instant, instant } from "../../base/unit.ts";
import type { Action, Connection, Event, RouteChange } from "./event.ts";
import type { BgpNetwork, BgpPeerSpec, BgpPlan } from "./plan.ts";
import { Speaker } from "./speaker.ts";

export class Rehearsal {
  readonly #learner: Side;
  readonly #teller: Side;
  readonly #wire: { readonly to: Side; readonly bytes: Uint8Array }[] = [];
  readonly #steps: Iterator<void>;
  /** What would go to a kernel. */
  readonly #routes: (changes: readonly RouteChange[]) => void;
  #now: Instant = instant(0);

  constructor(routes: (changes: readonly RouteChange[]) => void) {
    this.#routes = routes;
    this.#learner = sideOf(TEST_NET, "passive", []);
    this.#teller = sideOf(OTHER_NET, "active", NETWORKS);
    this.#steps = this.#run();
  }

  /** True: there is more. */
  step(): boolean {
    return this.#steps.next().done !== true;
  }

  *#run(): Generator<void> {
    const [learner, teller] = [this.#learner, this.#teller];
    this.#feed(learner, { kind: "plan", plan: learner.plan });
    yield;
    this.#feed(teller, { kind: "plan", plan: teller.plan });
    for (let round = 0; round < ROUNDS; round++) {
      yield;
      this.#connect();
      yield* this.#exchange();
      this.#feed(teller, { kind: "clear", peer: PEER, how: "hard" });
      this.#wire.length = 0;
      this.#feed(learner, { kind: "closed", connection: learner.connection, why: "the round is over" });
      yield* this.#install();
      this.#sleep();
    }
  }

  *#exchange(): Generator<void> {
    const { connection, speaker } = this.#teller;
    for (;;) {
      const messages = speaker.nextUpdates(connection, SHARE, this.#now);
      if (messages.length === 0) return;
      for (const bytes of messages) this.#wire.push({ to: this.#learner, bytes });
      this.#deliver();
      yield* this.#install();
      this.#learner.speaker.report(PEER, 0);
    }
  }

  *#install(): Generator<void> {
    for (;;) {
      yield;
      const changes = this.#learner.speaker.nextRoutes(SHARE_OF_ROUTES);
      if (changes.length === 0) return;
      this.#routes(changes);
    }
  }

  /** Damping ends, timers expire. */
  #sleep(): void {
    for (const side of [this.#learner, this.#teller]) {
      const wake = side.speaker.nextWake();
      if (wake === undefined) continue;
      this.#now = wake > this.#now ? wake : this.#now;
      this.#feed(side, { kind: "wake" });
    }
  }

  #connect(): void {
    const [learner, teller] = [this.#learner, this.#teller];
    learner.connection = learner.speaker.allot();
    this.#feed(learner, { kind: "incoming", connection: learner.connection, ends: endsOf(learner, teller) });
    this.#feed(teller, { kind: "opened", connection: teller.connection, ends: endsOf(teller, learner) });
    this.#deliver();
  }

  #deliver(): void {
    for (let next = this.#wire.shift(); next !== undefined; next = this.#wire.shift()) {
      const { to, bytes } = next;
      this.#feed(to, { kind: "received", connection: to.connection, bytes });
    }
  }

  #feed(side: Side, event: Event): void {
    const actions: readonly Action[] = side.speaker.handle(event, this.#now);
    const to = side === this.#learner ? this.#teller : this.#learner;
    for (const action of actions) {
      if (action.kind === "send") this.#wire.push({ to, bytes: action.bytes });
      if (action.kind === "connect") side.connection = action.connection;
    }
  }
}

interface Side {
  readonly speaker: Speaker;
  readonly plan: BgpPlan;
  connection: Connection;
}

function sideOf(address: string, mode: BgpPeerSpec["mode"], networks: readonly BgpNetwork[]): Side {
  const [asn, other] = address === TEST_NET ? [64_496, 64_497] : [64_497, 64_496]; // RFC 5398
  const plan = {
    asn,
    routerId: address,
    listen: { port: 179, addresses: [] },
    peers: [peerOf(address === TEST_NET ? OTHER_NET : TEST_NET, other, mode)],
    dynamic: [],
    networks,
    install: { table: 254, metric: 20, multipath: 1 },
    gracefulShutdown: false,
    restarting: false,
  };
  return { speaker: new Speaker(() => 0.5), plan, connection: 0 };
}

function peerOf(address: string, asn: number, mode: BgpPeerSpec["mode"]): BgpPeerSpec {
  return {
    name: PEER,
    address,
    ifname: undefined,
    port: 179,
    mode,
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
    families: [{ family: "ipv4", addPathReceive: false, maxPrefixes: undefined }],
    extendedNextHop: false,
    gracefulRestart: undefined,
    import: ALL,
    export: ALL,
    bfd: undefined,
  };
}

function endsOf(side: Side, other: Side) {
  const [local, remote] = [ipv4(side.plan.routerId), ipv4(other.plan.routerId)];
  return { local, remote, ifname: "lo", addresses: [local] };
}

const PEER = "rehearsal";
/** RFC 5737. */
const TEST_NET = "192.0.2.1";
const OTHER_NET = "192.0.2.2";
const ALL = { rules: [], otherwise: "accept" } as const;
/** Enough for compiled code; more would make V8 bet on these routes being all that there is. */
const ROUNDS = 5;
/** Octets of updates in one step. */
const SHARE = 4096;
const SHARE_OF_ROUTES = 64;
/** Lengths and attributes as they come together in tables: short paths and long ones, with and without communities. */
const NETWORKS: readonly BgpNetwork[] = Array.from({ length: 128 }, (_, n) => {
  const set = n >> 3;
  return {
    prefix: `10.${n}.${(n * 37) & 255}.0/${16 + ((n * 5) % 17)}`,
    med: set % 3 === 0 ? set : undefined,
    localPref: undefined,
    prepend: set % 5,
    communities: set % 2 === 0 ? [`64497:${set}`] : [],
    extendedCommunities: set % 8 === 0 ? ["rt:64497:1"] : [],
    largeCommunities: set % 4 === 0 ? [`64497:1:${set}`] : [],
    peers: undefined,
  };
});
