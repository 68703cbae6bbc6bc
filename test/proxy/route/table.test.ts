import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { MatchConfig, RuleConfig } from "../../../proxy/config.ts";
import type { RequestHead } from "../../../proxy/http1/head.ts";
import { compileRouter, type Router } from "../../../proxy/route/table.ts";
import { requestHead } from "../http1/messages.ts";
import { best } from "./reference.ts";

type Match = Partial<Omit<MatchConfig, "path">> & {
  readonly path?: readonly ["Exact" | "PathPrefix" | "RegularExpression", string];
};

function match({ path, ...rest }: Match): MatchConfig {
  return {
    path: path === undefined ? undefined : { type: path[0], value: path[1] },
    method: undefined,
    headers: [],
    queryParams: [],
    ...rest,
  };
}
function rule(route: string, hostnames: readonly string[], matches: readonly Match[] = [], index = 0): RuleConfig {
  return {
    route,
    index,
    hostnames,
    matches: matches.map(match),
    filters: [],
    backends: [],
    timeout: undefined,
    maxRequestBodySize: undefined,
  };
}
function router(rules: readonly RuleConfig[], hostnames: readonly string[] = []): Router {
  const compiled = compileRouter(rules, hostnames);
  if (!compiled.ok) throw new TypeError(JSON.stringify(compiled.error));
  return compiled.value;
}
function request(host: string, target = "/", method = "GET", more = ""): RequestHead {
  const head = requestHead(`${method} ${target} HTTP/1.1\r\nHost: ${host}\r\n${more}\r\n`);
  if (typeof head === "string") throw new TypeError(head);
  return head;
}
/** Each rule must win against all those after it, in whatever order the list is. */
function winner(rules: readonly RuleConfig[], head: RequestHead): string | undefined {
  const found = router(rules).find(head)?.rule.route;
  expect(router(rules.toReversed()).find(head)?.rule.route).toBe(found);
  return found;
}

describe("hosts", () => {
  test.each([
    ["a.example", "a.example", true],
    ["a.example", "A.EXAMPLE:8080", true],
    ["A.Example", "a.example.", true],
    ["a.example", "b.a.example", false],
    ["*.example.com", "a.example.com", true],
    ["*.example.com", "a.b.example.com:80", true],
    ["*.example.com", "example.com", false],
    ["*.example.com", "fooexample.com", false],
    ["*.example.com", "a.example.com.evil", false],
    ["api.*", "api.example", true],
    ["api.*", "API.a.b", true],
    ["api.*", "api", false],
    ["api.*", "apix.example", false],
    ["api.*", "x.api.example", false],
    ["*", "whatever", true],
    ["192.0.2.1", "192.0.2.1:80", true],
    ["[2001:db8::1]", "[2001:DB8::1]:80", true],
  ])("%s and %s: %s", (pattern, host, matches) => {
    const found = router([rule("r", [pattern])]).find(request(host));
    expect(found !== undefined).toBe(matches);
    expect(router([rule("r", [])], [pattern]).admits(request(host))).toBe(matches);
  });
  test("exact, then the longer suffix, then the longer prefix, then any", () => {
    const rules = [
      rule("exact", ["api.a.example"]),
      rule("long-suffix", ["*.a.example"]),
      rule("suffix", ["*.example"]),
      rule("long-prefix", ["api.a.*"]),
      rule("prefix", ["api.*"]),
      rule("any", ["*"]),
    ];
    for (const [index, { route }] of rules.entries())
      expect(winner(rules.slice(index), request("api.a.example"))).toBe(route);
  });
  test("a more specific host whose conditions fail leaves the request to a less specific one", () => {
    const rules = [
      rule("a", ["a.example"], [{ path: ["PathPrefix", "/x"] }]),
      rule("b", ["*.example"], [{ method: "POST" }]),
      rule("c", []),
    ];
    expect(winner(rules, request("a.example", "/x/y"))).toBe("a");
    expect(winner(rules, request("a.example", "/z", "POST"))).toBe("b");
    expect(winner(rules, request("a.example", "/z"))).toBe("c");
  });
  test("a request without a host reaches only what takes any", () => {
    const head = requestHead("GET / HTTP/1.0\r\n\r\n");
    if (typeof head === "string") throw new TypeError(head);
    expect(winner([rule("a", ["*.x", "a.*", "a"]), rule("z", [])], head)).toBe("z");
  });
  test("a listener's hostnames admit or not, whatever the rules", () => {
    const served = router([rule("r", [])], ["*.example"]);
    expect(served.find(request("a.example"))?.rule.route).toBe("r");
    expect(served.find(request("a.other"))).toBeUndefined();
    expect(served.admits(request("a.other"))).toBe(false);
  });
  test("very many labels", () => {
    expect(winner([rule("r", ["*.z"])], request(`${"a.".repeat(2000)}z`))).toBe("r");
  });
});

describe("paths", () => {
  test.each([
    ["Exact", "/a", "/a", true],
    ["Exact", "/a", "/a/", false],
    ["Exact", "/a", "/A", false],
    ["Exact", "/a", "/a?b", true],
    ["Exact", "/a", "//a", true],
    ["Exact", "/a/b", "/a/x/../b", true],
    ["Exact", "/%61", "/a", true],
    ["Exact", "/é", "/%c3%A9", true],
    ["Exact", "/", "/", true],
    ["PathPrefix", "/api", "/api", true],
    ["PathPrefix", "/api", "/api/", true],
    ["PathPrefix", "/api", "/api/x", true],
    ["PathPrefix", "/api", "/apiv2", false],
    ["PathPrefix", "/api", "/", false],
    ["PathPrefix", "/api/", "/api", true],
    ["PathPrefix", "/api/", "/api/x", true],
    ["PathPrefix", "/api", "/public/../api/x", true],
    ["PathPrefix", "/api", "/api/../x", false],
    ["PathPrefix", "/api", "/%61pi/x", true],
    ["PathPrefix", "/api", "//api//x", true],
    ["PathPrefix", "/", "/x", true],
    ["PathPrefix", "/", "/", true],
    ["RegularExpression", "/a+", "/aa", true],
    ["RegularExpression", "/a+", "/aab", false],
    ["RegularExpression", "/a|/b", "/b", true],
    ["RegularExpression", "/a|/b", "/bc", false],
    ["RegularExpression", "/v[0-9]/.*", "/v1/x?y", true],
  ] as const)("%s %s and %s: %s", (type, value, target, matches) => {
    expect(router([rule("r", [], [{ path: [type, value] }])]).find(request("h", target)) !== undefined).toBe(matches);
  });
  test("exact, then the longer prefix, then a pattern, then none", () => {
    const rules = [
      rule("exact", [], [{ path: ["Exact", "/a/b"] }]),
      rule("long", [], [{ path: ["PathPrefix", "/a/b"] }]),
      rule("short", [], [{ path: ["PathPrefix", "/a"] }]),
      rule("root", [], [{ path: ["PathPrefix", "/"] }]),
      rule("pattern", [], [{ path: ["RegularExpression", "/a/."] }]),
      rule("none", []),
    ];
    for (const [index, { route }] of rules.entries())
      expect(winner(rules.slice(index), request("h", "/a/b"))).toBe(route);
  });
  test("RFC 9112 §3.2.4: OPTIONS * has no path to match", () => {
    const head = requestHead("OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n");
    if (typeof head === "string") throw new TypeError(head);
    expect(winner([rule("r", [], [{ path: ["PathPrefix", "/"] }])], head)).toBeUndefined();
    expect(winner([rule("r", [])], head)).toBe("r");
  });
  test("the matched prefix is told, for rewriting", () => {
    const found = router([rule("r", [], [{ path: ["PathPrefix", "/%61pi/"] }])]).find(request("h", "/api/x"));
    expect(found?.replaced).toBe(4);
    expect(router([rule("r", [], [{ path: ["Exact", "/a"] }])]).find(request("h", "/a"))?.replaced).toBeUndefined();
  });
});

describe("conditions", () => {
  const header = (name: string, value: string, type: "Exact" | "RegularExpression" = "Exact") => ({
    name,
    type,
    value,
  });
  test.each([
    [{ method: "POST" }, "/", "POST", "", true],
    [{ method: "POST" }, "/", "GET", "", false],
    [{ method: "PURGE" }, "/", "PURGE", "", true],
    [{ method: "PURGE" }, "/", "LINK", "", false],
    [{ headers: [header("X-A", "b")] }, "/", "GET", "x-a:  b \r\n", true],
    [{ headers: [header("X-A", "b")] }, "/", "GET", "x-a: B\r\n", false],
    [{ headers: [header("X-A", "b")] }, "/", "GET", "x-a: c\r\nX-A: b\r\n", true],
    [{ headers: [header("X-A", "b")] }, "/", "GET", "", false],
    [{ headers: [header("X-A", "")] }, "/", "GET", "X-A:\r\n", true],
    [{ headers: [header("X-A", "b.*", "RegularExpression")] }, "/", "GET", "X-A: bc\r\n", true],
    [{ headers: [header("X-A", "b.*", "RegularExpression")] }, "/", "GET", "X-A: abc\r\n", false],
    [{ headers: [header("X-A", ".", "RegularExpression")] }, "/", "GET", "X-A: \xc3\xa9\r\n", true],
    [{ headers: [header("X-A", ".", "RegularExpression")] }, "/", "GET", "X-A: \xe9\r\n", true],
    [{ queryParams: [header("a", "b")] }, "/?a=b", "GET", "", true],
    [{ queryParams: [header("a", "b")] }, "/?x&a=b&y", "GET", "", true],
    [{ queryParams: [header("a", "b")] }, "/?a=c&a=b", "GET", "", true],
    [{ queryParams: [header("a", "b")] }, "/?ba=b", "GET", "", false],
    [{ queryParams: [header("a", "")] }, "/?a", "GET", "", true],
    [{ queryParams: [header("a", "")] }, "/?a=", "GET", "", true],
    [{ queryParams: [header("a", "")] }, "/?b", "GET", "", false],
    [{ queryParams: [header("a b", "c=d é")] }, "/?a+b=c=d%20%c3%a9", "GET", "", true],
    [{ queryParams: [header("a", "%zz%")] }, "/?a=%zz%", "GET", "", true],
    [{ queryParams: [header("a", "[0-9]+", "RegularExpression")] }, "/?a=12", "GET", "", true],
    [{ queryParams: [header("a", "[0-9]+", "RegularExpression")] }, "/?a=1x", "GET", "", false],
    [{ queryParams: [header("a", "b")] }, "/", "GET", "", false],
  ] as const)("%j, %s %s %j: %s", (conditions, target, method, more, holds) => {
    expect(router([rule("r", [], [conditions])]).find(request("h", target, method, more)) !== undefined).toBe(holds);
  });
  test("a method, then more headers, then more parameters, then the name, then the index", () => {
    const a = header("A", "1");
    const b = header("B", "1");
    const rules = [
      rule("1", [], [{ method: "GET", headers: [a] }]),
      rule("2", [], [{ method: "GET" }]),
      rule("3", [], [{ headers: [a, b] }]),
      rule("4", [], [{ headers: [a], queryParams: [a] }]),
      rule("5", [], [{ headers: [a] }]),
      rule("6", [], [{ queryParams: [a, b] }]),
      rule("7", [], [{ queryParams: [a] }]),
      rule("8", []),
      rule("9", []),
    ];
    const head = request("h", "/?A=1&B=1", "GET", "A: 1\r\nB: 1\r\n");
    for (const [index, { route }] of rules.entries()) expect(winner(rules.slice(index), head)).toBe(route);
    const found = router([rule("x", [], [], 1), rule("x", [], [], 0)]).find(head);
    expect([found?.rule.index, found?.ruleIndex]).toEqual([0, 1]);
  });
  test("of a rule's alternatives the best is told", () => {
    const found = router([rule("r", [], [{ path: ["PathPrefix", "/"] }, { path: ["PathPrefix", "/a"] }])]).find(
      request("h", "/a/b"),
    );
    expect([found?.match?.path?.value, found?.replaced]).toEqual(["/a", 2]);
  });
});

describe("what cannot be compiled is refused", () => {
  test.each([
    [rule("r", ["a*"]), "hostname"],
    [rule("r", ["*.*"]), "hostname"],
    [rule("r", ["a b"]), "hostname"],
    [rule("r", [""]), "hostname"],
    [rule("r", ["a:80"]), "hostname"],
    [rule("r", [], [{ path: ["Exact", "a"] }]), "path"],
    [rule("r", [], [{ path: ["PathPrefix", ""] }]), "path"],
    [rule("r", [], [{ path: ["Exact", "/a?b"] }]), "path"],
    [rule("r", [], [{ path: ["Exact", "/../a"] }]), "path"],
    [rule("r", [], [{ path: ["RegularExpression", "("] }]), "pattern"],
    [rule("r", [], [{ path: ["RegularExpression", "a)(?:b"] }]), "pattern"],
    [rule("r", [], [{ method: "G T" }]), "method"],
    [rule("r", [], [{ headers: [{ name: "a b", type: "Exact", value: "" }] }]), "field-name"],
    [rule("r", [], [{ headers: [{ name: "a", type: "RegularExpression", value: "[" }] }]), "pattern"],
  ])("%j: %s", (bad, kind) => {
    expect(compileRouter([rule("good", []), bad])).toMatchObject({ ok: false, error: { kind, route: "r", index: 0 } });
  });
  test("a listener's hostname", () => {
    expect(compileRouter([], ["a*b"])).toMatchObject({ ok: false, error: { kind: "hostname" } });
  });
});

describe("against the naive reference", () => {
  const hostname = fc.constantFrom("a.x", "b.a.x", "*.x", "*.a.x", "a.*", "b.a.*", "b.*", "*", "x", "A.X");
  const path = fc.constantFrom<NonNullable<Match["path"]> | undefined>(
    undefined,
    ["Exact", "/"],
    ["Exact", "/a"],
    ["Exact", "/a/b"],
    ["Exact", "/a/"],
    ["PathPrefix", "/"],
    ["PathPrefix", "/a"],
    ["PathPrefix", "/a/"],
    ["PathPrefix", "/a/b"],
    ["PathPrefix", "/b/../a"],
    ["RegularExpression", "/a.*"],
    ["RegularExpression", "/[ab]"],
    ["RegularExpression", ".*"],
  );
  const value = fc.record({
    name: fc.constantFrom("p", "q"),
    type: fc.constantFrom("Exact" as const, "RegularExpression" as const),
    value: fc.constantFrom("1", "2", ""),
  });
  const anyMatch = fc
    .record({
      path,
      method: fc.constantFrom(undefined, undefined, "GET", "POST"),
      headers: fc.array(value, { maxLength: 2 }),
      queryParams: fc.array(value, { maxLength: 2 }),
    })
    .map(({ path: given, ...rest }): Match => (given === undefined ? rest : { path: given, ...rest }));
  const anyRule = fc
    .tuple(
      fc.constantFrom("r1", "r2", "r3"),
      fc.array(hostname, { maxLength: 3 }),
      fc.array(anyMatch, { maxLength: 3 }),
      fc.nat(3),
    )
    .map(([route, hosts, matches, index]) => rule(route, hosts, matches, index));
  const anyRequest = fc
    .tuple(
      fc.constantFrom("a.x", "b.a.x", "c.b.a.x", "a.y", "b.a.y", "x", "y", "B.A.X:80"),
      fc.constantFrom("/", "/a", "/a/", "/a/b", "/a/b/c", "/ab", "/b", "//a", "/b/../a/./b", "/%61"),
      fc.constantFrom("", "?p=1", "?p=2&q=1", "?p=1&p=2", "?p"),
      fc.constantFrom("GET", "POST", "HEAD"),
      fc.constantFrom("", "p: 1\r\n", "p: 2\r\nq: 1\r\n", "P: 1\r\np: 2\r\n", "p:\r\n"),
    )
    .map(([host, at, query, method, more]) => ({ host, target: at + query, method, more }));

  test("the same choice for any overlapping set of rules, in any order", () => {
    fc.assert(
      fc.property(
        fc.array(anyRule, { maxLength: 12 }),
        fc.array(anyRequest, { minLength: 1, maxLength: 4 }),
        (rules, requests) => {
          // distinct routes, as the resources guarantee: otherwise two rules could be equal in all that decides
          const distinct = rules.map((each, at) => ({ ...each, index: each.index * 100 + at }));
          const compiled = router(distinct);
          const reversed = router(distinct.toReversed());
          for (const { host, target, method, more } of requests) {
            const head = request(host, target, method, more);
            const found = compiled.find(head);
            const expected = best(distinct, { host, target, method, fields: more });
            expect([found?.rule.route, found?.rule.index, found?.match]).toEqual([
              expected?.rule.route,
              expected?.rule.index,
              expected?.match,
            ]);
            expect(reversed.find(head)?.rule.index).toBe(found?.rule.index);
            if (found !== undefined) expect(distinct[found.ruleIndex]).toBe(found.rule);
          }
        },
      ),
      { numRuns: 2_000 },
    );
  });
});
