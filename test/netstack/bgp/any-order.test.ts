/** Any events in any order: nothing is thrown, no timer is left in the past, and every peer can still come up. */
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { ipv4, ipv6 } from "../../../base/address.ts";
import { instant, ms } from "../../../base/unit.ts";
import type { Event } from "../../../netstack/bgp/event.ts";
import type { Capability } from "../../../netstack/bgp/packet/capability.ts";
import type { BgpPeerSpec, BgpPlan } from "../../../netstack/bgp/plan.ts";
import { type Call, Desk } from "./tester.ts";
import { network, peerOf, planOf, REJECT } from "./world.ts";

const GR = { restartTime: 5000, stalePathTime: 5000, longLived: 9000, notification: true };
const BFD = {
  desiredMinTx: 50,
  requiredMinRx: 50,
  multiplier: 3,
  echoTx: undefined,
  requiredMinEchoRx: 0,
  demand: false,
};
const LIMIT = { limit: 3, warnAt: 50, restartAfter: 2000 };
const PEERS: readonly BgpPeerSpec[] = [
  peerOf("a", "10.0.0.2", 65002, { gracefulRestart: GR, bfd: BFD }),
  peerOf("b", "10.0.0.3", 65002, {
    mode: "passive",
    families: [{ family: "ipv4", addPathReceive: true, maxPrefixes: LIMIT }],
  }),
  peerOf("c", "10.0.0.4", "internal", { mode: "active", holdTime: 0 }),
  peerOf("d", "", 65002, { address: undefined, ifname: "eth0", extendedNextHop: true }),
];
const {
  name: _n,
  address: _a,
  ifname: _i,
  port: _p,
  mode: _m,
  adminDown: _d,
  ...SESSION
} = peerOf("", "", "external", { gracefulRestart: GR });

const plan: fc.Arbitrary<BgpPlan> = fc
  .record({
    peers: fc.subarray([...PEERS]),
    change: fc.constantFrom<Partial<BgpPeerSpec>>(
      {},
      { adminDown: true },
      { import: REJECT },
      { export: REJECT },
      { holdTime: 9000 },
      { mode: "passive" },
    ),
    asn: fc.constantFrom(65001, 65001, 65001, 65010),
    dynamic: fc.boolean(),
    networks: fc.subarray(["192.0.2.1/32", "192.0.2.2/32", "2001:db8:9::/48"]),
    gracefulShutdown: fc.boolean(),
    restarting: fc.boolean(),
    installs: fc.boolean(),
  })
  .map(({ peers, change, asn, dynamic, networks, gracefulShutdown, restarting, installs }) =>
    planOf(asn, "10.0.0.1", {
      peers: peers.map((each, index) => (index === 0 ? { ...each, ...change } : each)),
      dynamic: dynamic ? [{ ...SESSION, name: "rack", prefix: "10.0.0.0/24", most: 2 }] : [],
      networks: networks.map((prefix) => network(prefix)),
      gracefulShutdown,
      restarting,
      install: installs ? { table: 254, metric: 20, multipath: 2 } : undefined,
    }),
  );
const REMOTES = ["10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.9"];
const remote = fc.constantFrom(...REMOTES);
const number = fc.nat(12);

type Step =
  | { readonly do: "feed"; readonly event: Event }
  | { readonly do: "wait"; readonly span: number }
  | { readonly do: "call"; readonly remote: string }
  | { readonly do: "say"; readonly which: number; readonly what: number; readonly some: number };
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 2, arbitrary: plan.map((each): Step => ({ do: "feed", event: { kind: "plan", plan: each } })) },
  { weight: 4, arbitrary: fc.constantFrom(1, 600, 3000, 12_000, 300_000).map((span): Step => ({ do: "wait", span })) },
  { weight: 6, arbitrary: remote.map((each): Step => ({ do: "call", remote: each })) },
  {
    weight: 30,
    arbitrary: fc.record({ do: fc.constant("say" as const), which: number, what: fc.nat(9), some: fc.nat(5) }),
  },
  {
    weight: 8,
    arbitrary: fc
      .oneof(
        fc.record({ kind: fc.constant("closed" as const), connection: number, why: fc.constant("x") }),
        fc.record({ kind: fc.constant("queued" as const), connection: number, octets: fc.nat(500) }),
        fc.record({
          kind: fc.constant("bfd" as const),
          id: fc.constantFrom("bgp:a", "bgp:x"),
          up: fc.boolean(),
          wasUp: fc.boolean(),
        }),
        fc.record({ kind: fc.constant("link" as const), ifname: fc.constant("eth0"), up: fc.boolean() }),
        fc.record({
          kind: fc.constant("discovered" as const),
          ifname: fc.constant("eth0"),
          address: fc.constantFrom(undefined, ipv6("fe80::2"), ipv6("fe80::3")),
        }),
        fc.record({
          kind: fc.constant("next-hop" as const),
          ip: fc.constantFrom(...REMOTES.map(ipv4)),
          metric: fc.constantFrom(undefined, 0, 5),
        }),
        fc.record({
          kind: fc.constant("clear" as const),
          peer: fc.constantFrom("a", "b", "c", "d", "rack/10.0.0.9", "x"),
          how: fc.constantFrom("hard" as const, "refresh-in" as const, "refresh-out" as const),
        }),
        fc.record({ kind: fc.constant("trace" as const), peer: fc.constantFrom(undefined, "a"), on: fc.boolean() }),
      )
      .map((event): Step => ({ do: "feed", event })),
  },
);

const CAPABILITIES: readonly Capability[] = [
  { kind: "route-refresh" },
  { kind: "enhanced-route-refresh" },
  {
    kind: "graceful-restart",
    restarting: false,
    notification: true,
    restartTime: ms(4000),
    families: [{ family: "ipv4", forwarding: true }],
  },
  { kind: "long-lived-graceful-restart", families: [{ family: "ipv4", forwarding: true, staleTime: ms(8000) }] },
];
function say(call: Call, from: string, what: number, some: number): void {
  const asn = from === "10.0.0.4" ? 65001 : 65002;
  const path = {
    asPath: [{ kind: "sequence" as const, asns: [asn === 65001 ? 7 : asn] }],
    nextHop: { global: ipv4(from), linkLocal: undefined },
  };
  const prefixes = Array.from({ length: some }, (_, index) => `10.${index}.0.0/16`);
  if (what === 0) call.say({ kind: "keepalive" });
  else if (what <= 3) call.up({ asn, routerId: ipv4(from) }, CAPABILITIES.slice(0, some));
  else if (what <= 5 && some > 0) call.announce(prefixes, { ...path, med: some });
  else if (what === 6 && some > 0) call.withdraw(prefixes);
  else if (what === 7) call.update([], [], some % 2 === 0 ? "ipv4" : "ipv6");
  else if (what === 8)
    call.say({
      kind: "route-refresh",
      family: "ipv4",
      what: (["request", "begin", "end"] as const)[some % 3] ?? "request",
    });
  else if (what === 9)
    call.say({
      kind: "notification",
      reason: some % 2 === 0 ? "cease/administrative-reset" : "cease/hard-reset",
      data: new Uint8Array(0),
    });
}

test("any events in any order", () => {
  fc.assert(
    fc.property(fc.array(step, { minLength: 20, maxLength: 120 }), (steps) => {
      const desk = new Desk();
      const calls: { readonly call: Call; readonly from: string }[] = [];
      desk.plan(planOf(65001, "10.0.0.1", { peers: PEERS, networks: [network("192.0.2.1/32")] }));
      for (const each of steps) {
        if (each.do === "feed") desk.feed(each.event);
        else if (each.do === "wait") desk.wait(each.span);
        else if (each.do === "call") calls.push({ call: desk.call(each.remote), from: each.remote });
        else {
          const chosen = calls[calls.length - 1 - (each.which % Math.max(1, calls.length))];
          if (chosen !== undefined && !chosen.call.closed) say(chosen.call, chosen.from, each.what, each.some);
        }
        // What is due is done: a driver would turn for ever.
        desk.feed({ kind: "wake" });
        expect(desk.speaker.nextWake() ?? Number.POSITIVE_INFINITY).toBeGreaterThan(desk.now);
        for (const name of desk.speaker.peers()) desk.speaker.report(name, 0);
        desk.speaker.routes({ prefix: undefined, peer: undefined, most: 100 });
      }
      desk.plan(planOf(65001, "10.0.0.1"));
      desk.wait(1000);
      expect(desk.speaker.peers()).toEqual([]);
      expect(desk.speaker.stats().paths).toBe(0);
      desk.plan(planOf(65001, "10.0.0.1", { peers: [peerOf("z", "10.0.0.2", 65002, { mode: "passive" })] }));
      desk.call("10.0.0.2").up();
      expect(desk.speaker.report("z", 0)?.state).toBe("established");
      expect(desk.at()).toBe(instant(desk.now));
    }),
    { numRuns: 150 },
  );
});
