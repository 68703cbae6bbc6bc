import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ipOf } from "../../../base/address.ts";
import { isNewer, type Offer, readOffer, TUNNELS_TOGETHER, writeOffer } from "../../../sdwan/nat/offer.ts";

const offer: Offer = {
  from: "berlin",
  to: "paris",
  epoch: 1_795_000_000_000,
  sequence: 7,
  heard: { epoch: 5, sequence: 6 },
  tunnels: [
    {
      link: "isp1",
      peerLink: "isp2",
      dscp: 46,
      candidates: [
        { at: { ip: ipOf("203.0.113.11"), port: 51_820 }, kind: "mapped" },
        { at: { ip: ipOf("2001:db8::1"), port: 51_820 }, kind: "host" },
      ],
      mapping: "address-and-port-dependent",
      step: 2,
      attempt: 3,
      direct: false,
      seen: { ip: ipOf("198.51.100.3"), port: 4000 },
    },
  ],
};

describe("offers between sites", () => {
  test("what is written is read", () => {
    expect(readOffer(writeOffer(offer))).toEqual({ ok: true, value: offer });
    const first = { ...offer, heard: undefined, tunnels: [] };
    expect(readOffer(writeOffer(first))).toEqual({ ok: true, value: first });
  });

  test("candidates that no host can have are left out: what is sent there would come to those whom nobody meant", () => {
    const foul = ["127.0.0.1:53", "0.0.0.0:9", "224.0.0.251:5353", "255.255.255.255:9", "169.254.169.254:80"];
    const foul6 = ["[::1]:53", "[::]:9", "[ff02::1]:5353", "[fe80::1]:9", "[::ffff:127.0.0.1]:9"];
    const text = writeOffer(offer).replace('"203.0.113.11:51820","mapped"', (each) =>
      [each, ...[...foul, ...foul6].map((at) => `"${at}","mapped"`)].join("],["),
    );
    expect(text).toContain("ff02::1");
    expect(readOffer(text)).toEqual({ ok: true, value: offer });
  });

  test("the most that is sent together fits a tunnel's packet", () => {
    const name = "a".repeat(40);
    const candidate = {
      at: { ip: ipOf("2001:db8:1111:2222:3333:4444:5555:6666"), port: 65_535 },
      kind: "host",
    } as const;
    const tunnel = { ...offer.tunnels[0], link: name, peerLink: name, candidates: Array(6).fill(candidate) } as never;
    expect(writeOffer({ ...offer, tunnels: Array(TUNNELS_TOGETHER).fill(tunnel) as never }).length).toBeLessThan(1_330);
  });

  test.each([
    ["no JSON", "{"],
    ["no object", "[]"],
    ["no object", "null"],
    ["from or to", JSON.stringify({ ...offer, to: "" })],
    ["epoch or sequence", JSON.stringify({ ...offer, sequence: -1 })],
    ["heard", JSON.stringify({ ...offer, heard: 1 })],
    ["tunnels", JSON.stringify({ ...offer, tunnels: {} })],
    ["tunnels", JSON.stringify({ ...offer, tunnels: Array(17).fill({}) })],
    ["a tunnel", JSON.stringify({ ...offer, tunnels: [{}] })],
    ["a tunnel", writeOffer(offer).replace("203.0.113.11:51820", "203.0.113.11:0")],
    ["a tunnel", writeOffer(offer).replace('"step":2', '"step":200')],
    ["a tunnel", writeOffer(offer).replace("address-and-port-dependent", "address-and-moon-dependent")],
    ["a tunnel", writeOffer(offer).replace('"dscp":46', '"dscp":64')],
    ["a tunnel", writeOffer(offer).replace("198.51.100.3:4000", "198.51.100.3")],
  ])("refused by name: %s", (why, text) => {
    expect(readOffer(text)).toEqual({ ok: false, error: { kind: "bad-offer", why } });
  });

  test("no text throws", () => {
    fc.assert(fc.property(fc.oneof(fc.string(), fc.json()), (text) => typeof readOffer(text).ok === "boolean"));
  });

  test("a later life is newer, whatever it counts", () => {
    expect(isNewer({ epoch: 2, sequence: 0 }, { epoch: 1, sequence: 9 })).toBe(true);
    expect(isNewer({ epoch: 1, sequence: 9 }, { epoch: 1, sequence: 9 })).toBe(false);
    expect(isNewer({ epoch: 0, sequence: 10 }, { epoch: 1, sequence: 9 })).toBe(false);
    expect(isNewer({ epoch: 0, sequence: 0 }, undefined)).toBe(true);
  });
});
