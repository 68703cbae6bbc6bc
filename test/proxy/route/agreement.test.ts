/**
 * What the resources accept, the data plane compiles: a configuration that passed `novactl apply` is never refused later.
 * Hosts, paths, patterns, conditions and filters are guessed near the border between right and wrong.
 */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { compileEdits } from "../../../proxy/http1/edits.ts";
import { compileRouter } from "../../../proxy/route/table.ts";
import { routeSpec } from "../../../resources/route.ts";

const text = fc.oneof(
  fc.string({ maxLength: 6 }),
  fc.string({ unit: "binary", maxLength: 4 }),
  fc
    .array(
      fc.constantFrom(
        "a",
        "B",
        "-",
        "_",
        ".",
        "*",
        " ",
        "\t",
        "é",
        "€",
        "\ud800",
        "😀",
        "%",
        "0",
        ":",
        "\x7f",
        "\r\n",
        "(",
        ")",
        "[",
        "\\",
      ),
      { maxLength: 5 },
    )
    .map((parts) => parts.join("")),
);
const path = fc
  .array(
    fc.constantFrom(
      "/",
      "/",
      "a",
      ".",
      "..",
      "%2e",
      "%2F",
      "%5c",
      "%00",
      "%c0%af",
      "%e0%80%80",
      "%C3%A9",
      "%4",
      "%zz",
      ";",
      "?",
      "#",
      "\\",
      " ",
      "é",
      "\x7f",
      "*",
      "{}",
    ),
    { maxLength: 6 },
  )
  .map((parts) => parts.join(""));
const anyPath = fc.oneof(
  path.map((each) => `/${each}`),
  path,
  text,
);
const hostname = fc.oneof(
  fc
    .array(fc.constantFrom("a", "b-c", "*", ".", "xn--p1ai", "A", "1", "_", "-"), { maxLength: 5 })
    .map((parts) => parts.join("")),
  fc.constantFrom("*", "*.a", "a.*", "a.b", "192.0.2.1", "[::1]", "::1", "a:80", "a..b", ".a", "a."),
);
const type = fc.constantFrom("Exact", "RegularExpression");
const values = fc.array(fc.record({ type, name: text, value: text }), { maxLength: 1 });
const match = fc.record(
  {
    path: fc.record({ type: fc.constantFrom("Exact", "PathPrefix", "RegularExpression"), value: anyPath }),
    method: fc.constantFrom("GET", "PATCH"),
    headers: values,
    queryParams: values,
  },
  { requiredKeys: [] },
);
const headers = fc.array(
  fc.record({ name: fc.oneof(text, fc.constantFrom("X-A", "host", "Trailer", "Via")), value: text }),
  { minLength: 1, maxLength: 2 },
);
const names = fc.array(fc.oneof(text, fc.constantFrom("X-A", "TE", "Server")), { minLength: 1, maxLength: 2 });
const filter = fc.oneof(
  headers.map((add) => ({ type: "AddHeader", add })),
  names.map((remove) => ({ type: "RemoveHeader", remove })),
  headers.map((responseAdd) => ({ type: "ResponseAddHeader", responseAdd })),
  headers.map((responseSet) => ({ type: "ResponseSetHeader", responseSet })),
  names.map((responseRemove) => ({ type: "ResponseRemoveHeader", responseRemove })),
  anyPath.map((rewritePath) => ({ type: "URLRewrite", rewritePath })),
);

function spec(rule: object, hostnames: readonly string[] = []): object {
  return { parentRefs: [{ name: "g" }], hostnames, rules: [{ backendRefs: [{ name: "b" }], ...rule }] };
}

/** How many of the guesses were accepted, all of which the data plane must take. */
function agree<T>(guesses: fc.Arbitrary<T>, specOf: (guess: T) => object): number {
  let accepted = 0;
  fc.assert(
    fc.property(guesses, (guess) => {
      const parsed = routeSpec.safeParse(specOf(guess));
      if (!parsed.success) return;
      accepted++;
      const { hostnames, rules } = parsed.data;
      for (const [index, { matches, filters }] of rules.entries()) {
        expect(compileEdits(filters)).toMatchObject({ ok: true });
        const plain = matches.map(({ path: at, method, headers: fields, queryParams }) => ({
          path: at,
          method,
          headers: fields,
          queryParams,
        }));
        const rule = {
          route: "r",
          index,
          hostnames,
          matches: plain,
          filters,
          backends: [],
          timeout: undefined,
          maxRequestBodySize: undefined,
        };
        expect(compileRouter([rule], hostnames)).toMatchObject({ ok: true });
      }
    }),
    { numRuns: RUNS },
  );
  return accepted;
}

describe("what the schema of a route accepts, the data plane compiles", () => {
  test("hostnames", () => {
    expect(agree(hostname, (each) => spec({}, [each]))).toBeGreaterThan(200);
  });
  test("matches", () => {
    expect(agree(match, (each) => spec({ matches: [each] }))).toBeGreaterThan(200);
  });
  test("filters", () => {
    expect(agree(filter, (each) => spec({ filters: [each] }))).toBeGreaterThan(200);
  });
});

const RUNS = Number(process.env["NOVAEDGE_RUNS"] ?? 4_000);
