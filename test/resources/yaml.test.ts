import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { MAX_OCTETS, parseYaml } from "../../resources/yaml.ts";

const codes = (text: string): readonly string[] => parseYaml("f", text).diagnostics.map((each) => each.code);

describe("YAML 1.2 core schema", () => {
  it.each<[string, unknown]>([
    ["a: 1", { a: 1 }],
    ["a: yes", { a: "yes" }],
    ["a: 010", { a: 10 }],
    ["a: 0o10", { a: 8 }],
    ["a: true", { a: true }],
    ["a: ~", { a: null }],
    ['"__proto__": 1', JSON.parse('{"__proto__": 1}')],
    ["80: x", { "80": "x" }],
    ["a: &x {b: 1}\nc: *x", { a: { b: 1 }, c: { b: 1 } }],
    ["\ufeffa: 1\r\nb: 2\r\n", { a: 1, b: 2 }],
  ])("reads %j", (text, value) => {
    const { documents, diagnostics } = parseYaml("f", text);
    expect(diagnostics).toEqual([]);
    expect(documents.map((each) => each.value)).toEqual([value]);
  });

  it("reads many documents and passes over empty ones", () => {
    const { documents, diagnostics } = parseYaml("f", "---\n---\n# only a comment\n---\na: 1\n---\nb: 2\n...\n");
    expect(diagnostics).toEqual([]);
    expect(documents.map((each) => each.value)).toEqual([{ a: 1 }, { b: 2 }]);
  });

  it("reads an empty file as nothing", () => {
    expect(parseYaml("f", "")).toEqual({ documents: [], diagnostics: [] });
  });
});

describe("refusals, each by its name", () => {
  it.each<[string, string, string]>([
    ["a duplicate key", "a: 1\nb: 2\na: 3", "YAML_KEY"],
    ["a key that is no text", "{a: 1}: 2", "YAML_KEY"],
    ["a tab as indentation", "a:\n\tb: 1", "YAML_SYNTAX"],
    ["a broken document", "a: [1, 2", "YAML_SYNTAX"],
    ["an unknown tag", "a: !thing 1", "YAML_SYNTAX"],
    ["another version", "%YAML 1.1\n---\na: no", "YAML_UNSUPPORTED"],
    ["a merge key", "x: &x {a: 1}\ny: {<<: *x}", "YAML_UNSUPPORTED"],
    ["an alias without an anchor", "a: *b", "YAML_ALIAS"],
    ["an alias to what it is in", "a: &a {b: *a}", "YAML_ALIAS"],
    ["deep brackets", "[".repeat(100_000), "YAML_TOO_DEEP"],
    ["deep dashes", "- ".repeat(100_000), "YAML_TOO_DEEP"],
    ["depth above the bound", "a: ".concat("[".repeat(40), "]".repeat(40)), "YAML_TOO_DEEP"],
    ["a huge file", "#".repeat(MAX_OCTETS + 1), "FILE_TOO_BIG"],
  ])("%s", (_what, text, code) => {
    expect(codes(text)).toContain(code);
  });

  it("a line that is askew is one finding, with a hint, not one for each line after it", () => {
    const askew = "bgp:\n  peers:\n   - name: a\n      asn: 1\n      port: 2\n      mode: both\n";
    const { diagnostics } = parseYaml("f", askew);
    expect(diagnostics).toHaveLength(1);
    expect(diagnostics[0]).toMatchObject({ code: "YAML_SYNTAX", line: 3, hint: expect.stringContaining("indented") });
  });

  it("octets that are not UTF-8", () => {
    expect(parseYaml("f", Uint8Array.of(0x61, 0xff)).diagnostics[0]?.code).toBe("FILE_ENCODING");
  });

  it("an alias bomb, without expanding it", () => {
    const levels = Array.from({ length: 9 }, (_, n) => `a${n + 1}: &a${n + 1} [${`*a${n},`.repeat(9)}]`);
    expect(codes(["a0: &a0 [x,x,x,x,x,x,x,x,x]", ...levels].join("\n"))).toEqual(["YAML_ALIAS"]);
  });

  it.each<[string, string]>([
    [
      "a long flow on one line",
      `a: [${Array.from({ length: 2000 }, (_, n) => `{x: ${n}, y: "- - : ["}`).join(", ")}]`.replaceAll('["', '"'),
    ],
    ["a long value", `a: ${"c".repeat(5000)}`],
    ["a text with many dashes", `a: "${"- ".repeat(5000)}"`],
    ["a long list", Array.from({ length: 5000 }, (_, n) => `- k: ${n}`).join("\n")],
    ["a drawing", `a: |\n${Array.from({ length: 300 }, (_, n) => `${" ".repeat(n + 1)}x`).join("\n")}`],
  ])("%s is not deep", (_what, text) => {
    expect(codes(text)).toEqual([]);
  });
  it.each<[string, string]>([
    ["maps", Array.from({ length: 2500 }, (_, n) => `${" ".repeat(n)}k:`).join("\n")],
    ["lists", Array.from({ length: 2500 }, (_, n) => `${" ".repeat(n)}-`).join("\n")],
    ["flow maps", "{a: ".repeat(5000)],
    ["explicit keys", "? ".repeat(5000)],
  ])("nested %s", (_what, text) => {
    expect(codes(text)).toEqual(["YAML_TOO_DEEP"]);
  });

  it("many keys stay linear", () => {
    const text = Array.from({ length: 60_000 }, (_, n) => `k${n}: 1`).join("\n");
    expect(Object.keys(parseYaml("f", text).documents[0]?.value as object)).toHaveLength(60_000);
  });
});

describe("positions", () => {
  const text = "kind: A\nspec:\n  list:\n    - name: x\n      port: 80\n  empty:\n---\nkind: B\n";
  const [a, b] = parseYaml("f", text).documents;
  it.each<[readonly (string | number)[], "key" | "value", number, number]>([
    [["kind"], "value", 1, 7],
    [["kind"], "key", 1, 1],
    [["spec", "list", 0, "port"], "value", 5, 13],
    [["spec", "list", 0, "port"], "key", 5, 7],
    [["spec", "list", 0], "value", 4, 7],
    [["spec", "absent"], "value", 2, 1],
    [["spec", "list", 7, "name"], "value", 3, 3],
  ])("%j %s", (path, of, line, column) => {
    expect(a?.at(path, of)).toEqual({ line, column });
  });
  it("a later document counts lines from the file's start", () => {
    expect(b?.at(["kind"])).toEqual({ line: 8, column: 7 });
  });
});

describe("any text", () => {
  const yamlish = fc.array(
    fc.oneof(
      fc.constantFrom(
        "a: ",
        "- ",
        "\n",
        "  ",
        "[",
        "]",
        "{",
        "}",
        "&x ",
        "*x",
        "!t ",
        "|\n",
        "? ",
        ": ",
        "'",
        '"',
        "#",
        "---\n",
        "...\n",
        "%YAML 1.2\n",
        "\t",
        "<<",
        "\u0000",
        "\ufeff",
      ),
      fc.string({ maxLength: 6 }),
    ),
    { maxLength: 60 },
  );
  it("never throws, and what it finds has a place", () => {
    fc.assert(
      fc.property(yamlish, (parts) => {
        const { documents, diagnostics } = parseYaml("f", parts.join(""));
        for (const each of diagnostics) expect(each.line >= 1 && each.column >= 1).toBe(true);
        for (const each of documents) expect(each.value).not.toBe(null);
      }),
      { numRuns: 3000 },
    );
  });
  it("never throws on octets", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (octets) => void parseYaml("f", octets)),
      { numRuns: 2000 },
    );
  });
});
