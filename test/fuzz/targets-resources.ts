/** Configuration files: what an operator, or whoever may write into the directory, can put there. */
import { formatDiagnostic, isError } from "../../resources/diagnostic.ts";
import { loadResources } from "../../resources/load.ts";
import { API_VERSION } from "../../resources/names.ts";
import { loadSettings } from "../../resources/settings.ts";
import { EXAMPLES } from "../../tools/reference-text.ts";
import { must, type Target } from "./target.ts";

const text = (value: string): Uint8Array => new TextEncoder().encode(value);
const { settings, ...kinds } = EXAMPLES;
const documents = Object.entries(kinds).map(([kind, rest]) => `apiVersion: ${API_VERSION}\nkind: ${kind}\n${rest}`);
const TOKENS = [
  ..."- |? |: |[|]|{|}|&a |*a|!t |!!binary |'|\"|#|\n---\n|\n...\n|%YAML 1.1\n|\t|<<: *a|null|~|true|0|-1|1e999|.inf|.nan|0x|__proto__|constructor|[[[[|{{{{|- - - |>-\n|\r\n".split(
    "|",
  ),
  "|",
  "spec:",
  "List",
  "items:",
  "9999999999999999999999",
];

function findings(file: string, diagnostics: ReturnType<typeof loadResources>["diagnostics"]): void {
  for (const each of diagnostics) {
    must(each.line >= 1 && each.column >= 1, "a finding has a place");
    must(each.file === file && formatDiagnostic(each).startsWith(`${file}:`), "a finding has a file");
  }
}

export const RESOURCES: readonly Target[] = [
  {
    name: "resources",
    slow: 50,
    corpus: [...documents, documents.join("---\n")].map(text),
    tokens: TOKENS.map(text),
    run(memory, start, end) {
      const content = memory.subarray(start, end);
      findings("f", loadResources([{ file: "f", content }]).diagnostics);
    },
  },
  {
    name: "settings",
    slow: 50,
    corpus: [text(settings)],
    tokens: TOKENS.map(text),
    run(memory, start, end) {
      const loaded = loadSettings({ file: "f", content: memory.subarray(start, end) });
      findings("f", loaded.diagnostics);
      must((loaded.settings === undefined) === loaded.diagnostics.some(isError), "settings, or why not");
    },
  },
];
