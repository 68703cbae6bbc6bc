/** Handshakes are told in the time of day: a clock that is set must make no living tunnel dead, and no dead one living. */
import { describe, expect, test } from "vitest";
import { Lives } from "../../../sdwan/overlay/driver/lives.ts";
import type { TunnelSpec } from "../../../sdwan/underlay-plan.ts";
import { BARE, emptyPeer } from "./model.ts";

const HOUR = 3_600_000;
const peer = {
  site: "b",
  link: "isp1",
  publicKey: "k",
  presharedKey: undefined,
  endpoint: undefined,
  allowedIps: [],
  keepalive: 25,
  relay: undefined,
};
const spec: TunnelSpec = {
  ifname: "nv-x",
  link: "isp1",
  listenPort: 1,
  mark: 1,
  dscp: 0,
  mtu: undefined,
  peers: [peer],
};

class Clocks {
  wall = 100 * HOUR;
  steady = 1_000;
  lastHandshake = this.wall;
  readonly #lives = new Lives(
    () => this.wall,
    () => this.steady,
  );

  pass(time: number): boolean {
    for (let passed = 0; passed < time; passed += 1_000) {
      this.wall += 1_000;
      this.steady += 1_000;
      this.#look();
    }
    return this.#look();
  }

  #look(): boolean {
    const { lastHandshake } = this;
    const there = { ...emptyPeer("k"), endpoint: "192.0.2.1:1", lastHandshake };
    this.#lives.look(spec, { ...BARE, peers: [there] }, "a", undefined);
    return this.#lives.of("b").direct;
  }
}

describe.each([
  ["forward", HOUR],
  ["back", -HOUR],
])("a clock that is set %s by an hour", (_, step) => {
  test("makes no living tunnel dead, and the next handshake counts in the new time", () => {
    const clocks = new Clocks();
    expect(clocks.pass(20_000)).toBe(true);
    clocks.wall += step;
    expect(clocks.pass(60_000)).toBe(true);
    clocks.lastHandshake = clocks.wall;
    expect(clocks.pass(150_000)).toBe(true);
  });

  test("makes no dead one living", () => {
    const clocks = new Clocks();
    expect(clocks.pass(20_000)).toBe(true);
    clocks.wall += step;
    expect(clocks.pass(170_000)).toBe(false);
  });
});
