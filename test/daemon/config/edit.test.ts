import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseAllDocuments } from "yaml";
import { fieldChanges } from "../../../daemon/config/canonical.ts";
import { bodyOf, pieceAt, pieces, withBodies, without } from "../../../daemon/config/documents.ts";
import { type Edit, planApply, planDelete } from "../../../daemon/config/edit.ts";
import { loadResources, type SourceFile } from "../../../resources/load.ts";
import { parseYaml } from "../../../resources/yaml.ts";

const BACKEND = (name: string, port = 8080): string => `apiVersion: novaedge.io/v1alpha1
kind: ProxyBackend
metadata:
  name: ${name}
spec:
  endpoints:
    - address: 192.0.2.1
      port: ${port}
`;
const FILE = "/etc/x/conf.d/a.yaml";
const files = (text: string): readonly SourceFile[] => [{ file: FILE, content: text }];
const apply = (text: string, documents: string): Edit => {
  const edit = planApply(files(text), "in.yaml", documents, "/etc/x/conf.d");
  if (!edit.ok) throw new Error(JSON.stringify(edit.error));
  return edit.value;
};

describe("YAML 1.2 §9.1.2: documents of a file", () => {
  it("pieces cover the text without gap, and each document lies in one", () => {
    const line = fc.constantFrom(
      "a: 1\n",
      "---\n",
      "...\n",
      "# c\n",
      "\n",
      "--- # x\n",
      "b:\n",
      "  - c\n",
      "text: |\n",
      "  ---\n",
    );
    fc.assert(
      fc.property(fc.array(line, { maxLength: 12 }), (lines) => {
        const text = lines.join("");
        const all = pieces(text);
        expect(all.map(({ start, end }) => text.slice(start, end)).join("")).toBe(text);
        for (const document of parseAllDocuments(text, { logLevel: "silent" }) as {
          contents: { range: number[] } | null;
        }[]) {
          const offset = document.contents?.range[0];
          if (offset === undefined) continue;
          const at = text.slice(0, offset).split("\n").length;
          const piece = pieceAt(all, at);
          expect(piece !== undefined && piece.start <= offset && offset <= piece.end).toBe(true);
        }
      }),
    );
  });
  it("replacing one leaves the others and their comments as they are", () => {
    const text = "# head\na: 1\n---\n# two\nb: 2\n---\nc: 3\n";
    const [, second] = pieces(text);
    if (second === undefined) throw new Error("no second document");
    expect(bodyOf(text, second)).toBe("# two\nb: 2\n");
    expect(withBodies(text, pieces(text), new Map([[second.start, "b: 9\n"]]))).toBe(
      "# head\na: 1\n---\nb: 9\n---\nc: 3\n",
    );
    expect(without(text, second)).toBe("# head\na: 1\n---\nc: 3\n");
  });
  it("replacing any of them is the same as writing the file anew", () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.boolean(), fc.constantFrom("---\n", "--- # c\n", "...\n---\n")), {
          minLength: 2,
          maxLength: 6,
        }),
        (parts) => {
          const text = parts.map(([, marker], index) => `${index === 0 ? "" : marker}k${index}: old\n`).join("");
          const all = pieces(text).filter((piece) => bodyOf(text, piece).trim() !== "");
          const bodies = new Map(
            all.flatMap((piece, index) =>
              parts[index]?.[0] === true ? [[piece.start, `k${index}: new\n`] as const] : [],
            ),
          );
          const values = parseYaml("", withBodies(text, pieces(text), bodies)).documents.map(({ value }) => value);
          expect(values).toEqual(parts.map(([changed], index) => ({ [`k${index}`]: changed ? "new" : "old" })));
        },
      ),
    );
  });
  it("a file whose last document goes is no file", () => {
    const text = "# only a comment stays\n---\na: 1\n";
    const [only] = pieces(text);
    if (only === undefined) throw new Error("no document");
    expect(without(text, only)).toBeUndefined();
  });
});

describe("apply", () => {
  it("a new resource gets a file of its own, as written", () => {
    const edit = apply(BACKEND("a"), `# mine\n${BACKEND("b")}`);
    expect(edit.changes).toMatchObject([{ kind: "ProxyBackend", namespace: "default", name: "b", change: "created" }]);
    expect(edit.files).toEqual([
      { path: "/etc/x/conf.d/proxybackend-default-b.yaml", text: `# mine\n${BACKEND("b")}` },
    ]);
  });
  it("a resource that stands in a file is changed there; its neighbours keep their octets", () => {
    const text = `# top\n${BACKEND("a")}---\n# of b\n${BACKEND("b")}---\n${BACKEND("c")}`;
    const edit = apply(text, BACKEND("b", 9090));
    expect(edit.changes).toMatchObject([{ name: "b", change: "configured", file: FILE }]);
    expect(edit.files).toEqual([
      { path: FILE, text: `# top\n${BACKEND("a")}---\n${BACKEND("b", 9090)}---\n${BACKEND("c")}` },
    ]);
  });
  it("the same content is unchanged, whatever its layout", () => {
    const edit = apply(BACKEND("a"), BACKEND("a").replace("name: a", "name: 'a' # quoted"));
    expect(edit.changes).toMatchObject([{ change: "unchanged" }]);
    expect(edit.files).toEqual([]);
  });
  it("several documents and a List in one call; several changes in one file", () => {
    const text = `${BACKEND("a")}---\n${BACKEND("b")}`;
    const list = `kind: List\nitems:\n  - ${BACKEND("b", 1).trimEnd().replaceAll("\n", "\n    ")}\n`;
    const edit = apply(text, `${BACKEND("a", 2)}---\n${list}---\n${BACKEND("c", 3)}`);
    expect(edit.changes.map(({ name, change }) => `${name} ${change}`).sort()).toEqual([
      "a configured",
      "b configured",
      "c created",
    ]);
    const after = loadResources(edit.files.map(({ path, text }) => ({ file: path, content: text ?? "" })));
    expect(after.diagnostics).toEqual([]);
    expect(after.resources.backends.map(({ metadata, spec }) => [metadata.name, spec.endpoints[0]?.port])).toEqual([
      ["a", 2],
      ["b", 1],
      ["c", 3],
    ]);
  });
  it("a refused document is placed in the text that was sent, and nothing is planned", () => {
    const edit = planApply(
      files(BACKEND("a")),
      "in.yaml",
      `${BACKEND("b")}---\n${BACKEND("c").replace("spec:", "spce:")}`,
      "/d",
    );
    expect(edit.ok).toBe(false);
    if (!edit.ok)
      expect(edit.error).toContainEqual(
        expect.objectContaining({ file: "in.yaml", line: 14, column: 1, code: "FIELD_UNKNOWN" }),
      );
  });
  it("a resource inside a List of a file is not edited behind its author's back", () => {
    const list = `kind: List\nitems:\n  - ${BACKEND("b").trimEnd().replaceAll("\n", "\n    ")}\n`;
    const edit = planApply(files(list), "in.yaml", BACKEND("b", 5), "/d");
    expect(edit).toMatchObject({ ok: false, error: [{ code: "CONTRADICTION", file: FILE }] });
    expect(planDelete(files(list), { kind: "ProxyBackend", namespace: "default", name: "b" })?.ok).toBe(false);
  });
});

describe("files that are broken", () => {
  const broken = BACKEND("b").replace("endpoints:", "endpionts:");
  it("a document with an error is replaced by the right one, as any other", () => {
    const edit = apply(`${BACKEND("a")}---\n${broken}`, BACKEND("b", 9));
    expect(edit.changes).toMatchObject([{ name: "b", change: "configured", file: FILE }]);
    expect(edit.files).toEqual([{ path: FILE, text: `${BACKEND("a")}---\n${BACKEND("b", 9)}` }]);
  });
  it("so is one that is not YAML, by its kind and name", () => {
    const torn = BACKEND("b").replace("address: 192.0.2.1", "address: [192.0.2.1");
    for (const text of [
      `${BACKEND("a")}---\n${torn}`,
      torn,
      torn.replace(/metadata:\n {2}name: b/, "metadata: {name: b}"),
    ]) {
      const edit = apply(text, BACKEND("b", 9));
      expect(edit.changes).toMatchObject([{ name: "b", change: "configured", file: FILE }]);
      expect(loadResources(files(edit.files[0]?.text ?? "")).diagnostics).toEqual([]);
    }
  });
  it("an error that stays is named as what to fix first, and nothing that may only follow from it", () => {
    const torn = BACKEND("c").replace("address: 192.0.2.1", "address: [192.0.2.1");
    const route = `apiVersion: novaedge.io/v1alpha1\nkind: ProxyRoute\nmetadata: {name: r}\nspec: {parentRefs: [{name: g}], rules: [{backendRef: {name: c}}]}\n`;
    const edit = planApply(files(`${broken}---\n${torn}`), "in.yaml", `${BACKEND("b")}---\n${route}`, "/d");
    if (edit.ok) throw new Error("accepted");
    expect(edit.error.length).toBeGreaterThan(0);
    expect(edit.error.map(({ file, code }) => `${file} ${code}`)).not.toContain("in.yaml DUPLICATE");
    expect(edit.error.map(({ file, code }) => `${file} ${code}`)).not.toContain("in.yaml REFERENCE");
    for (const each of edit.error) {
      expect(each.file).toBe(FILE);
      expect(each.hint).toContain(`fix a.yaml:${each.line} first`);
    }
  });
  it("a document with an error can be deleted", () => {
    const edit = planDelete(files(`${BACKEND("a")}---\n${broken}`), {
      kind: "ProxyBackend",
      namespace: "default",
      name: "b",
    });
    expect(edit).toMatchObject({ ok: true, value: { changes: [{ name: "b", change: "deleted" }] } });
  });
});

describe("delete", () => {
  it("removes the document, and the file with its last one", () => {
    const both = planDelete(files(`${BACKEND("a")}---\n${BACKEND("b")}`), {
      kind: "ProxyBackend",
      namespace: "default",
      name: "a",
    });
    expect(both).toMatchObject({ ok: true, value: { files: [{ path: FILE, text: `---\n${BACKEND("b")}` }] } });
    const one = planDelete(files(BACKEND("a")), { kind: "ProxyBackend", namespace: "default", name: "a" });
    expect(one).toMatchObject({ ok: true, value: { files: [{ path: FILE, text: undefined }] } });
  });
  it("says that there is no such resource", () => {
    expect(planDelete(files(BACKEND("a")), { kind: "ProxyBackend", namespace: "default", name: "z" })).toBeUndefined();
  });
});

describe("diff", () => {
  it("names the smallest places that differ", () => {
    const changes = fieldChanges({ a: 1, b: { c: [1, 2], d: 4 }, e: 5 }, { a: 1, b: { c: [1, 3, 9], d: 4 }, f: 6 });
    expect(changes).toEqual([
      { path: "b.c[1]", before: 2, after: 3 },
      { path: "b.c[2]", before: undefined, after: 9 },
      { path: "e", before: 5, after: undefined },
      { path: "f", before: undefined, after: 6 },
    ]);
  });
});
