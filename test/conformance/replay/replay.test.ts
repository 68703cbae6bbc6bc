/**
 * Sessions recorded from FRR and BIRD, replayed into the machines on a virtual clock: what they send is what was sent then,
 * octet for octet, and what they tell the kernel is the same.  record.ts makes the recordings.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { instant } from "../../../base/unit.ts";
import { Speaker } from "../../../netstack/bgp/speaker.ts";
import type { Event } from "../../../netstack/ospf/event.ts";
import { decode } from "../../../netstack/ospf/packet/decode.ts";
import { encode } from "../../../netstack/ospf/packet/encode.ts";
import { Router } from "../../../netstack/ospf/router.ts";
import { line, parse, parseAll } from "./format.ts";
import { type BgpCall, type OspfCall, octetsOf } from "./words.ts";

const recordings = readdirSync(import.meta.dirname).filter((file) => file.endsWith(".jsonl"));
const of = (kind: string): readonly string[] => recordings.filter((file) => file.startsWith(kind));
/** As a recording would hold it. */
const same = (value: unknown): unknown => parse(line(value));

describe("recorded BGP sessions", () => {
  test.each(of("bgp"))("%s", (file) => {
    const calls = parseAll<BgpCall>(readFileSync(join(import.meta.dirname, file), "utf8"));
    const speaker = new Speaker(() => 0.5);
    let received = 0;
    let sent = 0;
    for (const [at, call] of calls.entries()) {
      const where = `${file}:${at + 1}`;
      switch (call.call) {
        case "allot":
          expect([where, speaker.allot()]).toEqual([where, call.connection]);
          break;
        case "handle": {
          const actions = speaker.handle(call.event, instant(call.now));
          expect([where, same(octetsOf(actions))]).toEqual([where, same(octetsOf(call.actions))]);
          if (call.event.kind === "received") received++;
          sent += actions.filter(({ kind }) => kind === "send").length;
          break;
        }
        case "updates": {
          const messages = speaker.nextUpdates(call.connection, call.room, instant(call.now));
          expect([where, same(messages)]).toEqual([where, same(call.messages)]);
          sent += messages.length;
          break;
        }
        case "routes":
          expect([where, same(speaker.nextRoutes(call.most))]).toEqual([where, same(call.routes)]);
      }
    }
    expect(received).toBeGreaterThan(5);
    expect(sent).toBeGreaterThan(5);
  });
});

describe("recorded OSPF adjacencies", () => {
  test.each(of("ospf"))("%s", (file) => {
    const calls = parseAll<OspfCall>(readFileSync(join(import.meta.dirname, file), "utf8"));
    let router: Router | undefined;
    let sent = 0;
    for (const [at, call] of calls.entries()) {
      const where = `${file}:${at + 1}`;
      if (call.call === "make") {
        router = new Router(call.plan, instant(call.now));
        continue;
      }
      if (router === undefined) throw new TypeError(`${where}: a step before the router`);
      const actions = router.step(eventOf(call.event, router.version), instant(call.now));
      const packets = actions.flatMap((each) =>
        each.kind === "send" ? [{ ...each, packet: encode(each.packet) }] : [],
      );
      expect([where, same(packets)]).toEqual([where, same(call.sent)]);
      expect([where, same(actions.filter(({ kind }) => kind === "routes"))]).toEqual([where, same(call.routes)]);
      sent += packets.length;
    }
    expect(sent).toBeGreaterThan(10);
  });
});

test("both makes, all protocols", () => {
  const names = ["bgp", "ospf2", "ospf3"].flatMap((kind) => ["bird", "frr"].map((make) => `${kind}-${make}.jsonl`));
  expect(recordings.toSorted()).toEqual(names.toSorted());
});

function eventOf(event: Extract<OspfCall, { call: "step" }>["event"], version: 2 | 3): Event {
  if (event.kind !== "packet") return event;
  const packet = decode(version, event.packet);
  if (!packet.ok) throw new TypeError(`a recorded packet does not decode: ${JSON.stringify(packet.error)}`);
  return { ...event, packet: packet.value };
}
