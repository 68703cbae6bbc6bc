/** RFC 7606 §6: whoever must find out why a message was malformed gets its prefixes and its octets. */
import { describe, expect, test } from "vitest";
import type { Action } from "../../netstack/bgp/event.ts";
import { AS_PATH, attribute, MANDATORY, NEXT_HOP, NLRI, text, update } from "../netstack/bgp/packet/octets.ts";
import { type Call, Desk } from "../netstack/bgp/tester.ts";
import { peerOf, planOf } from "../netstack/bgp/world.ts";

function established(): { desk: Desk; call: Call } {
  const desk = new Desk();
  desk.plan(planOf(65001, "10.0.0.1", { peers: [peerOf("p", "10.0.0.2", 65001, { mode: "passive" })], networks: [] }));
  return { desk, call: desk.call("10.0.0.2").up({ asn: 65001 }) };
}
function logged({ actions }: Desk): readonly (Action & { readonly kind: "event" })["fields"][] {
  return actions.flatMap((each) =>
    each.kind === "event" && each.name === "bgp.malformed-update" ? [each.fields] : [],
  );
}
const bad = update({ attributes: [attribute(0x40, 1, "07"), AS_PATH, NEXT_HOP], nlri: `${NLRI}20c6336401` });

describe("RFC 7606 §6: malformed UPDATE messages in the log", () => {
  test("treat-as-withdraw: what, the prefixes, the whole message", () => {
    const { desk, call } = established();
    call.raw(update({ attributes: MANDATORY, nlri: NLRI }));
    expect(logged(desk)).toEqual([]);
    call.raw(bad);
    expect(logged(desk)).toEqual([
      {
        peer: "p",
        count: 1,
        why: "ORIGIN value: treat-as-withdraw",
        prefixes: ["192.0.2.0/24", "198.51.100.1/32"],
        octets: text(bad),
      },
    ]);
  });
  test("session reset: the same, without prefixes, which nobody could read", () => {
    const { desk, call } = established();
    const reset = update({ attributes: MANDATORY, nlri: "21c0000201" });
    call.raw(reset);
    expect(logged(desk)).toEqual([
      {
        peer: "p",
        count: 1,
        why: "refused: nlri-prefix; update-message/invalid-network-field",
        octets: text(reset),
      },
    ]);
    expect(call.closed).toBe(true);
  });
  test("a peer that sends nothing else fills no log", () => {
    const { desk, call } = established();
    for (let time = 0; time < 1000; time++) call.raw(bad);
    expect(logged(desk).map(({ count }) => count)).toEqual([1, 2, 4, 8, 16, 32, 64, 128, 256, 512]);
    expect(desk.speaker.report("p", 0)).toMatchObject({
      state: "established",
      refused: { "treat-as-withdraw/ORIGIN/value": 1000 },
    });
  });
});
