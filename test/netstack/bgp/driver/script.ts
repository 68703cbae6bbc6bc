/** A speaker that does what a test says, on a real driver, in a host's namespace. */
import type { Ip } from "../../../../base/address.ts";
import type { Instant } from "../../../../base/unit.ts";
import { BgpDriver } from "../../../../netstack/bgp/driver/bgp-driver.ts";
import type {
  Action,
  BgpSpeaker,
  Connection,
  Event,
  Expected,
  RouteChange,
  Stats,
} from "../../../../netstack/bgp/event.ts";
import type { BgpPeerReport, BgpPlan, BgpSession } from "../../../../netstack/bgp/plan.ts";
import type { Loop } from "../../../../netstack/kernel/loop.ts";
import type { Host } from "../../kernel/segment.ts";

export class Script implements BgpSpeaker {
  readonly events: Event[] = [];
  /** What the loop's clock is in wall time, as each report was told. */
  readonly epochs: number[] = [];
  /** What follows from an event. */
  answer: (event: Event) => readonly Action[] = () => [];
  pull: (connection: Connection, room: number) => readonly Uint8Array[] = () => [];
  known: (remote: Ip) => Expected | undefined = () => undefined;
  wakeAt: Instant | undefined = undefined;
  names: readonly string[] = [];
  #connections = 0;

  handle(event: Event): readonly Action[] {
    if (event.kind !== "wake") this.events.push(event);
    return this.answer(event);
  }
  nextWake(): Instant | undefined {
    return this.wakeAt;
  }
  allot(): Connection {
    return ++this.#connections;
  }
  nextUpdates(connection: Connection, room: number): readonly Uint8Array[] {
    return this.pull(connection, room);
  }
  nextRoutes(): readonly RouteChange[] {
    return [];
  }
  report(_peer: string, epoch: number): BgpPeerReport | undefined {
    this.epochs.push(epoch);
    return undefined;
  }
  peers(): readonly string[] {
    return this.names;
  }
  stats(): Stats {
    return { prefixes: 0, paths: 0, attributeSets: 0 };
  }
  routes(): { readonly routes: readonly never[]; readonly more: number } {
    return { routes: [], more: 0 };
  }
  expected(remote: Ip): Expected | undefined {
    return this.known(remote);
  }

  of<K extends Event["kind"]>(kind: K): readonly (Event & { readonly kind: K })[] {
    return this.events.filter((event): event is Event & { readonly kind: K } => event.kind === kind);
  }
  /** What a connection sent us so far. */
  heard(connection: Connection): Buffer {
    return Buffer.concat(this.of("received").flatMap((each) => (each.connection === connection ? [each.bytes] : [])));
  }
}

export class Driven implements Disposable {
  readonly script = new Script();
  readonly told: (readonly [string, Readonly<Record<string, unknown>>])[] = [];
  readonly driver: BgpDriver;

  constructor(host: Host, loop: Loop) {
    this.driver = host.do(
      () =>
        new BgpDriver({
          loop,
          speaker: this.script,
          random: () => 0.5,
          notes: {
            bfd: () => undefined,
            event: (name, fields) => this.told.push([name, fields]),
            peer: () => undefined,
            peerGone: () => undefined,
          },
        }),
    );
  }
  [Symbol.dispose](): void {
    this.driver[Symbol.dispose]();
  }
}

export const SESSION: BgpSession = {
  asn: 65002,
  localAsn: undefined,
  source: undefined,
  holdTime: 9000,
  keepalive: 3000,
  connectRetry: 5000,
  auth: undefined,
  ttlSecurity: undefined,
  multihop: undefined,
  families: [],
  extendedNextHop: false,
  gracefulRestart: undefined,
  import: { rules: [], otherwise: "accept" },
  export: { rules: [], otherwise: "accept" },
  bfd: undefined,
};

export const PLAN: BgpPlan = {
  asn: 65001,
  routerId: "1.1.1.1",
  listen: { port: 179, addresses: [] },
  peers: [],
  dynamic: [],
  networks: [],
  install: undefined,
  gracefulShutdown: false,
  restarting: false,
};
