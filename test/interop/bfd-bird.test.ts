/** BFD with BIRD 2: it authenticates in all forms and honours everything but echo. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Lab } from "../../lab/build.ts";
import { startBird } from "../../lab/peers/bird.ts";
import { missing } from "../../lab/peers/installed.ts";
import { BfdHost, bfdLab, spec } from "./bfd-rig.ts";

const UNABLE = missing("bird");

describe.skipIf(UNABLE !== undefined)(`BFD with BIRD (${UNABLE ?? "installed"})`, () => {
  let lab: Lab;
  beforeAll(async () => {
    lab = await bfdLab();
  });
  afterAll(async () => {
    await lab[Symbol.asyncDispose]();
  });

  test("single hop comes up over IPv4 and IPv6", async () => {
    await using _bird = await startBird(
      lab.host("b"),
      bird('neighbor 10.0.0.1 dev "eth0"; neighbor fd00::1 dev "eth0";'),
    );
    await using ours = new BfdHost(lab.host("a").namespace);
    ours.plan([spec("v4", "10.0.0.2"), spec("v6", "fd00::2")]);
    await ours.up("v4");
    await ours.up("v6");
    expect(await ours.fresh("v4")).toMatchObject({ flaps: 0, refused: {} });
  });
});

function bird(sessions: string, times = "interval 50 ms; multiplier 3; idle tx interval 200 ms;"): string {
  return [
    "router id 10.0.0.2;",
    "protocol device {}",
    `protocol bfd { interface "eth0" { ${times} }; multihop { ${times} }; ${sessions} }`,
  ].join("\n");
}
