/** What changes in a device, against a model of how WireGuard takes changes. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { WireguardState } from "../../../base/wireguard.ts";
import { type DeviceWant, NOBODY, type PeerWant, planDevice } from "../../../sdwan/overlay/device-plan.ts";
import { applied, BARE } from "./model.ts";

const key = (fill: number): string => Buffer.alloc(32, fill).toString("base64");

function peer(n: number, change: Partial<PeerWant> = {}): PeerWant {
  return {
    publicKey: key(n),
    presharedKey: undefined,
    keepalive: 25,
    allowedIps: [`10.${n}.0.0/16`],
    endpoint: `192.0.2.${n}:51820`,
    moveTo: undefined,
    renew: false,
    anew: false,
    ...change,
  };
}

function want(peers: readonly PeerWant[], change: Partial<DeviceWant> = {}): DeviceWant {
  return { privateKey: key(99), listenPort: 51820, mark: 5, peers, ...change };
}

function made(wanted: DeviceWant, from: WireguardState = BARE): WireguardState {
  const change = planDevice(wanted, from);
  return change === undefined ? from : (applied(from, change).at(-1) ?? from);
}

const some = fc
  .record({
    peers: fc.uniqueArray(
      fc.record({
        n: fc.integer({ min: 1, max: 5 }),
        ips: fc.uniqueArray(fc.integer({ min: 1, max: 6 }), { maxLength: 4 }),
        psk: fc.option(fc.integer({ min: 50, max: 51 }), { nil: undefined }),
        keepalive: fc.constantFrom(0, 25),
        calls: fc.boolean(),
      }),
      { selector: ({ n }) => n, maxLength: 5 },
    ),
    port: fc.constantFrom(1, 2),
  })
  .map(({ peers, port }) =>
    want(
      peers.map(({ n, ips, psk, keepalive, calls }) =>
        peer(n, {
          keepalive,
          allowedIps: ips.map((each) => `10.${each}.0.0/16`),
          presharedKey: psk === undefined ? undefined : key(psk),
          endpoint: calls ? `192.0.2.${n}:51820` : undefined,
        }),
      ),
      { listenPort: port },
    ),
  );

describe("planDevice", () => {
  test("makes any device into any other, and a second look finds nothing to do", () => {
    fc.assert(
      fc.property(some, some, (first, second) => {
        const state = made(second, made(first));
        expect(planDevice(second, state)).toBeUndefined();
        expect(new Set(state.peers.map(({ publicKey }) => publicKey))).toEqual(
          new Set(second.peers.map(({ publicKey }) => publicKey)),
        );
        const owned = new Set<string>();
        for (const { publicKey, allowedIps } of second.peers) {
          const mine = allowedIps.filter((each) => !owned.has(each));
          for (const each of mine) owned.add(each);
          const there = state.peers.find((each) => each.publicKey === publicKey);
          expect(new Set(there?.allowedIps)).toEqual(new Set(mine));
        }
      }),
    );
  });

  test("an address that is wanted before and after belongs to somebody at every step", () => {
    fc.assert(
      fc.property(some, some, (first, second) => {
        const from = made(first);
        const change = planDevice(second, from);
        const before = new Set(from.peers.flatMap(({ allowedIps }) => allowedIps));
        const after = new Set(second.peers.flatMap(({ allowedIps }) => allowedIps));
        for (const step of change === undefined ? [] : applied(from, change)) {
          const now = new Set(
            step.peers.filter(({ publicKey }) => publicKey !== NOBODY).flatMap(({ allowedIps }) => allowedIps),
          );
          for (const each of before) if (after.has(each)) expect(now.has(each)).toBe(true);
        }
      }),
    );
  });

  test("peers that are equal are not touched, and an endpoint that was roamed to stays", () => {
    const wanted = want([peer(1), peer(2)]);
    const state = made(wanted);
    const roamed = {
      ...state,
      peers: state.peers.map((each) => ({ ...each, endpoint: "203.0.113.9:4242", lastHandshake: 1 })),
    };
    expect(planDevice(wanted, roamed)).toBeUndefined();
    const change = planDevice(want([peer(1), peer(2), peer(3)]), roamed);
    expect(change?.peers.map(({ publicKey }) => publicKey)).toEqual([key(3)]);
  });

  test("who calls us is set before whom we call; what is not wanted goes last", () => {
    const state = made(want([peer(1)]));
    const change = planDevice(want([peer(2), peer(3, { endpoint: undefined })]), state);
    expect(change?.peers.map(({ kind, publicKey }) => [kind, publicKey])).toEqual([
      ["set", key(3)],
      ["set", key(2)],
      ["remove", key(1)],
    ]);
  });

  test("carriage: the relay gets the addresses in one step, which takes them from their peer", () => {
    const state = made(want([peer(1), peer(2)]));
    const carried = want([peer(1, { allowedIps: [] }), peer(2, { allowedIps: ["10.2.0.0/16", "10.1.0.0/16"] })]);
    expect(planDevice(carried, state)?.peers).toEqual([
      { kind: "set", publicKey: key(2), allowedIps: ["10.1.0.0/16"] },
    ]);
  });

  test("an address that nobody shall have leaves without a moment in which its peer has none of the others", () => {
    const state = made(want([peer(1, { allowedIps: ["10.1.0.0/16", "10.9.0.0/16"] })]));
    expect(planDevice(want([peer(1)]), state)?.peers).toEqual([
      { kind: "set", publicKey: NOBODY, allowedIps: ["10.9.0.0/16"] },
      { kind: "remove", publicKey: NOBODY },
    ]);
  });

  test("moved to where it is already: told to WireGuard all the same, and to the far end by a keepalive", () => {
    const state = made(want([peer(1)]));
    expect(planDevice(want([peer(1, { moveTo: "192.0.2.1:51820" })]), state)?.peers).toEqual([
      { kind: "set", publicKey: key(1), endpoint: "192.0.2.1:51820", keepalive: 0 },
      { kind: "set", publicKey: key(1), keepalive: 25 },
    ]);
  });

  test("another end than before: made again without the endpoint that it had", () => {
    const state = made(want([peer(1, { endpoint: "198.51.100.1:7" })]));
    const anew = planDevice(want([peer(1, { endpoint: undefined, renew: true, anew: true })]), state)?.peers ?? [];
    expect(anew.map(({ kind }) => kind)).toEqual(["remove", "set"]);
    expect(anew[1]).not.toHaveProperty("endpoint");
    const called = planDevice(want([peer(1, { endpoint: "203.0.113.1:8", renew: true, anew: true })]), state)?.peers;
    expect(called?.[1]).toMatchObject({ endpoint: "203.0.113.1:8" });
  });

  test("renewed: removed and made again whole, with the endpoint that it had", () => {
    const state = made(want([peer(1, { endpoint: "198.51.100.1:7" })]));
    expect(planDevice(want([peer(1, { endpoint: undefined, renew: true })]), state)?.peers).toEqual([
      { kind: "remove", publicKey: key(1) },
      {
        kind: "set",
        publicKey: key(1),
        presharedKey: "none",
        keepalive: 25,
        allowedIps: ["10.1.0.0/16"],
        endpoint: "198.51.100.1:7",
      },
    ]);
  });

  test("a changed private key, port and mark are nothing but that", () => {
    const state = made(want([peer(1)]));
    const other = want([peer(1)], { privateKey: key(98), listenPort: 9, mark: 6 });
    expect(planDevice(other, state)).toEqual({ privateKey: key(98), listenPort: 9, mark: 6, peers: [] });
  });
});
