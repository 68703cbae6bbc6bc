import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Fault } from "../../base/fault.ts";
import { formatDiagnostic } from "../../resources/diagnostic.ts";
import { everything, idOf } from "../../resources/kinds.ts";
import { loadResources, readDirectory } from "../../resources/load.ts";

const HEAD = "apiVersion: novaedge.io/v1alpha1\n";
const resource = (kind: string, name: string, spec: string): string =>
  `${HEAD}kind: ${kind}\nmetadata: {name: ${name}}\nspec: ${spec}\n`;
const VIP = resource("ProxyVIP", "edge", "{address: 192.0.2.10, mode: L2ARP, ports: [80]}");
const GATEWAY = resource("ProxyGateway", "web", "{vipRef: edge, listeners: [{name: http, port: 80, protocol: HTTP}]}");
const BACKEND = resource("ProxyBackend", "api", "{endpoints: [{address: 10.0.0.1, port: 8080}]}");
const ROUTE = resource("ProxyRoute", "all", "{parentRefs: [{name: web}], rules: [{backendRef: {name: api}}]}");
const join4 = (...documents: readonly string[]): string => documents.join("---\n");
const GOOD = join4(VIP, GATEWAY, ROUTE, BACKEND);

const problems = (content: string): readonly string[] =>
  loadResources([{ file: "f.yaml", content }]).diagnostics.map(
    (each) => formatDiagnostic(each).split("\n", 1)[0] ?? "",
  );

describe("a right configuration", () => {
  it("loads without a word, in the order of names", () => {
    const { resources, diagnostics } = loadResources([{ file: "f.yaml", content: GOOD }]);
    expect(diagnostics).toEqual([]);
    expect(everything(resources).map(idOf)).toEqual([
      "ProxyGateway/default/web",
      "ProxyRoute/default/all",
      "ProxyBackend/default/api",
      "ProxyVIP/edge",
    ]);
  });
  it("may stand in any order and in many files", () => {
    const files = [BACKEND, ROUTE, VIP, GATEWAY].map((content, index) => ({ file: `${index}.yaml`, content }));
    expect(loadResources(files).diagnostics).toEqual([]);
  });
  it("may be a List, as get -o yaml prints it", () => {
    const content = JSON.stringify({
      kind: "List",
      items: [
        {
          apiVersion: "novaedge.io/v1alpha1",
          kind: "ProxyIPPool",
          metadata: { name: "p" },
          spec: { cidrs: ["10.0.0.0/24"] },
        },
      ],
    });
    const { resources, diagnostics } = loadResources([{ file: "f.yaml", content }]);
    expect([diagnostics, resources.pools.length]).toEqual([[], 1]);
  });
});

describe("every problem is reported, with its place and what would be right", () => {
  it.each<[string, string, string]>([
    [
      "an unknown field",
      GOOD.replace("vipRef: edge", "vipref: edge"),
      'f.yaml:9:8: error: unknown field "vipref" in spec [FIELD_UNKNOWN]',
    ],
    [
      "a wrong type",
      GOOD.replace("ports: [80]", 'ports: ["80"]'),
      'f.yaml:4:50: error: spec.ports[0]: "80" is not accepted; expected a port from 1 to 65535 [VALUE]',
    ],
    [
      "a missing field",
      GOOD.replace(", mode: L2ARP", ""),
      'f.yaml:4:1: error: missing required field "spec.mode"; expected one of L2ARP, BGP, OSPF [FIELD_MISSING]',
    ],
    [
      "an empty list",
      GOOD.replace("ports: [80]", "ports: []"),
      "f.yaml:4:49: error: spec.ports: an empty list is not accepted; expected at least one port [VALUE]",
    ],
    [
      "a protocol of later",
      GOOD.replace("protocol: HTTP", "protocol: HTTPS"),
      "f.yaml:9:67: error: spec.listeners[0].protocol: HTTPS is known, but not supported in this version [NOT_SUPPORTED]",
    ],
    [
      "a field of later",
      GOOD.replace("{endpoints:", "{serviceRef: {name: x, port: 1}, endpoints:"),
      "f.yaml:19:8: error: spec.serviceRef is known, but not supported in this version [NOT_SUPPORTED]",
    ],
    [
      "a kind of later",
      resource("ProxyPolicy", "x", "{}"),
      "f.yaml:2:7: error: kind ProxyPolicy is known, but not supported in this version [NOT_SUPPORTED]",
    ],
    ["an unknown kind", resource("ProxyVip", "x", "{}"), "f.yaml:2:7: error: unknown kind ProxyVip [KIND_UNKNOWN]"],
    [
      "another group",
      BACKEND.replace("novaedge.io/v1alpha1", "v1"),
      'f.yaml:1:13: error: apiVersion "v1" is not read here [KIND_UNKNOWN]',
    ],
    [
      "no mapping",
      "hello",
      "f.yaml:1:1: error: a document must be a resource: a mapping with apiVersion, kind, metadata and spec [KIND_UNKNOWN]",
    ],
    [
      "a server's field",
      GOOD.replace("{name: edge}", "{name: edge, uid: x}"),
      "f.yaml:3:24: error: metadata.uid is set by a server [NOT_SUPPORTED]",
    ],
    [
      "a namespace where there is none",
      GOOD.replace("{name: edge}", "{name: edge, namespace: x}"),
      "f.yaml:3:24: error: a ProxyVIP belongs to no namespace [NOT_SUPPORTED]",
    ],
    ["a name twice", `${GOOD}---\n${VIP}`, "f.yaml:23:18: error: ProxyVIP/edge is defined twice [DUPLICATE]"],
    [
      "a bad choice of a filter",
      GOOD.replace("rules: [{", "rules: [{filters: [{type: AddHeadr, add: []}], "),
      'f.yaml:14:61: error: spec.rules[0].filters[0].type: "AddHeadr" is not accepted; expected one of AddHeader, RemoveHeader, ResponseAddHeader, ResponseSetHeader, ResponseRemoveHeader, RequestRedirect, URLRewrite [VALUE]',
    ],
  ])("%s", (_what, content, expected) => {
    expect(problems(content)).toEqual([expected]);
  });

  it("all at once, in the order of the file", () => {
    const content = GOOD.replace("ports: [80]", "ports: [0, x], foo: 1").replace("port: 8080", "prot: 8080");
    expect(problems(content).map((each) => each.split(": ")[0])).toEqual([
      "f.yaml:4:50",
      "f.yaml:4:53",
      "f.yaml:4:57",
      "f.yaml:19:20",
      "f.yaml:19:40",
    ]);
  });
  it("a reference to what is there but wrong does not dangle", () => {
    expect(problems(GOOD.replace("L2ARP", "RIP"))).toHaveLength(1);
  });
  it("a hint names what was probably meant", () => {
    const { diagnostics } = loadResources([{ file: "f", content: GOOD.replace("mode: L2ARP", "mode: L2APR") }]);
    expect(diagnostics[0]?.hint).toBe('did you mean "L2ARP"?');
  });
});

describe("fields that contradict each other", () => {
  it.each<[string, string, string]>([
    [
      "backendRef beside backendRefs",
      GOOD.replace("backendRef:", "backendRefs: [{name: api}], backendRef:"),
      "CONTRADICTION",
    ],
    ["a rule without a backend", GOOD.replace("{backendRef: {name: api}}", "{timeout: 1s}"), "FIELD_MISSING"],
    [
      "a redirect with a backend",
      GOOD.replace("{backendRef:", "{filters: [{type: RequestRedirect, redirectURL: /x}], backendRef:"),
      "CONTRADICTION",
    ],
    [
      "timeout twice",
      GOOD.replace("{backendRef:", "{timeout: 1s, limits: {requestTimeout: 1s}, backendRef:"),
      "CONTRADICTION",
    ],
    [
      "body size twice",
      GOOD.replace("{backendRef:", "{maxRequestBodySize: 1, limits: {maxRequestBodySize: 1}, backendRef:"),
      "CONTRADICTION",
    ],
    [
      "two rewrites",
      GOOD.replace(
        "{backendRef:",
        "{filters: [{type: URLRewrite, rewritePath: /a}, {type: URLRewrite, rewritePath: /b}], backendRef:",
      ),
      "CONTRADICTION",
    ],
    [
      "two listeners of a name",
      GOOD.replace("protocol: HTTP}", "protocol: HTTP}, {name: http, port: 80, protocol: HTTP}"),
      "DUPLICATE",
    ],
    ["an endpoint twice", GOOD.replace("port: 8080}", "port: 8080}, {address: 10.0.0.1, port: 8080}"), "DUPLICATE"],
    [
      "two health paths",
      GOOD.replace("{endpoints", "{healthCheck: {httpPath: /, httpHealthCheck: {path: /}}, endpoints"),
      "CONTRADICTION",
    ],
    [
      "a timeout above the interval",
      GOOD.replace("{endpoints", "{healthCheck: {interval: 1s, timeout: 2s}, endpoints"),
      "CONTRADICTION",
    ],
    ["a family against the address", GOOD.replace("mode:", "addressFamily: ipv6, mode:"), "CONTRADICTION"],
    [
      "an IPv6 address in family ipv4",
      GOOD.replace("mode:", "ipv6Address: '2001:db8::1', addressFamily: ipv4, mode:"),
      "CONTRADICTION",
    ],
    ["dual with one address", GOOD.replace("mode:", "addressFamily: dual, mode:"), "CONTRADICTION"],
    ["a delay without preempt", GOOD.replace("mode:", "l2: {preemptDelay: 1s}, mode:"), "CONTRADICTION"],
    ["a port twice", GOOD.replace("ports: [80]", "ports: [80, 80]"), "DUPLICATE"],
    ["an empty pool", resource("ProxyIPPool", "p", "{}"), "FIELD_MISSING"],
    ["an address twice in a pool", resource("ProxyIPPool", "p", "{addresses: [10.0.0.1, 10.0.0.1]}"), "DUPLICATE"],
    [
      "a header that the proxy owns",
      GOOD.replace("{backendRef:", "{filters: [{type: RemoveHeader, remove: [Content-Length]}], backendRef:"),
      "VALUE",
    ],
    [
      "a bad regular expression",
      GOOD.replace("{backendRef:", "{matches: [{path: {type: RegularExpression, value: '('}}], backendRef:"),
      "VALUE",
    ],
  ])("%s", (_what, content, code) => {
    const { diagnostics } = loadResources([{ file: "f", content }]);
    expect(diagnostics.map((each) => each.code)).toContain(code);
  });
});

describe("the seeds' own examples", () => {
  it("are understood, and what is not built yet is refused by its own message", () => {
    const content = `${HEAD}kind: ProxyBackend
metadata: {name: api-backend, namespace: default}
spec:
  serviceRef: {name: api-service, port: 8080}
  lbPolicy: P2C
  multiCluster: {enabled: true, localityAware: true}
  healthCheck:
    interval: 10s
    httpHealthCheck: {path: /health}
---
${HEAD}kind: ProxyRoute
metadata: {name: geo-route, namespace: default}
spec:
  parentRefs: [{name: global-gateway}]
  hostnames: [api.example.com]
  rules:
    - matches:
        - headers: [{name: X-Client-Region, value: us-*, type: RegularExpression}]
      backendRef:
        name: api-backend
        clusterSelector: {matchLabels: {region: us-west}}
    - backendRef: {name: api-backend}
`;
    expect(problems(content)).toEqual([
      'f.yaml:4:1: error: missing required field "spec.endpoints"; expected a list [FIELD_MISSING]',
      "f.yaml:5:3: error: spec.serviceRef is known, but not supported in this version [NOT_SUPPORTED]",
      "f.yaml:6:13: error: spec.lbPolicy: P2C is known, but not supported in this version [NOT_SUPPORTED]",
      "f.yaml:7:3: error: spec.multiCluster is known, but not supported in this version [NOT_SUPPORTED]",
      "f.yaml:23:9: error: spec.rules[0].backendRef.clusterSelector is known, but not supported in this version [NOT_SUPPORTED]",
    ]);
  });
});

describe("readDirectory", () => {
  it("takes *.yaml and *.yml in name order, no hidden files", () => {
    const directory = mkdtempSync(join(tmpdir(), "novaedge-test-"));
    try {
      for (const name of ["b.yml", "a.yaml", ".hidden.yaml", "c.txt", "d.yaml~"])
        writeFileSync(join(directory, name), "");
      expect(readDirectory(directory).map(({ file }) => file.slice(directory.length + 1))).toEqual(["a.yaml", "b.yml"]);
    } finally {
      rmSync(directory, { recursive: true });
    }
  });
  it("passes over pipes and broken links, refuses a huge file without reading it", () => {
    const directory = mkdtempSync(join(tmpdir(), "novaedge-test-"));
    try {
      execFileSync("mkfifo", [join(directory, "pipe.yaml")]);
      symlinkSync("/nonexistent", join(directory, "broken.yaml"));
      writeFileSync(join(directory, "huge.yaml"), "");
      truncateSync(join(directory, "huge.yaml"), 2 ** 40);
      expect(loadResources(readDirectory(directory)).diagnostics.map((each) => each.code)).toEqual(["FILE_TOO_BIG"]);
    } finally {
      rmSync(directory, { recursive: true });
    }
  });
  it("a missing directory is a Fault", () => {
    expect(() => readDirectory("/nonexistent")).toThrow(Fault);
  });
});

describe("any document", () => {
  const value = fc.letrec((tie) => ({
    any: fc.oneof(
      { maxDepth: 5 },
      fc.jsonValue({ maxDepth: 1 }),
      fc.array(tie("any"), { maxLength: 3 }),
      tie("object"),
    ),
    object: fc.dictionary(
      fc.constantFrom(
        "spec",
        "rules",
        "matches",
        "path",
        "type",
        "value",
        "listeners",
        "name",
        "port",
        "filters",
        "endpoints",
        "l2",
        "__proto__",
        "constructor",
        "healthCheck",
        "metadata",
      ),
      tie("any"),
      { maxKeys: 5 },
    ),
  })).any;
  it("never throws", () => {
    const kinds = fc.constantFrom(
      "ProxyGateway",
      "ProxyRoute",
      "ProxyBackend",
      "ProxyVIP",
      "ProxyIPPool",
      "constructor",
      "List",
    );
    fc.assert(
      fc.property(kinds, value, value, (kind, spec, metadata) => {
        const inside = kind === "List" ? { items: spec } : { spec };
        const document = { apiVersion: "novaedge.io/v1alpha1", kind, metadata, ...inside };
        loadResources([{ file: "f", content: JSON.stringify(document) }]);
      }),
      { numRuns: 3000 },
    );
  });
});
