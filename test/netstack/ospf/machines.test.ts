/** Every state × event cell of RFC 2328 §9.3 and §10.3: the tables here are written from the RFC, not from the code. */
import { describe, expect, test } from "vitest";
import { ipv4 } from "../../../base/address.ts";
import { type Instant, instant } from "../../../base/unit.ts";
import { configure } from "../../../netstack/ospf/configure.ts";
import { type InterfaceEvent, interfaceEvent } from "../../../netstack/ospf/interface.ts";
import { type NeighborEvent, neighborEvent, newNeighbor } from "../../../netstack/ospf/neighbor.ts";
import type { OspfInterfaceSpec, OspfInterfaceState, OspfNeighborState } from "../../../netstack/ospf/plan.ts";
import { stateOf } from "../../../netstack/ospf/router.ts";
import type { Interface, Neighbor, State } from "../../../netstack/ospf/state.ts";
import { address, plan, iface as spec } from "./network.ts";

const NOW: Instant = instant(100_000);

function running(fields: Partial<OspfInterfaceSpec>): { state: State; iface: Interface } {
  const wanted = plan(2, "1.1.1.5", [{ interfaces: [spec("eth0", fields)] }]);
  const state = stateOf(wanted, NOW);
  state.links.set("eth0", {
    ifname: "eth0",
    ifindex: 3,
    up: false,
    loopback: false,
    mtu: 1500,
    addresses: [address("10.0.0.5/24")],
  });
  configure(state, wanted, NOW);
  const iface = state.interfaces.get("eth0");
  if (iface === undefined) throw new TypeError("no interface");
  return { state, iface };
}
function neighborIn(iface: Interface, at: OspfNeighborState, fields: Partial<Neighbor> = {}): Neighbor {
  const routerId = ipv4("1.1.1.9");
  return newNeighbor(
    iface,
    "10.0.0.9",
    { routerId, address: ipv4("10.0.0.9"), priority: 1, state: at, ...fields },
    NOW,
  );
}

describe("RFC 2328 §9.3: interface state × event", () => {
  const EVENTS: readonly InterfaceEvent[] = [
    "interface-up",
    "wait-timer",
    "backup-seen",
    "neighbor-change",
    "loop-ind",
    "unloop-ind",
    "interface-down",
  ];
  type Row = readonly OspfInterfaceState[];
  // Alone on the network and eligible: an election makes us the designated router.
  const EXPECTED: Readonly<Record<OspfInterfaceState, Row>> = {
    down: ["waiting", "down", "down", "down", "loopback", "down", "down"],
    loopback: ["loopback", "loopback", "loopback", "loopback", "loopback", "down", "down"],
    waiting: ["waiting", "dr", "dr", "waiting", "loopback", "waiting", "down"],
    "point-to-point": [
      "point-to-point",
      "point-to-point",
      "point-to-point",
      "point-to-point",
      "loopback",
      "point-to-point",
      "down",
    ],
    "dr-other": ["dr-other", "dr-other", "dr-other", "dr", "loopback", "dr-other", "down"],
    backup: ["backup", "backup", "backup", "dr", "loopback", "backup", "down"],
    dr: ["dr", "dr", "dr", "dr", "loopback", "dr", "down"],
  };
  for (const [from, row] of Object.entries(EXPECTED) as [OspfInterfaceState, Row][]) {
    test.each(EVENTS.map((event, index) => [event, row[index]] as const))(`${from} × %s → %s`, (event, to) => {
      const { state, iface } = running({});
      iface.state = from;
      if (from === "backup") iface.bdr = ipv4("10.0.0.5");
      if (from === "dr") iface.dr = ipv4("10.0.0.5");
      interfaceEvent(state, iface, event, NOW);
      expect(iface.state).toBe(to);
    });
  }

  test("InterfaceUp: point-to-point has no waiting, an ineligible router is DROther at once", () => {
    const wire = running({ type: "point-to-point" });
    interfaceEvent(wire.state, wire.iface, "interface-up", NOW);
    expect(wire.iface.state).toBe("point-to-point");
    const humble = running({ priority: 0 });
    interfaceEvent(humble.state, humble.iface, "interface-up", NOW);
    expect(humble.iface.state).toBe("dr-other");
    expect(humble.iface.waitUntil).toBeUndefined();
  });

  test("InterfaceDown and LoopInd: timers, variables and neighbors are reset", () => {
    for (const event of ["interface-down", "loop-ind"] as const) {
      const { state, iface } = running({});
      interfaceEvent(state, iface, "interface-up", NOW);
      neighborIn(iface, "full");
      iface.dr = 1;
      iface.bdr = 2;
      interfaceEvent(state, iface, event, NOW);
      expect([iface.dr, iface.bdr, iface.neighbors.size]).toEqual([0, 0, 0]);
      expect([iface.waitUntil, iface.helloAt, iface.acksAt]).toEqual([undefined, undefined, undefined]);
    }
  });

  test("§9.3 InterfaceUp on NBMA: eligible neighbors get Start, if we are eligible ourselves", () => {
    const neighbors = [
      { address: "10.0.0.7", priority: 1 },
      { address: "10.0.0.8", priority: 0 },
    ];
    const able = running({ type: "nbma", neighbors });
    interfaceEvent(able.state, able.iface, "interface-up", NOW);
    expect([...able.iface.neighbors.values()].map((each) => each.state)).toEqual(["attempt", "down"]);
    const unable = running({ type: "nbma", neighbors, priority: 0 });
    interfaceEvent(unable.state, unable.iface, "interface-up", NOW);
    expect([...unable.iface.neighbors.values()].map((each) => each.state)).toEqual(["down", "down"]);
  });

  test("§9.4 (6): becoming designated on NBMA wakes those that are not eligible", () => {
    const { state, iface } = running({ type: "nbma", neighbors: [{ address: "10.0.0.8", priority: 0 }] });
    interfaceEvent(state, iface, "interface-up", NOW);
    interfaceEvent(state, iface, "wait-timer", NOW);
    expect(iface.state).toBe("dr");
    expect([...iface.neighbors.values()].map((each) => each.state)).toEqual(["attempt"]);
  });
});

describe("RFC 2328 §10.3: neighbor state × event", () => {
  const EVENTS: readonly NeighborEvent[] = [
    "start",
    "hello-received",
    "2-way-received",
    "negotiation-done",
    "exchange-done",
    "loading-done",
    "bad-ls-req",
    "seq-number-mismatch",
    "adj-ok",
    "1-way",
    "kill-nbr",
    "inactivity-timer",
    "ll-down",
  ];
  type Row = readonly OspfNeighborState[];
  // On a point-to-point link, where an adjacency is always wanted; nothing to request.
  const P2P: Readonly<Record<OspfNeighborState, Row>> = {
    down: row("down", { start: "attempt", "hello-received": "init" }),
    attempt: row("attempt", { "hello-received": "init" }),
    init: row("init", { "2-way-received": "ex-start" }),
    "2-way": row("2-way", { "adj-ok": "ex-start", "1-way": "init" }),
    "ex-start": row("ex-start", { "negotiation-done": "exchange", "1-way": "init" }),
    exchange: row("exchange", {
      "exchange-done": "full",
      "bad-ls-req": "ex-start",
      "seq-number-mismatch": "ex-start",
      "1-way": "init",
    }),
    loading: row("loading", {
      "loading-done": "full",
      "bad-ls-req": "ex-start",
      "seq-number-mismatch": "ex-start",
      "1-way": "init",
    }),
    full: row("full", { "bad-ls-req": "ex-start", "seq-number-mismatch": "ex-start", "1-way": "init" }),
  };
  // On a network where neither is designated: no adjacency is wanted.
  const OTHER: Readonly<Record<OspfNeighborState, Row>> = {
    ...P2P,
    init: row("init", { "2-way-received": "2-way" }),
    "2-way": row("2-way", { "1-way": "init" }),
    "ex-start": row("ex-start", { "negotiation-done": "exchange", "1-way": "init", "adj-ok": "2-way" }),
    exchange: row("exchange", {
      "exchange-done": "full",
      "bad-ls-req": "ex-start",
      "seq-number-mismatch": "ex-start",
      "1-way": "init",
      "adj-ok": "2-way",
    }),
    loading: row("loading", {
      "loading-done": "full",
      "bad-ls-req": "ex-start",
      "seq-number-mismatch": "ex-start",
      "1-way": "init",
      "adj-ok": "2-way",
    }),
    full: row("full", {
      "bad-ls-req": "ex-start",
      "seq-number-mismatch": "ex-start",
      "1-way": "init",
      "adj-ok": "2-way",
    }),
  };
  function row(stay: OspfNeighborState, cells: Partial<Record<NeighborEvent, OspfNeighborState>>): Row {
    const all: Partial<Record<NeighborEvent, OspfNeighborState>> = {
      "kill-nbr": "down",
      "inactivity-timer": "down",
      "ll-down": "down",
      ...cells,
    };
    return EVENTS.map((event) => all[event] ?? stay);
  }

  for (const [name, type, expected] of [
    ["adjacency wanted", "point-to-point", P2P],
    ["adjacency not wanted", "broadcast", OTHER],
  ] as const) {
    describe(name, () => {
      for (const [from, cells] of Object.entries(expected) as [OspfNeighborState, Row][]) {
        test.each(EVENTS.map((event, index) => [event, cells[index]] as const))(`${from} × %s → %s`, (event, to) => {
          const { state, iface } = running({ type });
          iface.state = type === "broadcast" ? "dr-other" : "point-to-point";
          const neighbor = neighborIn(iface, from);
          neighborEvent(state, neighbor, event, NOW);
          expect(neighbor.state).toBe(to);
        });
      }
    });
  }

  test("ExchangeDone with something left to request leads to Loading", () => {
    const { state, iface } = running({ type: "point-to-point" });
    iface.state = "point-to-point";
    const neighbor = neighborIn(iface, "exchange");
    const header = { age: 1, options: 2, type: 1, id: 9, advertisingRouter: 9, sequence: 1, checksum: 1, length: 24 };
    neighbor.requests.set("1/9/9", header);
    neighborEvent(state, neighbor, "exchange-done", NOW);
    expect(neighbor.state).toBe("loading");
  });

  test("HelloReceived starts the inactivity timer anew", () => {
    const { state, iface } = running({ type: "point-to-point" });
    iface.state = "point-to-point";
    for (const at of ["down", "attempt", "init", "2-way", "full"] as const) {
      const neighbor = neighborIn(iface, at);
      neighborEvent(state, neighbor, "hello-received", NOW);
      expect(neighbor.inactiveAt).toBe(NOW + 40_000);
    }
  });

  test("ExStart: the sequence number grows, an empty description with I, M and MS is sent", () => {
    const { state, iface } = running({ type: "point-to-point" });
    const link = state.links.get("eth0");
    iface.link = link === undefined ? undefined : { ...link, up: true };
    interfaceEvent(state, iface, "interface-up", NOW);
    const neighbor = neighborIn(iface, "init", { sequence: 41 });
    state.out.length = 0;
    neighborEvent(state, neighbor, "2-way-received", NOW);
    const sent = state.out.flatMap((each) => (each.kind === "send" ? [each.packet] : []));
    expect(sent).toMatchObject([
      { kind: "database-description", sequence: 42, init: true, more: true, master: true, headers: [], mtu: 1500 },
    ]);
  });

  test("leaving an adjacency clears its three lists", () => {
    for (const event of [
      "1-way",
      "kill-nbr",
      "inactivity-timer",
      "ll-down",
      "seq-number-mismatch",
      "bad-ls-req",
    ] as const) {
      const { state, iface } = running({ type: "point-to-point" });
      iface.state = "point-to-point";
      const neighbor = neighborIn(iface, "loading");
      const header = { age: 1, options: 2, type: 1, id: 9, advertisingRouter: 9, sequence: 1, checksum: 1, length: 24 };
      neighbor.requests.set("1/9/9", header);
      neighbor.summary = [header];
      neighborEvent(state, neighbor, event, NOW);
      expect([neighbor.requests.size, neighbor.summary.length, neighbor.retransmissions.size]).toEqual([0, 0, 0]);
      expect([neighbor.requestAt, neighbor.retransmitAt]).toEqual([undefined, undefined]);
    }
  });
});
