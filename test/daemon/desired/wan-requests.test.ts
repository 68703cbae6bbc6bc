/** Policies by what requests say: what the ruleset is told, what the data plane is told, and when. */
import { describe, expect, it } from "vitest";
import { desired } from "../../../daemon/desired/desired.ts";
import type { ClassConfig } from "../../../proxy/config.ts";
import type { ClassSpec } from "../../../sdwan/underlay-plan.ts";
import type { Document } from "../world.ts";
import { DOCUMENTS, findings, policy, SETTINGS, tokensOf, wanted } from "./wan-world.ts";

const GATEWAY: Document = {
  kind: "ProxyGateway",
  metadata: { name: "web" },
  spec: { listeners: [{ name: "web", port: 80, protocol: "HTTP" }] },
};
/** Of data planes, in wan-world.ts. */
const USER = 65_534;
const matching = (name: string, match: object, priority = 100): Document => policy(name, {}, { match, priority });
const withGateway = (...policies: readonly Document[]): readonly Document[] => [...DOCUMENTS, GATEWAY, ...policies];

function specsOf(documents: readonly Document[], name: string): readonly ClassSpec[] {
  const { plan } = wanted({ documents }).wish;
  return plan?.underlay.classes.filter((each) => each.name === name) ?? [];
}
/** What the data plane is told once the rules are in the kernel. */
function classesOf(documents: readonly Document[]): readonly ClassConfig[] {
  const proxied = tokensOf(wanted({ documents }).wish);
  return wanted({ documents, facts: { proxied } }).wish.classes;
}
const problems = (policies: readonly Document[], settings: object = SETTINGS): string =>
  findings(withGateway(...policies), settings).problems.join("\n");

describe("the ruleset", () => {
  it("knows a class of requests by the data plane's user and a token, and no other packet is of it", () => {
    const documents = withGateway(
      matching("api", { paths: ["/api"], sources: ["10.1.0.0/24"], destinations: ["10.2.0.0/24"], ports: [8080] }),
    );
    const [spec, ...more] = specsOf(documents, "api");
    expect(more).toEqual([]);
    // Client and endpoint are compared by the data plane: the packet's source is this host.
    expect(spec?.match).toMatchObject({
      users: [USER],
      proxied: [spec?.mark],
      sources: [],
      destinations: [],
      ports: [],
    });
  });

  it("knows a class by host names in both ways", () => {
    const specs = specsOf(withGateway(matching("web", { hosts: ["www.example.com"] })), "web");
    expect(specs.map(({ match }) => [match.hosts, match.users, match.proxied])).toEqual([
      [["www.example.com"], [], []],
      [[], [USER], [specs[0]?.mark]],
    ]);
  });

  it("takes a token for code point 0, and gives none that packets may come with", () => {
    const others = [matching("best-effort", { dscp: [0] }, 90), matching("api", { paths: ["/api"] })];
    const specs = specsOf(withGateway(...others), "best-effort");
    const token = specsOf(withGateway(...others), "api")[0]?.match.proxied[0];
    expect(specs.map(({ match }) => [match.dscp, match.proxied])).toEqual([
      [[0], []],
      [[], [token]],
    ]);
    const taken = matching("marked", { dscp: [token] }, 80);
    const [other] = specsOf(withGateway(...others, taken), "api");
    expect(other?.match.proxied).toHaveLength(1);
    expect(other?.match.proxied).not.toEqual([token]);
  });

  it("has nothing of it on a host without a gateway", () => {
    const documents = [...DOCUMENTS, matching("api", { paths: ["/api"] }), matching("web", { hosts: ["a.example"] })];
    expect(specsOf(documents, "api")).toEqual([]);
    expect(specsOf(documents, "web").map(({ match }) => match.proxied)).toEqual([[]]);
  });

  it("gives different tokens, and each the same one when others come and go", () => {
    const names = ["a", "b", "c", "d"];
    const one = (name: string): Document => matching(name, { paths: [`/${name}`] });
    const all = wanted({ documents: withGateway(...names.map(one)) });
    const before = tokensOf(all.wish);
    expect(new Set(before.values()).size).toBe(4);
    const after = tokensOf(wanted({ documents: withGateway(one("d"), one("b")), marks: all.marks }).wish);
    expect([after.get("b"), after.get("d")]).toEqual([before.get("b"), before.get("d")]);
  });
});

describe("the data plane", () => {
  it("is told nothing before the rules are in the kernel", () => {
    const documents = withGateway(matching("api", { paths: ["/api"] }));
    expect(wanted({ documents }).wish.classes).toEqual([]);
    expect(classesOf(documents)).toMatchObject([{ name: "api", paths: ["/api"] }]);
    // A token that the rules have for the class until now, and not any more.
    const [token] = tokensOf(wanted({ documents }).wish).values();
    expect(wanted({ documents, facts: { proxied: new Map([["api", Number(token) + 1]]) } }).wish.classes).toEqual([]);
  });

  it("gets all fields, in the order of priorities", () => {
    const match = {
      hosts: ["*.example.com"],
      paths: ["/api", "/v2/"],
      headers: { "X-Tenant": "blue" },
      sources: ["10.1.0.0/24"],
      destinations: ["10.2.0.0/24"],
      protocols: ["tcp"],
      ports: ["8000-8080", 9000],
    };
    const told = classesOf(withGateway(matching("low", { paths: ["/"] }, 1), matching("high", match, 500)));
    expect(told.map(({ name }) => name)).toEqual(["high", "low"]);
    const { protocols: _, ...same } = match;
    expect(told[0]).toMatchObject({
      ...same,
      headers: [{ name: "X-Tenant", value: "blue" }],
      ports: [
        [8000, 8080],
        [9000, 9000],
      ],
    });
  });

  it("leaves out what no request can be", () => {
    const told = classesOf(
      withGateway(
        matching("udp", { hosts: ["a.example"], protocols: ["udp"] }),
        matching("forwarded", { hosts: ["a.example"], interfaces: ["lan0"] }),
        matching("coded", { hosts: ["a.example"], dscp: ["EF"] }),
        matching("others", { hosts: ["a.example"], users: ["backup"] }),
        matching("own", { hosts: ["a.example"], users: [USER] }),
      ),
    );
    expect(told.map(({ name }) => name)).toEqual(["own"]);
  });

  it("is told anew, with another version, when a class changes", () => {
    const version = (path: string): string => {
      const documents = withGateway(matching("api", { paths: [path] }));
      const { settings, resources, facts } = wanted({
        documents,
        facts: { proxied: tokensOf(wanted({ documents }).wish) },
      });
      return desired(settings, resources, { allocations: [], problems: [] }, facts).proxy.version;
    };
    expect(version("/a")).toBe(version("/a"));
    expect(version("/a")).not.toBe(version("/b"));
  });

  it("has no classes where it has no user of its own, and that is said", () => {
    const documents = withGateway(matching("web", { hosts: ["a.example"] }));
    const { classes, conditions, plan } = wanted({ documents, facts: { dataplaneUser: undefined } }).wish;
    expect(classes).toEqual([]);
    expect(plan?.underlay.classes.flatMap(({ match }) => match.proxied)).toEqual([]);
    expect(conditions.filter(({ code }) => code === "WAN_INCOMPLETE").map(({ message }) => message)).toEqual([
      "requests through the proxy are not matched: data planes have no user of their own on this host",
    ]);
  });
});

describe("a policy that asks of requests", () => {
  it.each([
    [
      { paths: ["/a"], interfaces: ["lan0"] },
      "paths are those of requests that the proxy carries, which have no interfaces",
    ],
    [
      { headers: { a: "b" }, users: ["backup"] },
      "headers are those of requests that the proxy carries, which have no users",
    ],
    [{ paths: ["/a"], dscp: ["EF"] }, "which have no dscp"],
    [{ paths: ["/a"], protocols: ["udp"] }, "which have no other protocol than tcp"],
    [{ headers: { Host: "a.example" } }, "the header Host is what hosts is for"],
    [{ headers: { "X-A": "1", "x-a": "2" } }, "header x-a twice"],
    [{ paths: ["/a", "/a"] }, "entry /a twice"],
    [{ paths: ["api"] }, "a path beginning with '/'"],
    [{ paths: ["/a/../b"] }, "dot segments"],
    [{ headers: { "a b": "c" } }, "expected names of headers with their values"],
  ])("%j is refused: %s", (match, words) => {
    expect(problems([matching("p", match)])).toContain(words);
  });

  it("is refused where data planes are root, and where code points leave no room", () => {
    const root = { ...SETTINGS, dataplane: { user: "root" } };
    expect(problems([matching("p", { paths: ["/a"] })], root)).toContain("dataplane.user is root");
    const all = matching("q", { dscp: Array.from({ length: 63 }, (_, index) => index + 1) });
    expect(problems([matching("p", { paths: ["/a"] }), all])).toContain("at most 0 policies of requests");
  });
});
