/** Settings of routing and virtual IPs for routers: what is refused, where, and why. */
import { describe, expect, it } from "vitest";
import { formatDiagnostic } from "../../resources/diagnostic.ts";
import { loadResources } from "../../resources/load.ts";
import { routingTogether } from "../../resources/routing-together.ts";
import { loadSettings, type Settings } from "../../resources/settings.ts";

const problems = (text: string): readonly string[] =>
  loadSettings({ file: "s", content: text }).diagnostics.map(formatDiagnostic);
const settingsOf = (text: string): Settings => {
  const { settings, diagnostics } = loadSettings({ file: "s", content: text });
  if (settings === undefined) throw new TypeError(diagnostics.map(formatDiagnostic).join("\n"));
  return settings;
};
/** A virtual IP on one line: positions are columns of line 1. */
const vip = (name: string, spec: string): string =>
  `{apiVersion: novaedge.io/v1alpha1, kind: ProxyVIP, metadata: {name: ${name}}, spec: {ports: [80], ${spec}}}\n`;
const resource = (...documents: readonly string[]): ReturnType<typeof loadResources> =>
  loadResources([{ file: "f", content: documents.join("---\n") }]);
const refused = (...documents: readonly string[]): readonly string[] =>
  resource(...documents).diagnostics.map(({ code, message }) => `${code} ${message}`);
const together = (settings: string, ...documents: readonly string[]): readonly string[] => {
  const { resources, diagnostics } = resource(...documents);
  expect(diagnostics).toEqual([]);
  return routingTogether(settingsOf(settings), resources).map(({ code, message }) => `${code} ${message}`);
};
const BGP = "mode: BGP, address: 192.0.2.10";
const OSPF = "mode: OSPF, address: 192.0.2.20";

describe("values", () => {
  it.each([
    ["asn", "bgp: {asn: 0}", "bgp.asn: 0 is not accepted; expected an AS number"],
    ["asn of transition (RFC 6793 §9)", "bgp: {asn: 23456}", "bgp.asn: 23456 is not accepted"],
    ["router id", "bgp: {routerId: 0.0.0.0}", 'bgp.routerId: "0.0.0.0" is not accepted; expected a router id'],
    [
      "area",
      'ospf: {v2: {areas: [{id: "x", interfaces: [{name: e}]}]}}',
      "expected an area as a number (0) or a dotted quad",
    ],
    [
      "community",
      "bgp: {networks: [{prefix: 10.0.0.0/8, communities: [1:70000]}]}",
      "expected a community such as 65000:100",
    ],
    [
      "large community",
      "bgp: {networks: [{prefix: 10.0.0.0/8, largeCommunities: ['1:2']}]}",
      "expected a large community",
    ],
    ["host bits", "bgp: {networks: [{prefix: 10.0.0.1/8}]}", "expected a prefix such as 192.0.2.0/24, host bits zero"],
    [
      "pattern",
      "bgp: {policies: [{name: p, rules: [{name: r, action: accept, match: {asPath: '('}}]}]}",
      "expected a regular expression",
    ],
    ["BFD multiplier", "bfd: {profiles: [{name: p, multiplier: 256}]}", "expected a whole number from 1 to 255"],
    [
      "hold time (RFC 4271 §4.2)",
      "bgp: {peers: [{name: a, address: 10.0.0.1, asn: 1, holdTime: 2s}]}",
      "expected 0s, or a duration of whole seconds from 3s to 65535s",
    ],
  ])("%s", (_what, text, expected) => {
    const found = problems(text);
    expect(found).toHaveLength(1);
    expect(found[0]).toContain(expected);
  });
  it("a default route, an area by number, communities by name are taken", () => {
    const settings = settingsOf(`
bgp: {networks: [{prefix: 0.0.0.0/0, communities: [graceful-shutdown, "65000:1"], extendedCommunities: ["rt:65000:1"]}]}
ospf: {v2: {areas: [{id: 258, interfaces: [{name: e}]}]}}`);
    expect(settings.ospf?.v2?.areas[0]?.id).toBe("0.0.1.2");
  });
});

describe("settings that contradict themselves", () => {
  const peer = (more: string): string => `bgp: {peers: [{name: a, address: 10.0.0.1, asn: 65000, ${more}}]}`;
  it.each([
    ["neither address nor interface", "bgp: {peers: [{name: a, asn: 1}]}", "FIELD_MISSING"],
    [
      "a link-local address without its interface",
      'bgp: {peers: [{name: a, asn: 1, address: "fe80::1"}]}',
      "FIELD_MISSING",
    ],
    [
      "two peers of a name",
      "bgp: {peers: [{name: a, address: 10.0.0.1, asn: 1}, {name: a, address: 10.0.0.2, asn: 1}]}",
      "DUPLICATE",
    ],
    [
      "a peer twice",
      "bgp: {peers: [{name: a, address: 10.0.0.1, asn: 1}, {name: b, address: 10.0.0.1, asn: 1}]}",
      "DUPLICATE",
    ],
    ["keepalive above a third of the hold time (RFC 4271 §10)", peer("holdTime: 9s, keepalive: 4s"), "CONTRADICTION"],
    ["two secrets", peer("password: x, passwordFile: /x"), "CONTRADICTION"],
    ["two ways of authentication", peer("password: x, ao: {keyId: 1, key: y}"), "CONTRADICTION"],
    ["an option without its key", peer("ao: {keyId: 1}"), "FIELD_MISSING"],
    ["GTSM over hops that are written (RFC 5082)", peer("ttlSecurity: 1, multihop: 2"), "CONTRADICTION"],
    [
      "several paths of a family that is not offered",
      peer("families: [ipv6], addPathReceive: [ipv4]"),
      "CONTRADICTION",
    ],
    [
      "a limit for a family that is not offered",
      peer("families: [ipv6], maxPrefixes: {ipv4: {limit: 1}}"),
      "CONTRADICTION",
    ],
    ["learning by the policy of what is announced", peer("import: own"), "CONTRADICTION"],
    [
      "learning routes that lead to this node itself",
      "bgp: {peers: [{name: a, address: 10.0.0.1, asn: 1, import: p}], policies: [{name: p, rules: [{name: r, action: accept, set: {nextHop: self}}]}]}",
      "CONTRADICTION",
    ],
    ["a policy that is not there", peer("export: ot"), "REFERENCE"],
    ["a BFD profile that is not there", peer("bfd: {profile: p}"), "REFERENCE"],
    ["a policy of a name that is taken", "bgp: {policies: [{name: all}]}", "CONTRADICTION"],
    [
      "a prefix list that is not there",
      "bgp: {policies: [{name: p, rules: [{name: r, action: accept, match: {prefixLists: [l]}}]}]}",
      "REFERENCE",
    ],
    [
      "changes to what is rejected",
      "bgp: {policies: [{name: p, rules: [{name: r, action: reject, set: {med: 1}}]}]}",
      "CONTRADICTION",
    ],
    [
      "ge below the prefix",
      "bgp: {prefixLists: [{name: l, prefixes: [{prefix: 10.0.0.0/8, ge: 7}]}]}",
      "CONTRADICTION",
    ],
    [
      "le above the family",
      "bgp: {prefixLists: [{name: l, prefixes: [{prefix: 10.0.0.0/8, le: 33}]}]}",
      "CONTRADICTION",
    ],
    ["a network for a peer that is not there", "bgp: {networks: [{prefix: 10.0.0.0/8, peers: [x]}]}", "REFERENCE"],
    [
      "an unnumbered peer several hops away",
      "bgp: {peers: [{name: a, interface: eth0, asn: external, multihop: 2}]}",
      "CONTRADICTION",
    ],
    ["NBMA without neighbors", "ospf: {v2: {areas: [{id: 0, interfaces: [{name: e, type: nbma}]}]}}", "FIELD_MISSING"],
    [
      "neighbors where they are found",
      "ospf: {v2: {areas: [{id: 0, interfaces: [{name: e, neighbors: [{address: 10.0.0.1}]}]}]}}",
      "CONTRADICTION",
    ],
    [
      "a neighbor of the other family",
      'ospf: {v2: {areas: [{id: 0, interfaces: [{name: e, type: nbma, neighbors: [{address: "fe80::1"}]}]}]}}',
      "CONTRADICTION",
    ],
    [
      "an interface in two areas",
      "ospf: {v2: {areas: [{id: 0, interfaces: [{name: e}]}, {id: 1, interfaces: [{name: e}]}]}}",
      "DUPLICATE",
    ],
    [
      "a stub backbone (RFC 2328 §3.6)",
      "ospf: {v2: {areas: [{id: 0, kind: stub, interfaces: [{name: e}]}]}}",
      "CONTRADICTION",
    ],
    [
      "dead before the next hello",
      "ospf: {v2: {areas: [{id: 0, interfaces: [{name: e, hello: 5s, dead: 5s}]}]}}",
      "CONTRADICTION",
    ],
    [
      "authentication without a secret",
      "ospf: {v2: {areas: [{id: 0, interfaces: [{name: e, auth: {}}]}]}}",
      "FIELD_MISSING",
    ],
    [
      "a simple password in OSPFv3",
      "ospf: {v3: {areas: [{id: 0, interfaces: [{name: e, auth: {password: x, keys: [{id: 1, secret: x}]}}]}]}}",
      "FIELD_UNKNOWN",
    ],
    [
      "MD5 in OSPFv3",
      "ospf: {v3: {areas: [{id: 0, interfaces: [{name: e, auth: {keys: [{id: 1, algorithm: md5, secret: x}]}}]}]}}",
      "VALUE",
    ],
    [
      "an MD5 key of 17 (RFC 2328 §D.3)",
      "ospf: {v2: {areas: [{id: 0, interfaces: [{name: e, auth: {keys: [{id: 1, algorithm: md5, secret: abcdefghijklmnopq}]}}]}]}}",
      "CONTRADICTION",
    ],
    [
      "a TTL for a single hop (RFC 5881 §5)",
      "bfd: {sessions: [{name: a, peer: 10.0.0.1, minTtl: 3}]}",
      "CONTRADICTION",
    ],
    [
      "echo over several hops",
      "bfd: {profiles: [{name: p, echoInterval: 50ms}], sessions: [{name: a, peer: 10.0.0.1, multihop: true, profile: p}]}",
      "CONTRADICTION",
    ],
    [
      "an MD5 key of 17 (RFC 5880 §4.3)",
      "bfd: {sessions: [{name: a, peer: 10.0.0.1, auth: {type: md5, key: abcdefghijklmnopq}}]}",
      "CONTRADICTION",
    ],
  ])("%s", (_what, text, code) => {
    const found = problems(text);
    expect(found).toHaveLength(1);
    expect(found[0]).toMatch(new RegExp(`^s:1:\\d+: error: .* \\[${code}\\]`));
  });
  it("says where, and what was probably meant", () => {
    expect(problems(peer("import: nnoe"))).toEqual([
      "s:1:64: error: there is no policy nnoe [REFERENCE]\n  hint: did you mean none?",
    ]);
    expect(problems("bgp: {peers: [{name: a, adress: 10.0.0.1, asn: 1}]}")[0]).toContain('did you mean "address"?');
  });
});

describe("a virtual IP that contradicts itself", () => {
  it.each([
    [
      "l2 in another mode",
      vip("a", `${BGP}, l2: {preempt: true}`),
      "CONTRADICTION l2 belongs to mode L2ARP, and the mode is BGP",
    ],
    [
      "bgpConfig in another mode",
      vip("a", `${OSPF}, bgpConfig: {localAS: 1}`),
      "CONTRADICTION bgpConfig belongs to mode BGP, and the mode is OSPF",
    ],
    [
      "ospfConfig in another mode",
      vip("a", "mode: L2ARP, address: 192.0.2.1, ospfConfig: {cost: 1}"),
      "CONTRADICTION ospfConfig belongs to mode OSPF, and the mode is L2ARP",
    ],
    [
      "bfd on a segment",
      vip("a", "mode: L2ARP, address: 192.0.2.1, bfd: {}"),
      "CONTRADICTION bfd belongs to modes BGP and OSPF",
    ],
    [
      "two ways to an AS",
      vip("a", `${BGP}, bgpConfig: {localAS: 1, localASBase: 2}`),
      "CONTRADICTION localAS and localASBase exclude each other",
    ],
    [
      "a peer twice",
      vip("a", `${BGP}, bgpConfig: {peers: [{address: 10.0.0.1, as: 1}, {address: 10.0.0.1, as: 2}]}`),
      "DUPLICATE peer 10.0.0.1 twice",
    ],
    [
      "bfd for nobody",
      vip("a", `${BGP}, bfd: {}`),
      "CONTRADICTION bfd guards the peers in bgpConfig.peers, and there are none",
    ],
    [
      "a link-local peer",
      vip("a", `${BGP}, bgpConfig: {peers: [{address: "fe80::1", as: 1}]}`),
      "CONTRADICTION fe80::1 is link-local",
    ],
    [
      "a key without a type",
      vip("a", `${OSPF}, ospfConfig: {authKey: x}`),
      "CONTRADICTION authType is none, so no key is used",
    ],
    [
      "a type without a key",
      vip("a", `${OSPF}, ospfConfig: {authType: md5}`),
      "FIELD_MISSING one of authKey, authKeyFile is needed",
    ],
    [
      "a long simple key",
      vip("a", `${OSPF}, ospfConfig: {authType: simple, authKey: abcdefghi}`),
      "CONTRADICTION a key of simple has at most 8 characters",
    ],
    [
      "MD5 for IPv6 (RFC 5340 §2.6)",
      vip("a", 'mode: OSPF, ipv6Address: "2001:db8::1", ospfConfig: {authType: md5, authKey: x}'),
      "CONTRADICTION OSPFv3, which IPv6 needs, has no md5 authentication",
    ],
    [
      "dead before the next hello",
      vip("a", `${OSPF}, ospfConfig: {helloInterval: 10, deadInterval: 10}`),
      "CONTRADICTION deadInterval must be more than helloInterval",
    ],
  ])("%s", (_what, document, expected) => {
    expect(refused(document)).toEqual([expected]);
  });
});

describe("virtual IPs and the node together", () => {
  const two = (a: string, b: string): readonly string[] => [vip("a", a), vip("b", b.replace("192.0.2.", "192.0.2.1"))];
  const peers = "peers: [{address: 10.0.0.1, as: 65000}]";
  it.each<[string, string, readonly string[], string]>([
    ["no AS anywhere", "{}", [vip("a", `${BGP}, bgpConfig: {${peers}}`)], "FIELD_MISSING no AS: write localAS here"],
    [
      "no peer anywhere",
      "{}",
      [vip("a", `${BGP}, bgpConfig: {localAS: 65001}`)],
      "FIELD_MISSING no peer would hear of it",
    ],
    [
      "another AS than the node's",
      "bgp: {asn: 65002}",
      [vip("a", `${BGP}, bgpConfig: {localAS: 65001, ${peers}}`)],
      "CONTRADICTION the node's AS is 65002",
    ],
    [
      "a base beside the node's AS",
      "bgp: {asn: 65002}",
      [vip("a", `${BGP}, bgpConfig: {localASBase: 65001, ${peers}}`)],
      "CONTRADICTION the node's AS is written",
    ],
    [
      "two ASes",
      "{}",
      two(`${BGP}, bgpConfig: {localAS: 65001, ${peers}}`, `${BGP}, bgpConfig: {localAS: 65002}`),
      "CONTRADICTION a second AS of this node",
    ],
    [
      "two router ids",
      "bgp: {asn: 65001}",
      two(`${BGP}, bgpConfig: {routerID: 1.1.1.1, ${peers}}`, `${BGP}, bgpConfig: {routerID: 2.2.2.2}`),
      "CONTRADICTION a second BGP router id of this node",
    ],
    [
      "a peer with two ASes",
      "bgp: {asn: 65001}",
      two(`${BGP}, bgpConfig: {${peers}}`, `${BGP}, bgpConfig: {peers: [{address: 10.0.0.1, as: 65009}]}`),
      "CONTRADICTION a second AS of peer 10.0.0.1",
    ],
    [
      "a peer of the node with another AS",
      "bgp: {asn: 65001, peers: [{name: t, address: 10.0.0.1, asn: 65009}]}",
      [vip("a", `${BGP}, bgpConfig: {${peers}}`)],
      "CONTRADICTION bgp.peers of the node says AS 65009 for 10.0.0.1",
    ],
    [
      "BFD for a peer of the node",
      "bgp: {asn: 65001, peers: [{name: t, address: 10.0.0.1, asn: 65000}]}",
      [vip("a", `${BGP}, bgpConfig: {${peers}}, bfd: {}`)],
      "CONTRADICTION peer 10.0.0.1 is described in bgp.peers of the node",
    ],
    [
      "a peer guarded in two ways",
      "bgp: {asn: 65001}",
      two(`${BGP}, bgpConfig: {${peers}}, bfd: {}`, `${BGP}, bgpConfig: {${peers}}`),
      "CONTRADICTION a second BFD of peer 10.0.0.1",
    ],
    [
      "two areas",
      "{}",
      two(`${OSPF}, ospfConfig: {areaID: 0}`, `${OSPF}, ospfConfig: {areaID: 1}`),
      "CONTRADICTION a second OSPF area of this node",
    ],
    [
      "timers that the node has",
      "ospf: {v2: {areas: [{id: 0, interfaces: [{name: e}]}]}}",
      [vip("a", `${OSPF}, ospfConfig: {helloInterval: 1}`)],
      "CONTRADICTION the settings of the node describe its OSPF interfaces",
    ],
    [
      "a version that the node has not",
      "ospf: {v3: {areas: [{id: 0, interfaces: [{name: e}]}]}}",
      [vip("a", OSPF)],
      "CONTRADICTION the node has no ospf.v2, which IPv4 needs",
    ],
    [
      "an area that the node has not",
      "ospf: {v2: {areas: [{id: 0, interfaces: [{name: e}]}]}}",
      [vip("a", `${OSPF}, ospfConfig: {areaID: 7, metricType: host}`)],
      "REFERENCE there is no area 0.0.0.7",
    ],
  ])("%s", (_what, settings, documents, expected) => {
    const found = together(settings, ...documents);
    expect(found).toHaveLength(1);
    expect(found[0]).toContain(expected);
  });
  it("what is not meant for this node contradicts nothing", () => {
    const other = vip("a", `${BGP}, bgpConfig: {localAS: 1}, nodeSelector: {matchLabels: {rack: z}}`);
    expect(together("bgp: {asn: 65002}", other)).toEqual([]);
  });
  it("two that agree", () => {
    const both = two(`${BGP}, bgpConfig: {localAS: 65001, ${peers}}`, `${BGP}, bgpConfig: {localAS: 65001}`);
    expect(together("{}", ...both)).toEqual([]);
  });
});
