/** Routes of choices in a kernel: moved, kept, repaired, found again. */
import { afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import {
  formatIp,
  formatPrefix,
  type Ip,
  ipv4,
  ipv6,
  masked,
  type Prefix,
  parsePrefix,
} from "../../../base/address.ts";
import { SILENT } from "../../../base/log.ts";
import { type Ms, ms } from "../../../base/unit.ts";
import type { Loop } from "../../../netstack/kernel/loop.ts";
import { ROUTE_PROTOCOL } from "../../../netstack/kernel/marks.ts";
import type { RouteSocket } from "../../../netstack/kernel/netlink/route-socket.ts";
import { type Change, watch } from "../../../netstack/kernel/netlink/watch.ts";
import { openLoop } from "../../../netstack/kernel/open-loop.ts";
import { Lanes } from "../../../sdwan/steer/driver/lanes.ts";
import { LANE_METRIC } from "../../../sdwan/steer/lane-routes.ts";
import type { CandidateSpec, ChoiceSpec } from "../../../sdwan/steer-plan.ts";
import { type Host, Segment, sweep, UNABLE } from "../../netstack/kernel/segment.ts";
import { candidate, choiceSpec } from "../choose/world.ts";

const A = candidate("a", { ifname: "e1" });
const B = candidate("b", { ifname: "e2" });
/** By gateways, as links themselves are. */
const C = candidate("c", {
  ifname: "e1",
  v4: { usable: true, gateway: "192.0.2.254" },
  v6: { usable: true, gateway: "fe80::254" },
});
const TABLE = 11_001;
const BOTH = ["10.2.0.0/24", "2001:db8:2::/64"];

beforeAll(sweep);

describe.skipIf(UNABLE !== undefined)("lanes", () => {
  let segment: Segment;
  let host: Host;
  let loop: Loop;
  let lanes: Lanes;
  let heard: Change[];
  let listening: Disposable;
  const events: [string, Readonly<Record<string, unknown>>][] = [];

  beforeEach(() => {
    segment = new Segment({ a: [ipv4("192.0.2.1"), ipv6("2001:db8::1")] });
    host = segment.host("a");
    segment.attach("x", host, "e1", []);
    segment.attach("y", host, "e2", []);
    loop = openLoop({ engine: "epoll", chunks: 8, log: SILENT });
    events.length = 0;
    heard = [];
    lanes = begin();
    listening = host.do(() => watch(loop, ["routes"], { changed: (change) => void heard.push(change) }));
  });
  afterEach(() => {
    listening[Symbol.dispose]();
    lanes[Symbol.dispose]();
    loop[Symbol.dispose]();
    segment[Symbol.dispose]();
  });

  const begin = (more: { readonly sweepAfter?: Ms } = {}): Lanes =>
    host.do(
      () =>
        new Lanes({ loop, event: (name, fields) => void events.push([name, fields]), auditEvery: ms(200), ...more }),
    );
  const plan = (choices: readonly ChoiceSpec[], carriers: Readonly<Record<string, CandidateSpec | undefined>>): void =>
    lanes.plan(choices, (id) => carriers[id]);
  const voice = (more: Partial<ChoiceSpec> = {}): ChoiceSpec =>
    choiceSpec([A, B, C], { destinations: BOTH, table: TABLE, ...more });
  const routes = (table = TABLE): readonly string[] => told(host.route, table);
  const until = (what: string, holds: () => boolean): void => {
    const end = Date.now() + 5000;
    while (!holds()) {
      if (Date.now() > end) throw new Error(`${what}: ${routes().join("; ")}`);
      loop.turn(false);
    }
  };
  const drain = (): void => {
    for (let turn = 0; turn < 20; turn++) loop.turn(false);
  };
  const deletions = (): readonly string[] => {
    drain();
    return heard.flatMap((each) => (each.kind === "route" && each.gone ? [formatPrefix(each.route.destination)] : []));
  };

  test("all destinations of both families; planned again, nothing changes", () => {
    plan([voice()], { c: A });
    expect(routes()).toEqual(["10.2.0.0/24 e1", "2001:db8:2::/64 e1"]);
    drain();
    heard.length = 0;
    plan([voice()], { c: A });
    expect(deletions()).toEqual([]);
    expect(heard).toEqual([]);
  });

  test.each([
    ["device to device", A, B, ["10.2.0.0/24 e2", "2001:db8:2::/64 e2"]],
    ["device to gateway", B, C, ["10.2.0.0/24 e1 by 192.0.2.254", "2001:db8:2::/64 e1 by fe80::254"]],
    ["gateway to device", C, B, ["10.2.0.0/24 e2", "2001:db8:2::/64 e2"]],
  ] as const)("a move replaces: no destination is ever without a route (%s)", (_, from, to, expected) => {
    plan([voice()], { c: from });
    for (let round = 0; round < 20; round++) {
      lanes.carry(new Map([["c", to]]));
      expect(routes()).toEqual(expected);
      expect(host.do(() => host.route.routes({ table: TABLE }))).toHaveLength(2);
      lanes.carry(new Map([["c", from]]));
    }
    expect(deletions()).toEqual([]);
  });

  test("a family that a candidate has not is left out, and comes back with another", () => {
    plan([voice()], { c: A });
    lanes.carry(new Map([["c", { ...B, v6: { usable: false, gateway: undefined } }]]));
    expect(routes()).toEqual(["10.2.0.0/24 e2"]);
    lanes.carry(new Map([["c", A]]));
    expect(routes()).toEqual(["10.2.0.0/24 e1", "2001:db8:2::/64 e1"]);
  });

  test("the next process finds what carries a choice, and changes nothing", () => {
    plan([voice(), voice({ id: "d", table: 11_002 })], { c: C, d: B });
    lanes[Symbol.dispose](); // as if it were killed: everything stays
    drain();
    heard.length = 0;
    lanes = begin();
    const choices = [voice(), voice({ id: "d", table: 11_002 }), voice({ id: "e", table: 11_003 })];
    expect([...lanes.find(choices)]).toEqual([
      ["c", "c"],
      ["d", "b"],
    ]);
    plan(choices, { c: C, d: B });
    expect(deletions()).toEqual([]);
    expect(heard).toEqual([]);
  });

  test("what others delete or replace is put right, and told", () => {
    plan([voice()], { c: A });
    host.route.deleteRoute({ destination: prefix("10.2.0.0/24"), table: TABLE, protocol: ROUTE_PROTOCOL });
    until("put back", () => routes().length === 2);
    const destination = prefix("10.2.0.0/24");
    const metric = LANE_METRIC.carrier;
    host.route.replaceRoute({ destination, table: TABLE, protocol: 4, metric, oif: host.index });
    until("replaced", () => routes()[0] === "10.2.0.0/24 e1");
    expect(events.map(([name]) => name)).toEqual(["wan.routes-repaired", "wan.routes-repaired"]);
    expect(events[0]?.[1]).toMatchObject({ routes: ["10.2.0.0/24 table 11001"], level: "warn" });
  });

  test("routes that go with their device come back with it", () => {
    plan([voice()], { c: A });
    host.route.changeLink("e1", { up: false });
    until("gone", () => routes().length === 0);
    for (let turn = 0; turn < 50; turn++) loop.turn(false);
    host.route.changeLink("e1", { up: true });
    until("back", () => routes().length === 2);
    host.route.deleteLink("e1");
    until("gone again", () => routes().length === 0);
    segment.attach("z", host, "e1", []);
    until("back on another of that name", () => routes().length === 2);
    expect(events).toEqual([]);
  });

  test("a kill switch refuses below, and alone when nothing may carry it", () => {
    plan([voice({ killSwitch: true })], { c: undefined });
    const refused = ["10.2.0.0/24 unreachable", "2001:db8:2::/64 unreachable"];
    expect(routes()).toEqual(refused);
    lanes.carry(new Map([["c", A]]));
    expect(routes()).toEqual([
      "10.2.0.0/24 e1",
      "10.2.0.0/24 unreachable",
      "2001:db8:2::/64 e1",
      "2001:db8:2::/64 unreachable",
    ]);
    host.route.changeLink("e1", { up: false });
    until("refused", () => routes().join() === refused.join());
    host.route.changeLink("e1", { up: true });
    until("back", () => routes().length === 4);
    lanes.carry(new Map([["c", undefined]]));
    expect(routes()).toEqual(refused);
  });

  test("without a kill switch what is there stays while nothing is known", () => {
    plan([voice()], { c: A });
    plan([voice()], { c: undefined });
    lanes.carry(new Map([["c", undefined]]));
    expect(routes()).toEqual(["10.2.0.0/24 e1", "2001:db8:2::/64 e1"]);
  });

  test("a choice takes its own routes along, out of a table that another has a share in; strangers' stay", () => {
    const internet = voice({ id: "i", destinations: ["0.0.0.0/0", "::/0"] });
    plan([voice(), internet], { c: A, i: B });
    host.route.addRoute({ destination: prefix("10.9.0.0/16"), table: TABLE, protocol: 4, oif: host.index });
    host.route.addRoute({
      destination: prefix("10.8.0.0/16"),
      table: TABLE,
      protocol: ROUTE_PROTOCOL,
      metric: 7,
      oif: host.index,
    });
    expect(routes()).toHaveLength(6);
    plan([internet], { i: B });
    const strangers = ["10.8.0.0/16 e0", "10.9.0.0/16 e0"];
    expect(routes()).toEqual(["0.0.0.0/0 e2", ...strangers, "::/0 e2"]);
    lanes.remove();
    expect(routes()).toEqual(strangers);
  });

  test("what an earlier process left in tables that nobody asks for is swept, later", () => {
    plan([voice(), voice({ id: "d", table: 11_009 })], { c: A, d: B });
    host.route.addRoute({ destination: prefix("10.9.0.0/16"), table: 11_009, protocol: 4, oif: host.index });
    lanes[Symbol.dispose]();
    lanes = begin({ sweepAfter: ms(300) });
    plan([voice()], { c: A });
    expect(routes(11_009)).toHaveLength(3);
    until("swept", () => routes(11_009).join() === "10.9.0.0/16 e0");
    expect(routes()).toHaveLength(2);
    expect(events).toEqual([["wan.routes-swept", { count: 2, level: "info" }]]);
  });

  test("a table of anybody else is never touched", () => {
    plan([voice({ table: 254 })], { c: A });
    expect(routes(254).filter((each) => each.startsWith("10.2."))).toEqual([]);
    expect(events.map(([name]) => name)).toEqual(["wan.table-refused"]);
  });

  test("what the kernel refuses is told once, and the rest is done", () => {
    const wrong = { c: { ...A, v6: { usable: true, gateway: "::1" } } };
    plan([voice({ destinations: [...BOTH, "2001:db8:3::/64"] })], wrong);
    plan([voice({ destinations: BOTH })], wrong);
    expect(routes()).toEqual(["10.2.0.0/24 e1"]);
    expect(events.filter(([name]) => name === "wan.route-refused")).toHaveLength(2);
  });
});

function told(route: RouteSocket, table: number): readonly string[] {
  const names = new Map(route.links().map(({ index, name }) => [index, name]));
  const way = (gateway: Ip | undefined): string => (gateway === undefined ? "" : ` by ${formatIp(gateway)}`);
  return route
    .routes({ table })
    .filter(({ type }) => type === "unicast" || type === "unreachable")
    .map(({ destination, type, hops: [hop] }) => {
      const where = type === "unreachable" ? "unreachable" : `${names.get(hop?.oif ?? 0)}${way(hop?.gateway)}`;
      return `${formatPrefix(destination)} ${where}`;
    })
    .toSorted();
}

function prefix(text: string): Prefix {
  const parsed = parsePrefix(text);
  if (!parsed.ok) throw new TypeError(text);
  return { ip: masked(parsed.value.ip, parsed.value.length), length: parsed.value.length };
}
