import { describe, expect, test } from "vitest";
import { cables, fabricRules, fabricScript, hostScript, relayEnds } from "../../lab/commands.ts";
import { type Description, describe as described } from "../../lab/description.ts";
import { twoEdges } from "../../lab/topology/two-edges.ts";

const pair: Description = {
  hosts: { a: { interfaces: { eth0: ["192.0.2.1/24"] } }, b: { interfaces: { eth0: ["192.0.2.2/24"] } } },
  switches: [],
  links: [{ from: "a:eth0", to: "b:eth0" }],
};

describe("a description is refused when it", () => {
  const wrong: readonly (readonly [string, Description, RegExp])[] = [
    [
      "names a link's host that does not exist",
      { ...pair, links: [...pair.links, { name: "x", from: "a:eth1", to: "c:eth0" }] },
      /not a host/,
    ],
    [
      "names a switch that does not exist",
      { ...pair, links: [...pair.links, { name: "x", from: "a:eth1", to: "front" }] },
      /not a switch/,
    ],
    [
      "plugs two cables into one port",
      { ...pair, links: [...pair.links, { name: "x", from: "b:eth0", to: "a:eth0" }] },
      /twice/,
    ],
    [
      "gives an address to a port without a cable",
      { ...pair, hosts: { ...pair.hosts, c: { interfaces: { eth0: [] } } } },
      /no link ends/,
    ],
    [
      "has an address without a prefix length",
      { ...pair, hosts: { ...pair.hosts, a: { interfaces: { eth0: ["192.0.2.1"] } } } },
      /wrong address/,
    ],
    [
      "has a port name longer than the kernel's 15 octets",
      { hosts: { abcdefghij: {} }, switches: ["s"], links: [{ name: "x", from: "abcdefghij:eth00", to: "s" }] },
      /1 to 4/,
    ],
    [
      "wants filtering looser than the mapping",
      {
        ...pair,
        hosts: {
          ...pair.hosts,
          a: { nat: { outside: "eth0", mapping: "address-and-port-dependent", filtering: "endpoint-independent" } },
        },
      },
      /looser/,
    ],
  ];
  test.each(wrong)("%s", (_, description, message) => {
    expect(() => described(description)).toThrow(message);
  });
});

describe("what the kernel is told", () => {
  const names = { of: (host: string | undefined) => `ns-${host ?? "fabric"}` };
  test("every cable ends in the fabric", () => {
    expect(cables(pair, names).split("\n")).toEqual([
      "link add eth0 netns ns-a type veth peer name a.eth0 netns ns-fabric",
      "link add eth0 netns ns-b type veth peer name b.eth0 netns ns-fabric",
    ]);
  });
  test("two hosts on one cable meet in a bridge of two ports", () => {
    expect(fabricScript(pair)).toContain("link add 0.p type bridge");
    expect(fabricScript(pair)).toContain("link set a.eth0 master 0.p up");
    expect(fabricScript(pair)).toContain("link set b.eth0 master 0.p up");
  });
  test("the relay of a link to a switch stands before the bridge", () => {
    const link = { from: "a:eth0", to: "front", impair: {} } as const;
    expect(relayEnds(link, 3)).toEqual({ left: "a.eth0", right: "3.l", inner: "3.s" });
  });
  test("addresses, then routes", () => {
    const script = hostScript("a", twoEdges().hosts["a"] ?? {}, twoEdges());
    expect(script.indexOf("address add fd77::1/64 dev eth0 nodad")).toBeGreaterThan(0);
    expect(script.indexOf("route add default via fd77::fe")).toBeGreaterThan(script.indexOf("address add fd77::1/64"));
  });
  test("the fabric's table is replaced as a whole", () => {
    const text = fabricRules({ silent: ["a.eth0"], drops: [{ from: "a.eth0", to: "b.eth0", match: "udp dport 9" }] });
    expect(text.startsWith("table bridge lab\ndelete table bridge lab\ntable bridge lab {")).toBe(true);
    expect(text).toContain('iifname "a.eth0" oifname "b.eth0" udp dport 9 drop');
  });
});
