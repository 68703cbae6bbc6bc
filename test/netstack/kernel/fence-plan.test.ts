/** What the fence plans, without a kernel. */
import { describe, expect, test } from "vitest";
import { ipv4, ipv6, octetsOfIp } from "../../../base/address.ts";
import { hex } from "../../../base/octets.ts";
import { ms } from "../../../base/unit.ts";
import { type Guard, guardSets, type Have, planFence } from "../../../netstack/kernel/fence-plan.ts";
import { commonChains, FAMILIES, interfaceChains } from "../../../netstack/kernel/fence-rules.ts";
import { VIP_TABLE } from "../../../netstack/kernel/marks.ts";

const GUARDS: readonly Guard[] = [
  { ifname: "e0", address: ipv4("192.0.2.1") },
  { ifname: "e0", address: ipv6("2001:db8::1") },
];
const NOTHING: Have = { tables: [], chains: [], rules: [], guarded: new Map(), living: [] };
const WANT = { guards: GUARDS, present: ["e0"] };

/** What a kernel would say after `guards` had been fenced on `present`. */
function fenced(guards: readonly Guard[], present: readonly string[]): Have {
  const comment = /comment "([^"]*)"/.exec(planFence({ guards, present }, NOTHING).script)?.[1];
  const chains = [...commonChains(), ...present.flatMap(interfaceChains)];
  return {
    tables: FAMILIES.map((family) => ({ family, name: VIP_TABLE, comment })),
    chains: chains.map((chain) => ({
      family: chain.family,
      table: VIP_TABLE,
      name: chain.name,
      base: chain.hook !== undefined,
      devices: present.filter((ifname) => chain.hook?.includes(`"${ifname}"`) === true),
    })),
    rules: chains.flatMap((chain) =>
      chain.rules.map(() => ({ family: chain.family, table: VIP_TABLE, chain: chain.name })),
    ),
    guarded: new Map([...guardSets(guards)].map(([place, elements]) => [place, elements.map(({ key }) => hex(key))])),
    living: [],
  };
}

describe("planning the fence", () => {
  test("from nothing: everything, in one transaction", () => {
    const { script, changes } = planFence(WANT, NOTHING);
    for (const family of FAMILIES) expect(script).toContain(`table ${family} ${VIP_TABLE} {`);
    expect(script).toContain('add element arp novaedge_vip home4 { "e0" . 192.0.2.1 }');
    expect(script).toContain("add element netdev novaedge_vip guarded6 { 0x20010db8000000000000000000000001 }");
    expect(changes).toEqual([]);
  });

  test("the same again: nothing", () => {
    expect(planFence(WANT, fenced(GUARDS, ["e0"]))).toEqual({ script: "", whole: false, changes: [] });
  });

  test("another address: only elements, and no rule is touched", () => {
    const more: Guard = { ifname: "e0", address: ipv4("192.0.2.2") };
    const { script, changes } = planFence({ ...WANT, guards: [...GUARDS, more] }, fenced(GUARDS, ["e0"]));
    expect(script).toBe("");
    const key = hex(octetsOfIp(more.address));
    expect(
      changes.map(({ kind, set, elements }) => [kind, set.family, set.name, elements.map((each) => hex(each.key))]),
    ).toEqual([
      ["add", "arp", "guarded4", [key]],
      ["add", "arp", "home4", [`6530${"00".repeat(14)}${key}`]],
      ["add", "ip", "guarded4", [key]],
      ["add", "netdev", "guarded4", [key]],
    ]);
  });

  test("an address less: its elements go", () => {
    const { script, changes } = planFence({ ...WANT, guards: GUARDS.slice(0, 1) }, fenced(GUARDS, ["e0"]));
    expect(script).toBe("");
    expect(changes.map(({ kind, set }) => [kind, set.family, set.name])).toEqual([
      ["delete", "ip6", "guarded6"],
      ["delete", "netdev", "guarded6"],
    ]);
  });

  test("an interface more, or back: its chains; an interface less: they go", () => {
    const more = planFence({ ...WANT, present: ["e0", "wan.7"] }, fenced(GUARDS, ["e0"])).script;
    expect(more).toMatch(/^table netdev novaedge_vip \{\n {2}chain in_wan_2e_7 \{/);
    expect(more).toContain('egress device "wan.7"');
    expect(more).not.toContain("e0");
    const less = planFence({ ...WANT, present: [] }, fenced(GUARDS, ["e0"])).script;
    expect(less).toBe(
      ["in_e0", "out_e0"]
        .map((name) => `flush chain netdev novaedge_vip ${name}\ndelete chain netdev novaedge_vip ${name}\n`)
        .join(""),
    );
  });

  test("a chain that hangs on no interface any more is made anew", () => {
    const have = fenced(GUARDS, ["e0"]);
    const lost = { ...have, chains: have.chains.map((chain) => ({ ...chain, devices: [] })) };
    const { script } = planFence(WANT, lost);
    expect(script).toContain("delete chain netdev novaedge_vip out_e0");
    expect(script).toContain("chain out_e0 {");
  });

  test.each([
    ["a table of another version", { tables: [] }],
    ["a rule missing", { rules: fenced(GUARDS, ["e0"]).rules.slice(1) }],
    ["a chain missing", { chains: fenced(GUARDS, ["e0"]).chains.slice(1) }],
    ["a set missing", { guarded: new Map() }],
  ] as const)("%s: the whole fence anew, with what drains, and no lease", (_what, damage) => {
    const living = [
      { set: "owned", address: ipv4("192.0.2.1"), timeout: ms(300), left: ms(120) },
      { set: "draining", address: ipv4("192.0.2.9"), timeout: ms(300), left: ms(120.5) },
      { set: "handover", address: ipv6("2001:db8::1"), timeout: ms(9000), left: ms(8000), to: ipv6("2001:db8::2") },
    ] as const;
    const { script } = planFence(WANT, { ...fenced(GUARDS, ["e0"]), ...damage, living });
    expect(script).toMatch(/^add table arp novaedge_vip\ndelete table arp novaedge_vip\n/);
    expect(script).toContain("add element ip novaedge_vip draining4 { 192.0.2.9 timeout 300ms expires 121ms }");
    expect(script).not.toMatch(/add element \w+ novaedge_vip (owned|handover|moving)/);
  });

  test("an interface's name cannot break out of the script", () => {
    for (const name of ['e0" }', "e 0", "", "a/b", "sixteen-letters-"]) {
      expect(() => interfaceChains(name)).toThrow(TypeError);
    }
  });
});
