/** docs/protocols/vip.md §1, §6: a plan that gives or takes a virtual IP's addresses, seen by a client on the segment. */
import { beforeAll, describe, expect, test } from "vitest";
import { formatIp } from "../../../base/address.ts";
import { sweep, UNABLE } from "../../netstack/kernel/segment.ts";
import { NET } from "../../netstack/kernel/station.ts";
import { Pair, planOf, told } from "./pair.ts";

beforeAll(sweep);

const V4 = formatIp(NET.vip4);
const [BOTH] = planOf("a").segments.flatMap((each) => each.vips);
if (BOTH === undefined) throw new TypeError("no virtual IP");
const ONLY4 = { vips: [{ ...BOTH, address6: undefined }] };
const ONLY6 = { vips: [{ ...BOTH, address4: undefined }] };

describe.skipIf(UNABLE !== undefined)("pulse, a reload", () => {
  test.each([
    ["IPv4", ONLY6, NET.vip4, NET.vip6],
    ["IPv6", ONLY4, NET.vip6, NET.vip4],
  ])(
    "%s goes and comes: the owner keeps the other",
    async (_, less, moves, stays) => {
      await using pair = new Pair();
      const [a, b] = await pair.both();
      a.send({ kind: "plan", plan: planOf("a", less) });
      await a.until("it falls silent", () => pair.answers(moves).length === 0);
      expect(pair.answers(stays)).toEqual(["a"]);
      b.send({ kind: "plan", plan: planOf("b", less) });
      a.send({ kind: "plan", plan: planOf("a") });
      b.send({ kind: "plan", plan: planOf("b") });
      await a.until("claimed", () => told(a, "vip.address-claimed") !== undefined);
      expect(pair.answers(moves)).toEqual(["a"]);
      expect(pair.answers(stays)).toEqual(["a"]);
      expect(told(a, "vip.lost")).toBeUndefined();
      expect(told(a, "vip.released")).toBeUndefined();
      expect(told(b, "vip.claimed")).toBeUndefined();
    },
    20_000,
  );

  test("what the plan has no more is served on, and answered for by its successor alone", async () => {
    await using pair = new Pair();
    const [a, b] = await pair.both();
    a.send({ kind: "plan", plan: planOf("a", { vips: [] }) });
    await b.state("v", "owner");
    expect(pair.answers(NET.vip4)).toEqual(["b"]);
    expect(pair.answers(NET.vip6)).toEqual(["b"]);
    expect(told(a, "vip.released")).toMatchObject({ why: "not-configured", handover: 30_000 });
    const { route, index } = pair.host("a");
    expect(route.addresses(index).map(({ ip }) => formatIp(ip))).toContain(V4); // while its flows are drained
  }, 20_000);
});
