/** Control stands still: its channel is open, but nothing comes. */
import { beforeAll, describe, expect, test } from "vitest";
import { sweep, UNABLE } from "../../netstack/kernel/segment.ts";
import { NET } from "../../netstack/kernel/station.ts";
import { Pair, told } from "./pair.ts";

beforeAll(sweep);

describe.skipIf(UNABLE !== undefined)("pulse, when control is silent", () => {
  test("it gives its virtual IP away, and is a candidate again when control speaks", async () => {
    await using pair = new Pair();
    const [a, b] = await pair.both();
    a.send({ kind: "ping", n: 1 });
    await a.until("ineligible", () => a.reports.get("v")?.state === "ineligible", 10_000);
    expect(a.reports.get("v")?.why).toBe("control-silent");
    await b.state("v", "owner");
    expect(pair.answers(NET.vip4)).toEqual(["b"]);
    a.send({ kind: "ping", n: 2 });
    await a.state("v", "standby");
    expect(told(a, "vip.control-back")).toBeDefined();
  }, 20_000);

  test("what nobody else wants it serves on", async () => {
    await using pair = new Pair();
    const a = pair.start("a");
    await a.state("v", "owner");
    a.send({ kind: "ping", n: 1 });
    await a.until("silent", () => told(a, "vip.control-silent") !== undefined, 10_000);
    a.send({ kind: "ping", n: 2 });
    await a.until("back", () => told(a, "vip.control-back") !== undefined);
    expect(told(a, "vip.released")).toBeUndefined();
    expect(a.reports.get("v")?.state).toBe("owner");
    expect(pair.answers(NET.vip4, ["a"])).toEqual(["a"]);
  }, 20_000);
});
