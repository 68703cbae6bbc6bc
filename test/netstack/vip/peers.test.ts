import { describe, expect, test } from "vitest";
import { type Ipv4, ipv4, type Mac } from "../../../base/address.ts";
import { type Instant, instant, ms } from "../../../base/unit.ts";
import type { Action, SegmentConfig } from "../../../netstack/vip/event.ts";
import { type Heartbeat, nodeId } from "../../../netstack/vip/packet.ts";
import { Segment } from "../../../netstack/vip/segment.ts";
import { DEFAULT, vip } from "./sim.ts";

const IP = ipv4("10.0.0.100");
const CONFIG: SegmentConfig = {
  node: "a",
  ifname: "eth0",
  incarnation: 7,
  timing: DEFAULT,
  witnesses: [],
  vips: [vip("v", IP)],
};
const PACKET: Heartbeat = {
  node: "b",
  incarnation: 100,
  sequence: 10,
  interval: ms(100),
  multiplier: 3,
  mac: 0x0200_0000_0002 as Mac,
  addresses: [ipv4("10.0.0.2")],
  owned: 0,
  echoes: [],
  entries: [],
};
const at = (time: number): Instant => instant(time);

function linked(config = CONFIG): Segment {
  const segment = new Segment(config, at(0));
  segment.step({ kind: "link", up: true, mac: 0x0200_0000_0001 as Mac, addresses: [ipv4("10.0.0.1")] }, at(0));
  return segment;
}
function refusal(actions: readonly Action[]): string | undefined {
  return actions.find((action) => action.kind === "refused")?.why;
}
function hear(segment: Segment, changes: Partial<Heartbeat>, time = 1): readonly Action[] {
  return segment.step({ kind: "heartbeat", packet: { ...PACKET, ...changes } }, at(time));
}

describe("§3 which heartbeats are taken", () => {
  test("a larger sequence of the same incarnation; any sequence of a larger one", () => {
    const segment = linked();
    expect(refusal(hear(segment, {}))).toBeUndefined();
    expect(refusal(hear(segment, { sequence: 11 }))).toBeUndefined();
    expect(refusal(hear(segment, { incarnation: 101, sequence: 1 }))).toBeUndefined();
  });
  test.each([
    ["replayed", { sequence: 10 }],
    ["replayed", { sequence: 9 }],
    ["stale-incarnation", { incarnation: 99, sequence: 999 }],
    ["own", { node: "a", incarnation: 7 }],
    ["name-taken", { node: "a", incarnation: 8 }],
  ])("refused: %s", (why, changes) => {
    const segment = linked();
    hear(segment, {});
    expect(refusal(hear(segment, changes))).toBe(why);
  });
  test("refused: link-down", () => {
    expect(refusal(hear(new Segment(CONFIG, at(0)), {}))).toBe("link-down");
  });
  test("refused: too-many-peers, until one of those known is dead", () => {
    const segment = linked();
    for (let index = 0; index < 31; index++) expect(refusal(hear(segment, { node: `n${index}` }))).toBeUndefined();
    expect(refusal(hear(segment, { node: "late" }))).toBe("too-many-peers");
    expect(refusal(hear(segment, { node: "late" }, 100))).toBe("too-many-peers");
    for (let time = 100; time < 500; time += 50) segment.step({ kind: "wake" }, at(time));
    expect(refusal(hear(segment, { node: "late" }, 500))).toBeUndefined();
  });
  test("a peer silent for ten minutes is forgotten: a clock that went back is let in again", () => {
    const segment = linked();
    hear(segment, {});
    for (let time = 0; time <= 600_200; time += 100) segment.step({ kind: "wake" }, at(time));
    expect(refusal(hear(segment, { incarnation: 5 }, 600_201))).toBeUndefined();
  });
});

describe("§3 echoes", () => {
  const reports = (actions: readonly Action[]): readonly string[] =>
    actions.flatMap((action) => (action.kind === "peer" ? [action.report.state] : []));
  /** Our first heartbeat, which goes out when the link is up. */
  const heardUs = { echoes: [{ id: nodeId("a"), incarnation: 7, sequence: 1 }] };
  test("a peer that has not echoed us yet is not told of; after a detection time it is one-way", () => {
    const segment = linked();
    const seen: string[] = [];
    for (let time = 0; time <= 500; time += 50) {
      if (time % 100 === 50) seen.push(...reports(hear(segment, { sequence: 10 + time }, time)));
      else seen.push(...reports(segment.step({ kind: "wake" }, at(time))));
      if (time === 300) expect(seen).toEqual([]);
    }
    expect(seen).toEqual(["one-way"]);
  });
  test("a peer that does not echo us for a detection time is one-way; silent it is down", () => {
    const segment = linked();
    const seen: string[] = [];
    hear(segment, heardUs, 1);
    for (let time = 0; time <= 2000; time += 50) {
      if (time % 100 === 50 && time < 1000) seen.push(...reports(hear(segment, { sequence: 10 + time }, time)));
      else seen.push(...reports(segment.step({ kind: "wake" }, at(time))));
    }
    expect(seen).toEqual(["up", "one-way", "down"]);
  });
  test("a node that no peer hears does not claim", () => {
    const segment = linked();
    const actions: Action[] = [];
    hear(segment, heardUs, 1);
    for (let time = 50; time <= 3000; time += 50) {
      const heard = time % 100 === 50 && time > 200;
      if (heard) actions.push(...hear(segment, { sequence: 10 + time }, time));
      // It hears the peer from 250 on; until 550 the peer may not have had the time to hear it.
      else if (time <= 200 || time > 550) actions.push(...segment.step({ kind: "wake" }, at(time)));
      if (time === 200) segment.step({ kind: "asserted", ip: IP, mac: PACKET.mac }, at(201));
    }
    expect(actions.filter((action) => action.kind === "claim")).toEqual([]);
    expect(actions.findLast((action) => action.kind === "report")).toMatchObject({ report: { why: "not-heard" } });
  });
});

describe("heartbeats in parts", () => {
  test("many virtual IPs go out in several datagrams, each with a sequence of its own", () => {
    const vips = Array.from({ length: 200 }, (_, index) => vip(`v${index}`, (IP + index) as Ipv4));
    const segment = linked({ ...CONFIG, vips });
    const sent = segment.step({ kind: "wake" }, at(100)).filter((action) => action.kind === "heartbeat");
    expect(sent.length).toBeGreaterThan(2);
    expect(new Set(sent.map((action) => action.packet.sequence)).size).toBe(sent.length);
    expect(sent.flatMap((action) => action.packet.entries).map((entry) => entry.vip)).toEqual(
      vips.map((each) => each.addresses[0]),
    );
  });
});
