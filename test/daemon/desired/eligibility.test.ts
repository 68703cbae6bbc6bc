import { describe, expect, it } from "vitest";
import { eligibility, type GateInput, type GateReason } from "../../../daemon/desired/eligibility.ts";

const fine: GateInput = {
  draining: false,
  selected: true,
  gateways: 1,
  requireGateway: true,
  sockets: [{ port: 80, listening: true }],
  healthy: 2,
  endpoints: 4,
  minHealthyNodes: undefined,
  minHealthyPercent: undefined,
};

describe("the health gate: may this host own the virtual IP?", () => {
  it.each<[string, Partial<GateInput>, GateReason]>([
    ["all is well", {}, "OK"],
    ["no endpoint is checked yet, and it never was eligible", { healthy: 0, unknown: 4 }, "TOO_FEW_HEALTHY"],
    ["endpoints were replaced under an eligible one", { healthy: 0, unknown: 4, wasEligible: true }, "OK"],
    ["the last unknown one turned out dead", { healthy: 0, unknown: 0, wasEligible: true }, "TOO_FEW_HEALTHY"],
    [
      "what is unknown cannot suffice",
      { healthy: 1, unknown: 1, wasEligible: true, minHealthyNodes: 3 },
      "TOO_FEW_HEALTHY",
    ],
    ["the daemon stops", { draining: true }, "DRAINING"],
    ["another node is meant", { selected: false }, "NODE_NOT_SELECTED"],
    ["nothing refers to it", { gateways: 0, sockets: [] }, "NO_GATEWAY"],
    [
      "nothing refers to it, as wanted",
      { gateways: 0, requireGateway: false, sockets: [{ port: 22, listening: false }], healthy: 0 },
      "OK",
    ],
    [
      "a gateway is listened for even where none is required",
      { requireGateway: false, sockets: [{ port: 80, listening: false }] },
      "NOT_LISTENING",
    ],
    [
      "one of two addresses is silent",
      {
        sockets: [
          { port: 80, listening: true },
          { port: 80, listening: false },
        ],
      },
      "NOT_LISTENING",
    ],
    ["no endpoint is healthy", { healthy: 0 }, "TOO_FEW_HEALTHY"],
    ["no endpoint is needed where there is none", { healthy: 0, endpoints: 0 }, "OK"],
    ["… unless a number is written", { healthy: 0, endpoints: 0, minHealthyNodes: 1 }, "TOO_FEW_HEALTHY"],
    ["the number is reached", { minHealthyNodes: 2 }, "OK"],
    ["the number is not reached", { minHealthyNodes: 3 }, "TOO_FEW_HEALTHY"],
    ["the share is reached", { minHealthyPercent: 50 }, "OK"],
    ["the share is not reached", { minHealthyPercent: 51 }, "TOO_FEW_HEALTHY"],
    ["a share of few rounds up", { minHealthyPercent: 1, healthy: 0 }, "TOO_FEW_HEALTHY"],
    ["both are written and one fails", { minHealthyNodes: 1, minHealthyPercent: 75 }, "TOO_FEW_HEALTHY"],
  ])("%s", (_what, change, why) => {
    const verdict = eligibility({ ...fine, ...change });
    expect([verdict.why, verdict.eligible]).toEqual([why, why === "OK"]);
    expect(verdict.message).not.toBe("");
  });

  it("more health never takes eligibility away", () => {
    for (const minHealthyPercent of [undefined, 1, 33, 50, 99, 100]) {
      for (const minHealthyNodes of [undefined, 1, 2, 4]) {
        const verdicts = [0, 1, 2, 3, 4].map(
          (healthy) => eligibility({ ...fine, healthy, minHealthyNodes, minHealthyPercent }).eligible,
        );
        expect(verdicts).toEqual(verdicts.toSorted((a, b) => Number(a) - Number(b)));
        expect(verdicts.at(-1)).toBe(true);
      }
    }
  });
});
