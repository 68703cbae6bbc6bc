import { describe, expect, test } from "vitest";
import { answersFor, tenures } from "../../../lab/capture/answers.ts";
import type { Frame } from "../../../lab/capture/pcapng.ts";

function frame(port: string, at: number, hex: string): Frame {
  const octets = Buffer.from(hex.replaceAll(" ", ""), "hex");
  return { port, stamp: BigInt(at) * 1_000_000n, length: octets.length, octets };
}
function arp(operation: 1 | 2, sender: string, target: string): string {
  return `ffffffffffff 020000000001 0806 0001 0800 06 04 000${operation} 020000000001 ${sender} 000000000000 ${target}`;
}
const VIP = "0a4d0064";
const CLIENT = "0a4d00fe";
const vip6 = "fd77000000000000 0000000000000100";
const ip6 = (source: string, rest: string): string =>
  `333300000001 020000000001 86dd 60000000 0020 3aff ${source} ff02000000000000 0000000000000001 ${rest}`;

describe("an answer for an address is", () => {
  const kinds = (hex: string, address = "10.77.0.100") =>
    answersFor([frame("a.eth0", 1, hex)], address).map((each) => each.kind);
  test("an ARP reply, an announcement, a request in its name (RFC 826)", () => {
    expect(kinds(arp(2, VIP, CLIENT))).toEqual(["arp-reply"]);
    expect(kinds(arp(1, VIP, VIP))).toEqual(["arp-announcement"]);
    expect(kinds(arp(1, VIP, CLIENT))).toEqual(["arp-request"]);
  });
  test("not a probe (RFC 5227 §1.1), nor a question for it", () => {
    expect(kinds(arp(1, "00000000", VIP))).toEqual([]);
    expect(kinds(arp(1, CLIENT, VIP))).toEqual([]);
  });
  test("a neighbour advertisement for it (RFC 4861 §4.4), whatever its source", () => {
    const advertisement = ip6("fe80000000000000 0000000000000001", `88000000 20000000 ${vip6}`);
    expect(kinds(advertisement, "fd77::100")).toEqual(["neighbor-advertisement"]);
  });
  test("not a solicitation of duplicate address detection (RFC 4862 §5.4.2)", () => {
    expect(kinds(ip6("00".repeat(16), `87000000 00000000 ${vip6}`), "fd77::100")).toEqual([]);
  });
  test("a packet from it", () => {
    expect(kinds(ip6(vip6, "80000000 00000000"), "fd77::100")).toEqual(["packet"]);
    const udp = `020000000009 020000000001 0800 4500001c 00000000 4011 0000 ${VIP} ${CLIENT} 0009 0009 0008 0000`;
    expect(kinds(udp)).toEqual(["packet"]);
    expect(kinds(udp, "10.77.0.254")).toEqual([]);
  });
  test("nothing in a frame that is cut short", () => {
    const whole = arp(2, VIP, CLIENT).replaceAll(" ", "");
    for (let end = 0; end < whole.length - 8; end += 2) expect(kinds(whole.slice(0, end))).toEqual([]);
  });
});

describe("tenures", () => {
  const reply = arp(2, VIP, CLIENT);
  test("a take-over shows two", () => {
    const answers = answersFor([frame("a", 1, reply), frame("a", 2, reply), frame("b", 5, reply)], "10.77.0.100");
    expect(tenures(answers)).toEqual([
      { port: "a", from: 1, to: 2, answers: 2 },
      { port: "b", from: 5, to: 5, answers: 1 },
    ]);
  });
  test("two that answer at the same time show more", () => {
    const frames = [frame("a", 1, reply), frame("b", 3, reply), frame("a", 2, reply), frame("a", 4, reply)];
    expect(tenures(answersFor(frames, "10.77.0.100")).map((each) => each.port)).toEqual(["a", "b", "a"]);
  });
});
