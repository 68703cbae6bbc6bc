/** From a plan and what is there to what is wanted. */
import { describe, expect, test } from "vitest";
import type { WireguardState } from "../../../base/wireguard.ts";
import { tunnelMtu } from "../../../sdwan/overlay/mtu.ts";
import { activeKey, awaitsKey, carriageOf, deviceWant } from "../../../sdwan/overlay/want.ts";
import type { TunnelPeerSpec, TunnelSpec } from "../../../sdwan/underlay-plan.ts";
import { BARE, emptyPeer } from "./model.ts";

const key = (fill: number): string => Buffer.alloc(32, fill).toString("base64");

function spec(...peers: readonly Partial<TunnelPeerSpec>[]): TunnelSpec {
  return {
    ifname: "nvisp1",
    link: "isp1",
    listenPort: 51820,
    mark: 5,
    dscp: 0,
    mtu: undefined,
    peers: peers.map((change, index) => ({
      site: "abc"[index] ?? "x",
      link: "isp1",
      publicKey: key(index + 1),
      presharedKey: undefined,
      endpoint: undefined,
      allowedIps: [`10.${index + 1}.0.0/16`],
      keepalive: 25,
      relay: undefined,
      ...change,
    })),
  };
}

const decided = (via: Readonly<Record<string, string>> = {}): Parameters<typeof deviceWant>[1] => ({
  privateKey: key(99),
  mark: 5,
  listenPort: 51820,
  via: new Map(Object.entries(via)),
  lives: new Map(),
  orders: new Map(),
});

const allowed = (of: TunnelSpec, via: Readonly<Record<string, string>>, have: WireguardState = BARE): unknown =>
  Object.fromEntries(deviceWant(of, decided(via), have).peers.map((peer) => [peer.publicKey[0], peer.allowedIps]));

describe("carriage", () => {
  test("a carried site's addresses are its relay's", () => {
    const three = spec({ relay: "b" }, {}, {});
    const peers = deviceWant(three, decided({ a: "b" }), undefined).peers;
    expect(peers.map(({ allowedIps }) => allowedIps)).toEqual([[], ["10.2.0.0/16", "10.1.0.0/16"], ["10.3.0.0/16"]]);
  });

  test("a relay that is no peer of this device carries nothing", () => {
    const peers = deviceWant(spec({}), decided({ a: "nowhere" }), undefined).peers;
    expect(peers[0]?.allowedIps).toEqual(["10.1.0.0/16"]);
  });

  test("is read off a device that was found; only for the relay that the plan names", () => {
    const three = spec({ relay: "b" }, {}, { relay: "a" });
    const have = {
      ...BARE,
      peers: [
        { ...emptyPeer(key(1)), allowedIps: [] },
        { ...emptyPeer(key(2)), allowedIps: ["10.2.0.0/16", "10.1.0.0/16", "10.3.0.0/16"] },
        emptyPeer(key(3)),
      ],
    };
    expect([...carriageOf(three, have)]).toEqual([["a", "b"]]);
  });
});

describe("a site that changes its key", () => {
  const changing = spec({ nextPublicKey: key(7) });
  const shaken = (old: number | undefined, next: number | undefined): WireguardState => ({
    ...BARE,
    peers: [
      { ...emptyPeer(key(1)), lastHandshake: old, endpoint: "192.0.2.9:1" },
      { ...emptyPeer(key(7)), lastHandshake: next },
    ],
  });

  test("both keys are let in; the addresses are with the one that shook hands last", () => {
    expect(allowed(changing, {}, shaken(5, undefined))).toEqual({
      [key(1)[0] ?? ""]: ["10.1.0.0/16"],
      [key(7)[0] ?? ""]: [],
    });
    expect(allowed(changing, {}, shaken(5, 6))).toEqual({ [key(1)[0] ?? ""]: [], [key(7)[0] ?? ""]: ["10.1.0.0/16"] });
    expect(allowed(changing, {}, shaken(7, 6))).toEqual({ [key(1)[0] ?? ""]: ["10.1.0.0/16"], [key(7)[0] ?? ""]: [] });
    expect(activeKey(changing.peers[0] ?? ({} as TunnelPeerSpec), undefined)).toBe(key(1));
  });

  test("the new one calls where the old one is, since it may be the one that has to", () => {
    const [, next] = deviceWant(changing, decided(), shaken(5, undefined)).peers;
    expect(next).toMatchObject({ publicKey: key(7), endpoint: "192.0.2.9:1", keepalive: 25 });
  });

  test("is waited for until it has happened", () => {
    expect(awaitsKey(changing, shaken(5, undefined))).toBe(true);
    expect(awaitsKey(changing, shaken(5, 6))).toBe(false);
    expect(awaitsKey(spec({}), BARE)).toBe(false);
  });
});

test("host bits and spellings of addresses make no difference", () => {
  const [peer] = deviceWant(
    spec({ allowedIps: ["10.1.2.3/16", "FD00:0::1/8", "10.1.9.9/16"] }),
    decided(),
    undefined,
  ).peers;
  expect(peer?.allowedIps).toEqual(["10.1.0.0/16", "fd00::/8"]);
});

describe("the size of packets inside", () => {
  test.each([
    [1500, undefined, ["192.0.2.1:1"], 1440],
    [1500, undefined, ["192.0.2.1:1", "[2001:db8::1]:1"], 1420],
    [1500, undefined, ["192.0.2.1:1", undefined], 1420],
    [1500, undefined, [], 1420],
    [undefined, undefined, ["192.0.2.1:1"], 1440],
    [1492, undefined, ["192.0.2.1:1"], 1432],
    [1500, 1400, ["192.0.2.1:1"], 1340],
    [1400, 1500, ["192.0.2.1:1"], 1340],
    [500, undefined, ["192.0.2.1:1"], 576],
  ] as const)("link %s, path %s, endpoints %j: %i", (link, path, endpoints, mtu) => {
    expect(tunnelMtu(link, path, endpoints)).toBe(mtu);
  });
});
