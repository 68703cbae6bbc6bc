import { describe, expect, it } from "vitest";
import { hostnamesOverlap } from "../../resources/hostname.ts";
import { loadResources } from "../../resources/load.ts";

const resource = (kind: string, name: string, spec: string): string =>
  `---\napiVersion: novaedge.io/v1alpha1\nkind: ${kind}\nmetadata: {name: ${name}}\nspec: ${spec}\n`;
const vip = (name: string, spec: string): string => resource("ProxyVIP", name, `{mode: L2ARP, ${spec}}`);
const gateway = (name: string, spec: string): string => resource("ProxyGateway", name, `{${spec}}`);
const backend = resource("ProxyBackend", "api", "{endpoints: [{address: 10.0.0.1, port: 80}]}");
const route = (spec: string): string => resource("ProxyRoute", "all", `{${spec}}`);
const pool = (name: string, spec: string): string => resource("ProxyIPPool", name, `{${spec}}`);
const HTTP = "listeners: [{name: http, port: 80, protocol: HTTP}]";
const TO_API = "rules: [{backendRef: {name: api}}]";

const findings = (...documents: readonly string[]): readonly string[] =>
  loadResources([{ file: "f", content: documents.join("") }]).diagnostics.map(
    ({ code, message }) => `${code}: ${message}`,
  );

describe("references between resources", () => {
  it.each<[string, readonly string[], readonly string[]]>([
    ["a gateway without its VIP", [gateway("web", `vipRef: edge, ${HTTP}`)], ["REFERENCE: there is no ProxyVIP edge"]],
    [
      "a route without its gateway and backend",
      [route(`parentRefs: [{name: web}], ${TO_API}`)],
      ["REFERENCE: there is no ProxyGateway default/web", "REFERENCE: there is no ProxyBackend default/api"],
    ],
    [
      "a reference into another namespace",
      [gateway("web", HTTP), backend, route(`parentRefs: [{name: web, namespace: shop}], ${TO_API}`)],
      ["REFERENCE: there is no ProxyGateway shop/web"],
    ],
    [
      "a listener that the gateway does not have",
      [gateway("web", HTTP), backend, route(`parentRefs: [{name: web, sectionName: htp}], ${TO_API}`)],
      ["REFERENCE: ProxyGateway default/web has no listener htp"],
    ],
    [
      "a VIP without its pool",
      [vip("edge", "poolRef: {name: p}, ports: [80]")],
      ["REFERENCE: there is no ProxyIPPool p"],
    ],
    [
      "a VIP outside its pool",
      [pool("p", "cidrs: [10.0.0.0/24]"), vip("edge", "poolRef: {name: p}, address: 10.0.1.1, ports: [80]")],
      ["CONTRADICTION: 10.0.1.1 is not in ProxyIPPool p"],
    ],
    [
      "an address of two VIPs",
      [vip("a", "address: 10.0.0.1, ports: [80]"), vip("b", "address: 10.0.0.1, ports: [80]")],
      ["DUPLICATE: 10.0.0.1 is already the address of ProxyVIP a"],
    ],
    [
      "a port of the VIP that nobody listens on",
      [vip("a", "address: 10.0.0.1, ports: [81]"), gateway("web", `vipRef: a, ${HTTP}`)],
      ["NEVER_MATCHES: no listener of a gateway on this VIP has port 81, so no host could ever own it"],
    ],
    [
      "two gateways on one port of a VIP",
      [
        vip("a", "address: 10.0.0.1, ports: [80]"),
        gateway("web", `vipRef: a, ${HTTP}`),
        gateway("xeb", `vipRef: a, ${HTTP}`),
      ],
      ["DUPLICATE: port 80 on ProxyVIP a already belongs to ProxyGateway default/web"],
    ],
    [
      "two gateways on one port of the host",
      [gateway("web", HTTP), gateway("xeb", HTTP)],
      ["DUPLICATE: port 80 on all addresses already belongs to ProxyGateway default/web"],
    ],
    [
      "overlapping pools and entries",
      [pool("a", "cidrs: [10.0.0.0/24, 10.0.0.128/25]"), pool("b", "addresses: [10.0.0.9]")],
      ["OVERLAP: overlaps an entry before it", "OVERLAP: overlaps ProxyIPPool a"],
    ],
    [
      "hostnames that the gateway does not listen for",
      [
        gateway("web", HTTP.replace("HTTP}", "HTTP, hostnames: [a.example]}")),
        backend,
        route(`parentRefs: [{name: web}], hostnames: [b.example], ${TO_API}`),
      ],
      ["NEVER_MATCHES: no hostname of this route is one that ProxyGateway default/web listens for"],
    ],
    [
      "weights that are all 0",
      [
        gateway("web", HTTP),
        backend,
        route("parentRefs: [{name: web}], rules: [{backendRefs: [{name: api, weight: 0}]}]"),
      ],
      ["NEVER_MATCHES: all weights are 0: no backend would get a request"],
    ],
    [
      "a VIP and the whole host may share a port",
      [vip("a", "address: 10.0.0.1, ports: [80]"), gateway("web", `vipRef: a, ${HTTP}`), gateway("xeb", HTTP)],
      [],
    ],
    [
      "a listener may have a port that the VIP does not require",
      [
        vip("a", "address: 10.0.0.1, ports: [80]"),
        gateway("web", `vipRef: a, ${HTTP.replace("]", ", {name: x, port: 81, protocol: HTTP}]")}`),
      ],
      [],
    ],
    ["a VIP that no gateway refers to is no error", [vip("a", "address: 10.0.0.1, ports: [22]")], []],
  ])("%s", (_what, documents, expected) => {
    expect(findings(...documents)).toEqual(expected);
  });
});

describe("rules that no request reaches", () => {
  const rule = (match: string): string => `{matches: [${match}], backendRef: {name: api}}`;
  const named = (name: string, hosts: string, ...rules: readonly string[]): string =>
    resource("ProxyRoute", name, `{parentRefs: [{name: web}], hostnames: [${hosts}], rules: [${rules.join(", ")}]}`);
  const A = "{path: {type: Exact, value: /a}}";
  const B = "{path: {type: Exact, value: /b}}";
  it.each<[string, readonly string[], readonly string[]]>([
    [
      "the same host and path in two routes",
      [named("x", "h", rule(A)), named("y", "h", rule(A))],
      ["rule 0 of ProxyRoute default/x"],
    ],
    ["the same in one route", [named("x", "h", rule(A), rule(A))], ["rule 0 of ProxyRoute default/x"]],
    [
      "spelt otherwise",
      [
        named("x", "H, g", rule("{headers: [{name: X-A, value: '1'}, {name: B, value: '2'}]}")),
        named("y", "h", rule("{headers: [{name: b, value: '2'}, {name: x-a, value: '1'}]}")),
      ],
      ["rule 0 of ProxyRoute default/x"],
    ],
    [
      "everything, twice",
      [named("x", "", "{backendRef: {name: api}}"), named("y", "'*'", "{backendRef: {name: api}}")],
      ["rule 0 of ProxyRoute default/x"],
    ],
    ["another path", [named("x", "h", rule(A)), named("y", "h", rule(B))], []],
    ["another host", [named("x", "h", rule(A)), named("y", "g", rule(A))], []],
    ["one alternative is left", [named("x", "h", rule(A)), named("y", "h", rule(`${A}, ${B}`))], []],
    ["one host is left", [named("x", "h", rule(A)), named("y", "h, g", rule(A))], []],
    ["another method", [named("x", "h", rule("{method: GET}")), named("y", "h", rule("{method: POST}"))], []],
  ])("%s", (_what, routes, owners) => {
    const { diagnostics } = loadResources([
      { file: "f", content: [gateway("web", HTTP), backend, ...routes].join("") },
    ]);
    expect(diagnostics.map((each) => `${each.severity} ${each.message}`)).toEqual(
      owners.map(
        (owner) => `warning no request reaches this rule: ${owner} has the same hosts and matches, and comes first`,
      ),
    );
  });
});

describe("patterns of host names overlap", () => {
  it.each<[string, string, boolean]>([
    ["a.b", "a.b", true],
    ["a.b", "c.b", false],
    ["*.b", "a.b", true],
    ["*.b", "b", false],
    ["*.b", "x.a.b", true],
    ["*.a.b", "*.b", true],
    ["*.a", "*.b", false],
    ["api.*", "api.example", true],
    ["api.*", "apix.example", false],
    ["api.*", "*.example", true],
    ["api.*", "api.v1.*", true],
    ["*", "a.b", true],
  ])("%s and %s: %s", (a, b, expected) => {
    expect([hostnamesOverlap([a], [b]), hostnamesOverlap([b], [a])]).toEqual([expected, expected]);
  });
  it("an empty list admits all", () => {
    expect([hostnamesOverlap([], ["a"]), hostnamesOverlap(["a"], [])]).toEqual([true, true]);
  });
});
