/** What the schemas accept, the data plane can compile: a configuration is refused where it is written, or not at all. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { compileEdits } from "../../proxy/http1/edits.ts";
import { compileRouter } from "../../proxy/route/table.ts";
import { DOCUMENTS, world } from "./world.ts";

const letters = (alphabet: string): fc.Arbitrary<string> =>
  fc.array(fc.constantFrom(...Array.from(alphabet)), { maxLength: 10 }).map((each) => each.join(""));
const path = fc.oneof(
  letters("/a.%2ef;?# \\*~é").map((each) => `/${each}`),
  fc.string({ maxLength: 8 }).map((each) => `/${each}`),
);
const hostname = fc.oneof(letters("a-.*_[]:1"), fc.string({ maxLength: 6 }));
const pattern = fc.oneof(letters("a()[]{}*+?|\\^$pL"), fc.string({ maxLength: 6 }));
const name = fc.oneof(letters("aX-!: é"), fc.constantFrom("Host", "te", "expect", "X-A"));
const value = fc.oneof(letters("a \t\r\n\u0000é€"), fc.string({ maxLength: 6 }));
const choice = fc.constantFrom("Exact", "PathPrefix", "RegularExpression");
const valueMatch = fc.record({
  type: fc.constantFrom("Exact", "RegularExpression"),
  name,
  value: fc.oneof(pattern, value),
});
const filter = fc.oneof(
  fc.record({
    type: fc.constant("AddHeader"),
    add: fc.array(fc.record({ name, value }), { minLength: 1, maxLength: 2 }),
  }),
  fc.record({
    type: fc.constant("ResponseRemoveHeader"),
    responseRemove: fc.array(name, { minLength: 1, maxLength: 2 }),
  }),
  fc.record({ type: fc.constant("URLRewrite"), rewritePath: path }),
);
const rule = fc.record({
  matches: fc.array(
    fc.oneof(
      fc.record({ path: fc.record({ type: choice, value: fc.oneof(path, pattern) }) }),
      fc.record({ headers: fc.array(valueMatch, { maxLength: 1 }) }),
      fc.record({ queryParams: fc.array(valueMatch, { maxLength: 1 }) }),
    ),
    { maxLength: 1 },
  ),
  filters: fc.array(filter, { maxLength: 1 }),
  backendRef: fc.constant({ name: "api" }),
});

describe("every route that is accepted compiles", () => {
  it("paths, hosts, expressions, headers, filters", () => {
    let accepted = 0;
    fc.assert(
      fc.property(rule, fc.option(hostname, { nil: undefined }), (one, host) => {
        const route = {
          kind: "ProxyRoute",
          metadata: { name: "r", namespace: "shop" },
          spec: { parentRefs: [{ name: "web" }], rules: [one], hostnames: host === undefined ? [] : [host] },
        };
        const made = world([...Object.values(DOCUMENTS), route]);
        if ("why" in made) return;
        accepted++;
        for (const listener of made.desired.proxy.listeners) {
          expect(compileRouter(listener.rules, listener.hostnames)).toMatchObject({ ok: true });
          for (const { filters } of listener.rules) expect(compileEdits(filters)).toMatchObject({ ok: true });
        }
      }),
      { numRuns: 700 },
    );
    expect(accepted).toBeGreaterThan(100);
  });
});
