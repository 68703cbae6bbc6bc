/** The text of the near end's tables, where a device carries several sites. */
import { describe, expect, test } from "vitest";
import { copiesOf, type ShieldOrder } from "../../../sdwan/steer/shield-copies.ts";
import { classSpec, lane, planOf, tunnelSpec } from "./plans.ts";

const peer = { link: "x", publicKey: "", presharedKey: undefined, endpoint: undefined, keepalive: 0, relay: undefined };
const peers = [
  { ...peer, site: "berlin", allowedIps: ["10.2.0.0/16", "fd02::/64"] },
  { ...peer, site: "oslo", allowedIps: ["10.3.0.0/16", "0.0.0.0/0"] },
];
const PLAN = planOf({
  tunnels: ["nv1", "nv2"].map((ifname, index) => tunnelSpec(ifname, `isp${index + 1}`, index + 1, [], { peers })),
  lanes: [
    lane(3, { kind: "class", name: "voice" }),
    lane(4, { kind: "pinned", name: "voice", link: "isp1" }),
    lane(5, { kind: "class", name: "bulk" }),
  ],
  classes: [classSpec("voice", 3, {}, { dscp: 46, shielded: true }), classSpec("bulk", 5, {}, { dscp: 10 })],
});
const MARK = { mask: 0x3f00_0000, of: (value: number): number => value << 24 };
const ORDER: ShieldOrder = { class: "voice", site: "berlin", from: "nv1", to: "nv2" };

function linesOf(orders: readonly ShieldOrder[], mtus: readonly [number, number] = [1420, 1420]): readonly string[] {
  const device = (ifname: string) => {
    const index = ["nv1", "nv2"].indexOf(ifname);
    return index < 0 ? undefined : { index: index + 7, mtu: mtus[index] ?? 0 };
  };
  const { tables } = copiesOf(PLAN, MARK, orders, device, "t");
  return (tables ?? "").split("\n").map((line) => line.trim());
}

describe("copies", () => {
  test("of a class by all its values, of packets to one site alone", () => {
    const lines = linesOf([ORDER]);
    expect(lines).toContain(
      'oifname "nv1" ip daddr { 10.2.0.0/16 } ct direction original meta mark & 0x3f000000 { 0x03000000, 0x04000000 } ip dscp set 47',
    );
    expect(lines).toContain('oifname "nv1" ip6 daddr { fd02::/64 } ct direction reply ct label 110 ip6 dscp set 47');
    expect(lines).toContain("ip daddr { 10.2.0.0/16 } ip dscp 47 goto copy_0_ip");
  });

  test("a site that is the way to everywhere has what the others have not", () => {
    const lines = linesOf([{ ...ORDER, site: "oslo" }]);
    expect(lines).toContain("ip daddr != { 10.2.0.0/16 } ip dscp 47 goto copy_0_ip");
    // It has no network of the other family.
    expect(lines.filter((line) => line.includes("ip6"))).toEqual([]);
  });

  test("what does not fit into the second tunnel goes by the first alone", () => {
    expect(linesOf([ORDER], [1420, 1380])).toContain("meta length > 1380 accept");
    expect(linesOf([ORDER], [1380, 1420]).filter((line) => line.includes("meta length"))).toEqual([]);
  });

  test("two sites by one device may have different second ones; the same order twice is one", () => {
    const lines = linesOf([ORDER, ORDER, { ...ORDER, site: "oslo", from: "nv2", to: "nv1" }]);
    expect(lines.filter((line) => line.startsWith("dup to"))).toEqual(['dup to "nv2"', 'dup to "nv2"', 'dup to "nv1"']);
    expect(lines.filter((line) => line.includes("hook egress")).length).toBe(2);
  });

  test("an order for a class without a shield, or for what the plan or the host does not have, is none", () => {
    for (const order of [
      { ...ORDER, class: "bulk" },
      { ...ORDER, class: "video" },
      { ...ORDER, site: "rome" },
      { ...ORDER, to: "nv1" },
      { ...ORDER, to: "nv3" },
    ])
      expect(linesOf([order])).toEqual([""]);
  });
});
