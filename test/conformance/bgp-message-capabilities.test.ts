/** Capabilities: their octets, both ways, and what becomes of malformed ones. */
import { describe, expect, test } from "vitest";
import { seconds } from "../../base/unit.ts";
import type { Capability } from "../../netstack/bgp/packet/capability.ts";
import { encode } from "../../netstack/bgp/packet/codec.ts";
import { EXTERNAL, hex, id, message, read, TYPES, text } from "../netstack/bgp/packet/octets.ts";

describe("RFC 5492: capabilities", () => {
  const open = (capabilities: string, parameters = 1) => {
    const octets = hex(capabilities).length;
    const list =
      parameters === 1 ? `02${octets.toString(16).padStart(2, "0")}${capabilities.replaceAll(" ", "")}` : capabilities;
    const length = hex(list).length.toString(16).padStart(2, "0");
    return read(message(TYPES.open, `04fde9005a0a000001${length}${list}`));
  };
  const CASES: readonly (readonly [string, string, Capability])[] = [
    ["RFC 4760 §8", "0104 00020001", { kind: "multiprotocol", family: "ipv6" }],
    ["RFC 4760 §8", "0104 00190046", { kind: "multiprotocol", family: "25/70" }],
    ["RFC 2918 §2", "0200", { kind: "route-refresh" }],
    [
      "RFC 8950 §4",
      "0506 000100010002",
      { kind: "extended-next-hop", families: [{ family: "ipv4", nextHop: "ipv6" }] },
    ],
    ["RFC 8654 §3", "0600", { kind: "extended-message" }],
    ["RFC 9234 §4.1", "0901 03", { kind: "role", role: "customer" }],
    ["RFC 9234 §4.1", "0901 09", { kind: "role", role: 9 }],
    [
      "RFC 4724 §3, RFC 8538 §2",
      "400a c078 00010180 00020100",
      {
        kind: "graceful-restart",
        restarting: true,
        notification: true,
        restartTime: seconds(120),
        families: [
          { family: "ipv4", forwarding: true },
          { family: "ipv6", forwarding: false },
        ],
      },
    ],
    ["RFC 6793 §3", "4104 fa56ea01", { kind: "four-octet-asn", asn: 4200000001 }],
    [
      "RFC 7911 §4",
      "4508 00010101 00020103",
      {
        kind: "add-path",
        families: [
          { family: "ipv4", can: "receive" },
          { family: "ipv6", can: "both" },
        ],
      },
    ],
    ["RFC 7313 §3.1", "4600", { kind: "enhanced-route-refresh" }],
    [
      "RFC 9494 §3.1",
      "4707 00010180 000e10",
      {
        kind: "long-lived-graceful-restart",
        families: [{ family: "ipv4", forwarding: true, staleTime: seconds(3600) }],
      },
    ],
    ["§5: not known here", "4904 02766d00", { kind: "unknown", code: 73, value: hex("02766d00") }],
  ];
  test.each(CASES)("%s: %s, both ways", (_section, octets, capability) => {
    expect(open(octets)).toMatchObject({ value: { capabilities: [capability] } });
    const ours = { kind: "open", asn: 65001, holdTime: seconds(90), routerId: id("0a000001") } as const;
    expect(text(encode({ ...ours, capabilities: [capability] }, EXTERNAL)).slice(62)).toBe(octets.replaceAll(" ", ""));
  });
  test("§4: several in one parameter or several parameters are the same", () => {
    const one = open("0200 4600");
    expect(open("0202 0200 0202 4600".replaceAll(" ", ""), 2)).toEqual(one);
  });
  test.each([
    ["0103 000200", 1],
    ["0201 00", 2],
    ["0505 0001000100", 5],
    ["4003 c07800", 64],
    ["4000", 64],
    ["4503 000101", 69],
    ["4706 00010180000e", 71],
  ])("a malformed one (%s) is one that the peer does not have, and is shown", (octets, code) => {
    expect(open(octets)).toMatchObject({ value: { capabilities: [{ kind: "unknown", code }] } });
  });
  test("RFC 7911 §4: a Send/Receive of another value is ignored", () => {
    expect(open("4508 00010104 00020101")).toMatchObject({
      value: { capabilities: [{ kind: "add-path", families: [{ family: "ipv6", can: "receive" }] }] },
    });
  });
});
