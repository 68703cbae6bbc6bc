/** Two sites behind gateways and one that relays: packets at once by the relay, then directly where that is possible. */
import { describe, expect, test } from "vitest";
import { meet } from "../../bench/wan/nat-trial.ts";
import { missing } from "../../lab/peers/installed.ts";

const why = missing("wireguardGo", "wg", "coturn", "fping");

describe.skipIf(why !== undefined)(`sites behind gateways (${why ?? "wireguard-go and coturn are here"})`, () => {
  test("easy gateways are passed, two hard ones are not, and nobody claims otherwise", {
    timeout: 300_000,
  }, async () => {
    const { pairs } = await meet(
      { second: ["independent", "symmetric"], third: ["preserving", "symmetric"] },
      75_000,
      3,
    );
    const claims = Object.fromEntries(pairs.map(({ kinds, truthful }) => [kinds.join("-"), truthful]));
    expect(claims).toEqual({
      "independent-preserving": true,
      "independent-symmetric": true,
      "symmetric-preserving": true,
      "symmetric-symmetric": true,
    });
    const direct = pairs.filter((pair) => pair.direct !== undefined).map(({ kinds }) => kinds.join("-"));
    expect(direct).toContain("independent-preserving");
    expect(direct).not.toContain("symmetric-symmetric");
  });
});
