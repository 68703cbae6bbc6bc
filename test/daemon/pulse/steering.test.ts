/** A pulse process that measures two ways to another site, chooses, and moves routes. */
import { once } from "node:events";
import { afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { formatPrefix, ipv4 } from "../../../base/address.ts";
import type { FromPulse } from "../../../daemon/pulse/words.ts";
import type { ChoiceReport, Decision, PathReport, PathSpec, SteerPlan } from "../../../sdwan/steer-plan.ts";
import { type Host, Segment, sweep, UNABLE } from "../../netstack/kernel/segment.ts";
import { ANY, candidate, choiceSpec, HOLD, pathSpec } from "../../sdwan/choose/world.ts";
import { PulseHost } from "./pulse-host.ts";

const KEY = "a7".repeat(32);
const PORT = 8620;
const TABLE = 11_001;
const PACE = { interval: 50, inDoubt: 20, deadAfter: 3, alpha: 0.3, octetsPerHour: 1e9 };

beforeAll(sweep);

describe.skipIf(UNABLE !== undefined)("pulse steers", () => {
  /** Two providers, each a bridge of its own: e0 and e1 of both hosts. */
  let isp1: Segment;
  let isp2: Segment;
  let near: Host;
  let far: Host;
  const pulses: PulseHost[] = [];

  beforeEach(() => {
    isp1 = new Segment({ a: [ipv4("10.81.1.1")], b: [ipv4("10.81.1.2")] });
    isp2 = new Segment({});
    near = isp1.host("a");
    far = isp1.host("b");
    isp2.attach("a", near, "e1", [ipv4("10.81.2.1")]);
    isp2.attach("b", far, "e1", [ipv4("10.81.2.2")]);
  });
  afterEach(async () => {
    for (const pulse of pulses.splice(0)) await pulse[Symbol.asyncDispose]();
    isp1[Symbol.dispose]();
    isp2[Symbol.dispose]();
  });

  const begin = (host: Host, plan: SteerPlan): PulseHost => {
    const pulse = new PulseHost(host.namespace);
    pulses.push(pulse);
    pulse.send({ kind: "steer", plan });
    return pulse;
  };
  const routes = (): readonly string[] => {
    const names = new Map(near.route.links().map(({ index, name }) => [index, name]));
    return near.route
      .routes({ table: TABLE })
      .map(({ destination, hops: [hop] }) => `${formatPrefix(destination)} ${names.get(hop?.oif ?? 0)}`);
  };
  const reflect = (): PulseHost =>
    begin(far, { paths: [], choices: [], reflectors: [reflector("e0", 1), reflector("e1", 2)] });
  const chosen = async (pulse: PulseHost, path: string): Promise<void> =>
    pulse.until(`${path} chosen`, () => choice(pulse)?.chosen === path && choice(pulse)?.state === "chosen", 10_000);

  test("from nothing known to a move and back into the hands of the next process", async () => {
    reflect();
    const pulse = begin(near, plan());
    await chosen(pulse, "isp1");
    expect(routes()).toEqual(["10.2.0.0/24 e0"]);
    // Whether the other side was there first or not.
    expect(decisions(pulse).find(({ to }) => to !== undefined)).toMatchObject({ to: "isp1" });
    await pulse.until("figures", () => (path(pulse, "isp2")?.figures?.rtt?.recent ?? 1000) < 100);
    expect(path(pulse, "isp2")).toMatchObject({ life: { kind: "alive" } });

    isp1.swallow("b", true);
    await chosen(pulse, "isp2");
    expect(routes()).toEqual(["10.2.0.0/24 e1"]);
    const move = decisions(pulse).at(-1);
    expect(move).toMatchObject({ reason: "dead", from: "isp1", to: "isp2" });
    expect(move?.candidates.map(({ verdict }) => verdict)).toEqual(["dead", "good"]);
    expect(move?.why).toMatch(/^isp1 is dead \(.+\); isp2 keeps the SLA$/);

    // kill -9: the routes go on carrying traffic, and the next process finds the choice as it was.
    pulse.child.kill("SIGKILL");
    await once(pulse.child, "exit");
    expect(routes()).toEqual(["10.2.0.0/24 e1"]);
    isp1.swallow("b", false);
    const next = begin(near, plan());
    await next.until("decided", () => decisions(next).length > 0, 10_000);
    expect(decisions(next)[0]).toMatchObject({ reason: "first", from: "isp2", to: "isp2" });
    expect(routes()).toEqual(["10.2.0.0/24 e1"]);

    // Asked to leave nothing behind.
    next.send({ kind: "stop", lanes: true });
    await once(next.child, "exit");
    expect(routes()).toEqual([]);
  });

  test("loss of carrier moves without a probe; what the plan has no more is told and gone", async () => {
    reflect();
    const pulse = begin(near, plan());
    await chosen(pulse, "isp1");
    near.route.changeLink("e0", { up: false });
    await chosen(pulse, "isp2");
    expect(decisions(pulse).at(-1)?.why).toContain("e0");
    const { paths, reflectors } = plan();
    pulse.send({ kind: "steer", plan: { paths: paths.slice(1), choices: [], reflectors } });
    await pulse.until("gone", () => has(pulse, "choice-gone") && has(pulse, "path-gone"));
    expect(routes()).toEqual([]);
  });

  test("a stop that is not asked to leaves the routes", async () => {
    reflect();
    const pulse = begin(near, plan());
    await chosen(pulse, "isp1");
    pulse.send({ kind: "stop" });
    await once(pulse.child, "exit");
    expect(routes()).toEqual(["10.2.0.0/24 e0"]);
  });

  test("nobody answers: no choice is made up, and a kill switch refuses", async () => {
    const pulse = begin(near, plan({ killSwitch: true }));
    await pulse.until("none", () => choice(pulse)?.state === "none", 20_000);
    expect(choice(pulse)?.chosen).toBeUndefined();
    expect(near.route.routes({ table: TABLE }).map(({ type }) => type)).toEqual(["unreachable"]);
  });
});

function plan(more: { readonly killSwitch?: boolean } = {}): SteerPlan {
  const hold = { ...HOLD, recover: 1000, rest: 500 };
  // The first tier decides, not which of two equal wires is the faster one today.
  const candidates = [candidate("isp1", { ifname: "e0" }), candidate("isp2", { ifname: "e1", tier: 1 })];
  const choice = choiceSpec(candidates, {
    table: TABLE,
    hold: { ...hold, recover: 60_000 },
    sla: { ...ANY, maxLatency: 500 },
    ...more,
  });
  return { paths: [stamp("isp1", "e0", 1), stamp("isp2", "e1", 2)], choices: [choice], reflectors: [] };
}

function stamp(id: string, ifname: string, net: number): PathSpec {
  const ends = { local: `10.81.${net}.1`, peer: `10.81.${net}.2`, port: PORT };
  return pathSpec(id, {
    ifname,
    underlay: ifname,
    probe: { kind: "stamp", ...ends, key: KEY, pace: PACE, counters: true },
  });
}

function reflector(ifname: string, net: number): SteerPlan["reflectors"][number] {
  return { ifname, local: `10.81.${net}.2`, port: PORT, peers: { [`10.81.${net}.1`]: KEY } };
}

function last<K extends FromPulse["kind"]>(pulse: PulseHost, kind: K): readonly Extract<FromPulse, { kind: K }>[] {
  return pulse.messages.filter((each): each is Extract<FromPulse, { kind: K }> => each.kind === kind);
}
function has(pulse: PulseHost, kind: FromPulse["kind"]): boolean {
  return pulse.messages.some((each) => each.kind === kind);
}
function choice(pulse: PulseHost): ChoiceReport | undefined {
  return last(pulse, "choice").at(-1)?.report;
}
function path(pulse: PulseHost, id: string): PathReport | undefined {
  return last(pulse, "path").findLast(({ report }) => report.id === id)?.report;
}
function decisions(pulse: PulseHost): readonly Decision[] {
  return last(pulse, "decision").map(({ decision }) => decision);
}
