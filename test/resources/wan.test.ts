/** Links, policies and sites as they are written: what is accepted, what is refused, and where the finding stands. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { deviceName } from "../../resources/wan-lanes.ts";
import { allocateMarks } from "../../resources/wan-marks.ts";
import { dscp, parseBandwidth, parseHostPort, publicKey, schedule, slaShape } from "../../resources/wan-values.ts";
import { DOCUMENTS, findings, link, policy, remote, SETTINGS } from "../daemon/desired/wan-world.ts";
import type { Document } from "../daemon/world.ts";

const problems = (documents: readonly Document[], settings: object = SETTINGS): readonly string[] =>
  findings(documents, settings).problems;
const warnings = (documents: readonly Document[], settings: object = SETTINGS): readonly string[] =>
  findings(documents, settings).warnings;
const { sdwan: SETTINGS_SDWAN } = SETTINGS as { readonly sdwan: object };
const berlin = (name: string, spec: object = {}): Document => link("berlin", name, spec);

describe("values", () => {
  it("bandwidths", () => {
    expect(["100Mbps", "2.5Gbps", "512 kbps", "9600bps", "1Gbit/s"].map(parseBandwidth)).toEqual([
      1e8, 2.5e9, 512e3, 9600, 1e9,
    ]);
    expect(["100", "100MB", "-1Mbps", "0bps", "1e3Mbps", "Mbps"].map(parseBandwidth)).toEqual(
      Array.from({ length: 6 }, () => undefined),
    );
  });
  it("RFC 2597, 3246: code points by name and number", () => {
    expect(["EF", "af41", "CS3", "BE", "46", 63].map((each) => dscp.parse(each))).toEqual([46, 34, 24, 0, 46, 63]);
    for (const wrong of ["XX", "64", 64, -1, "constructor", ""]) expect(dscp.safeParse(wrong).success).toBe(false);
  });
  it("a share of lost packets: with % it is plain, bare numbers are a ratio below 1 and percent from there on", () => {
    const loss = (value: unknown): unknown => slaShape.maxPacketLoss.parse(value);
    expect(["1%", "0.5 %", 0.01, 0.07, 1, 5].map(loss)).toEqual([1, 0.5, 1, 7, 1, 5]);
    for (const wrong of ["1", "101%", 101, -0.1, "%"])
      expect(slaShape.maxPacketLoss.safeParse(wrong).success).toBe(false);
  });
  it("endpoints, with and without port", () => {
    expect(parseHostPort("[2001:db8::1]:51820")).toEqual({ host: "2001:db8::1", port: 51_820 });
    expect(parseHostPort("VPN.example.com")).toEqual({ host: "vpn.example.com", port: undefined });
    for (const wrong of ["a:0", "a:70000", "2001:db8::1:1", "", "-a", "a b"])
      expect(parseHostPort(wrong)).toBeUndefined();
  });
  it("public keys as wg(8) reads them", () => {
    expect(publicKey.safeParse("1mbJ0Yw6BP9UdQtMqyJcKr8xYbbxmjGuzyTnF09eC3I=").success).toBe(true);
    for (const wrong of ["1mbJ0Yw6BP9UdQtMqyJcKr8xYbbxmjGuzyTnF09eC3J=", "short=", `${"A".repeat(43)}=`]) {
      expect(publicKey.safeParse(wrong).success).toBe(false);
    }
  });
  it("schedules: five fields of crontab(5) within their bounds", () => {
    for (const right of ["* * * * *", "30 3 * * 0", "*/5 1-4,20 1 1,6 1-5", "0 0 1-15/2 * 7"]) {
      expect([right, schedule.safeParse(right).success]).toEqual([right, true]);
    }
    for (const wrong of [
      "60 * * * *",
      "* * *",
      "* * 0 * *",
      "5-1 * * * *",
      "a * * * *",
      "*/0 * * * *",
      "* * * * mon",
    ]) {
      expect([wrong, schedule.safeParse(wrong).success]).toEqual([wrong, false]);
    }
  });
});

describe("one resource", () => {
  it("a bare loss is read, and a warning says how, at its line and column", () => {
    const document = berlin("isp1", { sla: { maxPacketLoss: 0.01 } });
    expect(warnings([document])).toEqual([
      expect.stringMatching(/^f:1:\d+: warning: maxPacketLoss is read as 1 % \[VALUE\]\n {2}hint: write "1%"$/),
    ]);
    expect(warnings([berlin("isp1", { sla: { maxPacketLoss: "1%" } })])).toEqual([]);
  });
  it.each([
    ["octets for a bandwidth", berlin("isp1", { bandwidth: "1G" }), "100Mbps or 2.5Gbps [VALUE]"],
    ["a number for a bandwidth", berlin("isp1", { bandwidth: 7 }), "2.5Gbps, or a mapping with up and down [VALUE]"],
    [
      "half of a bandwidth",
      berlin("isp1", { bandwidth: { up: "5Mbit", down: "1Gbps" } }),
      'spec.bandwidth.up: "5Mbit" is not accepted; expected a bandwidth such as 512kbps',
    ],
    ["a bandwidth in the wrong direction", berlin("isp1", { bandwidth: { upp: "5Mbps" } }), 'unknown field "upp"'],
    ["no gateway of either family", berlin("isp1", { gateway: "none", gateway6: "none" }), "leads nowhere"],
    ["the wrong family", berlin("isp1", { gateway: "2001:db8::1" }), "auto, none, or the IPv4 address of a router"],
    [
      "a window without a schedule",
      berlin("isp1", { bandwidthTest: { window: "02:00-04:00" } }),
      "a window without a schedule",
    ],
    [
      "a probe to a name",
      berlin("isp1", { probe: { kind: "http", targets: ["http://example.com/"] } }),
      "a URL of a server by its address",
    ],
    ["ports of ICMP", policy("p", {}, { match: { protocols: ["icmp"], ports: [80] } }), "not of protocol icmp"],
    [
      "families that never meet",
      policy("p", {}, { match: { sources: ["10.0.0.0/8"], destinations: ["2001:db8::/32"] } }),
      "different families",
    ],
    [
      "users and interfaces",
      policy("p", {}, { match: { users: [1], interfaces: ["lan0"] } }),
      "has come by no interface",
    ],
    ["the name of what no policy matches", policy("default"), "default is what no policy matches"],
    ["two relays", remote("oslo", { relay: "madrid", via: "madrid" }), "relay and via exclude each other"],
    ["itself", remote("oslo", { via: "oslo" }), "a site is no via for itself"],
  ] as const)("refused: %s", (_, document, words) => {
    const others = DOCUMENTS.filter(
      ({ kind, metadata }) => kind !== document.kind || JSON.stringify(metadata) !== JSON.stringify(document.metadata),
    );
    expect(problems([...others, document]).join("\n")).toContain(words);
  });
  it("what is known from elsewhere, and not supported, says so and what to write instead", () => {
    const hub = remote("oslo", {}, {});
    const spec = {
      ...hub.spec,
      connection: { mode: "Direct", controllerEndpoint: "x:9090", tunnel: { wireGuard: {} } },
    };
    const told = problems([{ ...hub, spec }]).join("\n");
    expect(told).toContain("spec.connection.controllerEndpoint is known, but not supported in this version");
    expect(told).toContain("spec.connection.mode: Direct is known, but not supported");
    const near = policy("p", {}, { match: { source: [] } });
    expect(problems([...DOCUMENTS, near]).join("\n")).toContain('did you mean "sources"?');
  });
});

describe("all of them together", () => {
  it("what is well is accepted without a word", () => {
    expect(findings(DOCUMENTS, SETTINGS)).toMatchObject({ problems: [], warnings: [] });
  });
  describe("what is refused is named once, where it is", () => {
    const others: readonly Document[] = [
      berlin("isp1", { reservedFor: ["voice"] }),
      link("madrid", "isp1"),
      link("madrid", "isp2"),
      remote("oslo", { relay: "madrid" }),
      policy("voice"),
      policy("web", { breakout: "madrid", links: ["isp1"] }),
    ];
    const hubs = { sdwan: { ...SETTINGS_SDWAN, topology: { kind: "hub-and-spoke", hubs: ["madrid"] } } };
    it("a site whose document is wrong: nobody says that there is none", () => {
      const wrong = remote("madrid", {}, { overlayCIDR: "no prefix" });
      for (const settings of [SETTINGS, hubs]) {
        const [only, ...more] = problems([...others, wrong], settings);
        expect(only).toContain("overlayCIDR");
        expect(more).toEqual([]);
      }
      const unknown = { ...remote("madrid"), kind: "NovaEdgeRemoteClutser" };
      expect(problems([...others, unknown])).toEqual([expect.stringContaining("unknown kind")]);
    });
    it("a link, and a policy, that others name", () => {
      const wrong = [berlin("isp1", { bandwidth: "much" }), policy("voice", { strategy: "best" })];
      const rest = others.filter((_, index) => index !== 0 && index !== 4);
      const found = findings([...rest, ...wrong, berlin("isp2", { reservedFor: ["voice"] })], SETTINGS);
      // Madrid is really not there.
      const left = found.problems.filter((each) => !/bandwidth|strategy|there is no site madrid/.test(each));
      expect(left).toEqual([]);
      expect(found.problems.some((each) => each.includes("there is no site madrid"))).toBe(true);
      expect(found.warnings).toEqual([]);
    });
    it("a file that is no YAML may have anything: its error says that, and nobody else speaks of what is not there", () => {
      const broken = { file: "madrid.yaml", content: "kind: NovaEdgeRemoteCluster\n spec: {\n" };
      const [only, ...more] = findings(others, SETTINGS, [broken]).problems;
      expect(only).toMatch(/^madrid\.yaml:.*\n {2}hint: .*what other files refer to is not looked at/);
      expect(more).toEqual([]);
      expect(problems(others).length).toBeGreaterThan(2);
    });
    it("a typing error is one still, beside what is refused", () => {
      const wrong = remote("madrid", {}, { overlayCIDR: "no prefix" });
      const found = problems([
        ...others,
        { ...link("madrid", "isp3"), spec: { ...link("madrid", "isp3").spec, site: "madird" } },
        wrong,
      ]);
      expect(found).toEqual(expect.arrayContaining([expect.stringContaining("there is no site madird")]));
    });
  });
  it.each([
    [
      "an interface twice",
      [berlin("isp1"), berlin("isp5", { interface: "wan1" })],
      "interface wan1 of site berlin is another link's already",
    ],
    [
      "one name in two namespaces",
      [berlin("isp1"), { ...berlin("isp1", { interface: "x" }), metadata: { name: "isp1", namespace: "b" } }],
      "two links berlin/isp1 in different namespaces",
    ],
    [
      "an unknown site",
      [berlin("isp1"), link("madrid", "isp1")],
      "there is no site madrid [REFERENCE]\n  hint: write a NovaEdgeRemoteCluster with clusterName: madrid; this host's own site",
    ],
    [
      "one place for two links of different sites",
      [
        berlin("isp1", { tunnelEndpoint: { publicIP: "192.0.2.9" } }),
        link("madrid", "isp1", { tunnelEndpoint: { publicIP: "192.0.2.9" } }),
        remote("madrid"),
      ],
      "192.0.2.9 port 51820 is another link's already [DUPLICATE]\n  hint: the first is at f:1",
    ],
    ["a policy's unknown link", [berlin("isp1"), policy("p", { links: ["isp7"] })], "there is no ProxyWANLink isp7"],
    [
      "a link reserved for nobody that is known",
      [berlin("isp1", { reservedFor: ["vioce"] }), policy("voice")],
      "did you mean voice?",
    ],
    ["a breakout that is no site", [berlin("isp1"), policy("p", { breakout: "oslo" })], "there is no site oslo"],
    [
      "a relay endpoint of nobody",
      [berlin("isp1"), remote("oslo", { relayEndpoint: "192.0.2.200:1" })],
      "the endpoint of no site that is known here",
    ],
    [
      "overlapping networks",
      [berlin("isp1"), remote("madrid"), remote("oslo", {}, { overlayCIDR: "10.2.128.0/24" })],
      "10.2.128.0/24 overlaps 10.2.0.0/16 of site madrid",
    ],
    [
      "our own networks",
      [berlin("isp1"), remote("madrid", {}, { overlayCIDR: "10.1.7.0/24" })],
      "overlaps 10.1.0.0/16 of site berlin",
    ],
    [
      "colliding ports",
      [berlin("isp1", { tunnelEndpoint: { port: 51_828 } }), berlin("isp2"), link("madrid", "isp1"), remote("madrid")],
      "port 51828 of tunnel nv-isp2-0 is tunnel nv-isp1-0's already",
    ],
    [
      "ports above 65535",
      [
        berlin("isp1", { tunnelEndpoint: { port: 65_000 } }),
        link("madrid", "isp1"),
        remote("madrid"),
        policy("p", { dscpClass: "EF" }),
      ],
      "port 67944 of tunnel nv-isp1-0-46 is no port",
    ],
    [
      "a loss shield without a code point",
      [berlin("isp1"), policy("p", { lossShield: {} })],
      "a loss shield needs a code point of the class",
    ],
    [
      "a loss shield for what has none",
      [berlin("isp1"), policy("p", { lossShield: {}, dscpClass: "BE" })],
      "packets with the code point BE cannot be shielded",
    ],
    [
      "a loss shield for everything",
      [berlin("isp1"), policy("p", { lossShield: { aboveLoss: "0%" }, dscpClass: "EF" })],
      'a share from "0.1%" to "50%"',
    ],
    [
      "loss shields that the other site cannot tell apart",
      [
        berlin("isp1"),
        policy("p", { lossShield: {}, dscpClass: "EF" }),
        policy("q", { lossShield: {}, dscpClass: "VA" }),
      ],
      "the other site cannot tell VA from EF of p",
    ],
    [
      "a code point of shielded packets",
      [berlin("isp1"), policy("p", { lossShield: {}, dscpClass: "EF" }), policy("q", { dscpClass: 45 })],
      "shielded packets carry code points 45 and 47, which q uses",
    ],
    [
      "a ninth link",
      Array.from({ length: 9 }, (_, index) => berlin(`isp${index + 1}`)),
      "site berlin has more than 8 links",
    ],
    [
      "a site of the other family",
      [berlin("isp1"), remote("oslo", {}, { overlayCIDR: "fd00:3::/64" })],
      "is of the other family",
    ],
  ] as const)("refused: %s", (_, documents, words) => {
    expect(problems(documents).join("\n")).toContain(words);
  });
  it("more classes than a mark can tell apart", () => {
    const many = Array.from({ length: 30 }, (_, index) => policy(`p${String(index).padStart(2, "0")}`));
    const told = problems([berlin("isp1"), berlin("isp2"), ...many]).join("\n");
    expect(told).toContain("need 92 values of the mark; there are 63");
  });
  it("which site is ours must be clear; one lone site needs no settings", () => {
    expect(problems([berlin("isp1")], {})).toEqual([]);
    expect(problems([berlin("isp1"), link("madrid", "isp1")], {}).join("\n")).toContain(
      "write sdwan.site in the settings",
    );
    expect(problems([berlin("isp1"), remote("oslo")], {}).join("\n")).toContain("write sdwan.overlayCIDR");
  });
  it("a policy that no link of this site may carry is a warning: other sites read the same file", () => {
    const shared = [berlin("isp1"), link("madrid", "dsl"), remote("madrid"), policy("p", { links: ["dsl"] })];
    expect(problems(shared)).toEqual([]);
    expect(warnings(shared).join("\n")).toContain("no link of this site may carry it: it is not steered here");
  });
});

describe("marks and devices", () => {
  it("a value stays with its lane, and is given to another only when all are taken", () => {
    fc.assert(
      fc.property(
        fc.array(fc.uniqueArray(fc.constantFrom("a", "b", "c", "d", "e", "f", "g"), { maxLength: 5 }), {
          maxLength: 8,
        }),
        (rounds) => {
          let kept: ReturnType<typeof allocateMarks> = [];
          for (const keys of rounds) {
            const before = new Map(kept.map(({ key, value }) => [key, value]));
            kept = allocateMarks(keys, kept, 8);
            const now = new Map(kept.map(({ key, value }) => [key, value]));
            expect(new Set(now.values()).size).toBe(kept.length);
            for (const key of keys) {
              expect(now.get(key)).toBeGreaterThan(0);
              if (before.has(key)) expect(now.get(key)).toBe(before.get(key));
            }
          }
        },
      ),
    );
  });
  it("the one that was left longest ago gives its value when there is no other", () => {
    const first = allocateMarks(["a", "b", "c"], [], 3);
    const second = allocateMarks(["b", "c"], first, 3);
    expect(allocateMarks(["b", "d"], second, 3).find(({ key }) => key === "d")?.value).toBe(1);
    expect(allocateMarks(["a", "b", "c", "d"], first, 3)).toHaveLength(3);
  });
  it("device names fit in 15 characters, and differ where links do", () => {
    expect(deviceName("isp1", 0, 0)).toBe("nv-isp1-0");
    fc.assert(
      fc.property(
        fc.stringMatching(/^[a-z0-9]([-a-z0-9.]{0,40}[a-z0-9])?$/),
        fc.nat(7),
        fc.nat(63),
        (name, far, point) => {
          const device = deviceName(name, far, point);
          expect(device).toMatch(/^nv[-a-z0-9]{1,13}$/);
          expect(device).not.toBe(deviceName(`${name}x`, far, point));
        },
      ),
    );
  });
});
