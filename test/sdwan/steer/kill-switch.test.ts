/** A kill switch from the first packet on: whoever chooses ways has said nothing yet, and no packet of the class goes out. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { after, ms } from "../../../base/unit.ts";
import { ROUTE_PROTOCOL } from "../../../netstack/kernel/marks.ts";
import { Nftables } from "../../../netstack/kernel/nftables.ts";
import { LANE_METRIC } from "../../../sdwan/steer/lane-routes.ts";
import type { SteeringPlan } from "../../../sdwan/steer/part.ts";
import { sweep, UNABLE } from "../../netstack/kernel/segment.ts";
import { CLIENT, Network, prefixOf, SERVER, sitePlan, VALUES } from "./network.ts";
import { classSpec, TABLES } from "./plans.ts";

const EVERYWHERE = ["0.0.0.0/0", "::/0"];
const EF = 46;
const FLOOD = fileURLToPath(new URL("./programs/flood.ts", import.meta.url));
let net: Network;
let nft: Nftables;

beforeAll(sweep);

/** The class "voice" has a code point of its own: a packet that has it on a wire was classified before it left. */
function plan(refuses: readonly string[] | undefined): SteeringPlan {
  const base = sitePlan({
    classes: [classSpec("voice", VALUES.voice, { protocols: ["udp"], ports: [[5060, 5060]] }, { dscp: EF })],
  });
  const lanes = base.lanes.map((each) => (each.mark === VALUES.voice ? { ...each, refuses } : each));
  // A pinned value is what a flow to the internet gets in the end: it has a table of its own.
  return { ...base, lanes: lanes.map((each) => (each.mark === VALUES.voice1 ? { ...each, refuses } : each)) };
}
const refusals = (): readonly string[] =>
  net
    .route("e")
    .routes({ table: TABLES + VALUES.voice })
    .filter(({ metric, type }) => metric === LANE_METRIC.refusal && type === "unreachable")
    .map(({ destination }) => `${destination.length}`);
/** Packets that were found to be of the class. */
function classified(): number {
  const text = nft.transaction("list ruleset");
  return Number(/chain class_0 \{\s+counter packets (\d+)/.exec(text)?.[1] ?? 0);
}
const escaped = (): number => net.seen.filter(({ at, dscp }) => at !== "lan" && dscp === EF).length;

describe.skipIf(UNABLE !== undefined)("kill switch before any way is chosen", () => {
  beforeEach(() => {
    net = new Network();
    nft = net.use(net.in("e", () => new Nftables()));
  });
  afterEach(() => net[Symbol.dispose]());

  for (const family of ["v4", "v6"] as const) {
    test(`${family}: of a stream of new flows none leaves once it is classified`, async () => {
      const steering = net.steering();
      const arguments_ = [FLOOD, net.namespace("c"), CLIENT[family], SERVER[family]];
      const flood = spawn(process.execPath, arguments_, { stdio: ["ignore", "pipe", "inherit"] });
      try {
        await once(flood.stdout, "data");
        net.until("the stream before", () => net.seen.some(({ destinationPort }) => destinationPort === 5060));
        net.apply(steering, plan(EVERYWHERE));
        const before = classified();
        // Other traffic of the same host passes, and comes after all that the stream had under way.
        net.udp("c", CLIENT[family], SERVER[family], 7);
        net.where(7);
        const tick = (): void => void net.loop.wakeAt(after(net.loop.now(), ms(10)), tick);
        tick();
        net.until("the stream after", () => classified() >= before + 200);
        expect(escaped()).toBe(0);
      } finally {
        flood.kill("SIGKILL");
        await once(flood, "exit");
      }
    });
  }

  test("what the refusals are taken over with, and taken away, by others than who put them there", () => {
    const steering = net.steering();
    net.apply(steering, plan(EVERYWHERE));
    expect(refusals()).toEqual(["0", "0"]);
    // Whoever chooses takes a refusal back, and has the last word.
    const table = TABLES + VALUES.voice;
    const destination = prefixOf("0.0.0.0/0");
    net.route("e").deleteRoute({ destination, table, metric: LANE_METRIC.refusal, protocol: ROUTE_PROTOCOL });
    net.apply(steering, plan(undefined));
    expect(refusals()).toHaveLength(1);
    net.in("e", () => steering.remove());
    expect(refusals()).toEqual([]);
  });
});
