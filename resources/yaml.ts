/**
 * YAML text → plain values with positions.  YAML 1.2 core schema, many documents to a file.
 * Refused: tags, merge keys, other versions, keys that are not text.  Bounded: octets, depth, what aliases expand to.
 * Never throws, whatever the text.
 */
import {
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  type Pair,
  parseAllDocuments,
  visit,
  type YAMLParseError,
} from "yaml";
import type { Diagnostic, DiagnosticCode } from "./diagnostic.ts";

export type Path = readonly (string | number)[];
export interface Position {
  readonly line: number;
  readonly column: number;
}
/** One document of a file. */
export interface Positioned {
  readonly file: string;
  readonly value: unknown;
  /** Where the value at `path` is written, or its key; what is not written is found at its parent. */
  at(path: Path, of?: "key" | "value"): Position;
}
export interface Parsed {
  readonly documents: readonly Positioned[];
  readonly diagnostics: readonly Diagnostic[];
}

export const MAX_OCTETS = 4 * 1024 * 1024;
const MAX_DEPTH = 32;
/** Values that one document may have after its aliases are expanded. */
const MAX_VALUES = 500_000;
const MAX_REPORTED = 20;

export function parseYaml(file: string, source: Uint8Array | string): Parsed {
  const diagnostics: Diagnostic[] = [];
  const refuse = (code: DiagnosticCode, at: Position, message: string, hint?: string): void => {
    const base = { severity: "error", file, ...at, code, message } as const;
    diagnostics.push(hint === undefined ? base : { ...base, hint });
  };
  const start = { line: 1, column: 1 };
  if (source.length > MAX_OCTETS) {
    refuse("FILE_TOO_BIG", start, `more than ${MAX_OCTETS} octets`, "split it into several files");
    return { documents: [], diagnostics };
  }
  const text = typeof source === "string" ? source : decodeUtf8(source);
  if (text === undefined) {
    refuse("FILE_ENCODING", start, "not UTF-8 text");
    return { documents: [], diagnostics };
  }
  const deep = tooDeep(text);
  if (deep !== undefined) {
    refuse("YAML_TOO_DEEP", deep, `nested more than ${MAX_DEPTH} deep`);
    return { documents: [], diagnostics };
  }
  const lines = new LineCounter();
  const position = (offset: number): Position => {
    const { line, col } = lines.linePos(Math.min(offset, text.length));
    return { line: Math.max(1, line), column: Math.max(1, col) };
  };
  const parsed = parseAllDocuments(text, {
    version: "1.2",
    schema: "core",
    merge: false,
    uniqueKeys: false, // compares every key with every other; ours is below
    prettyErrors: false,
    logLevel: "silent",
    lineCounter: lines,
  });
  const documents: Positioned[] = [];
  for (const document of Array.isArray(parsed) ? parsed : []) {
    for (const problem of [...cause(document.errors), ...document.warnings].slice(0, MAX_REPORTED)) {
      const hint = HINTS.get(problem.code);
      refuse("YAML_SYNTAX", position(problem.pos[0]), firstLine(problem.message), hint);
    }
    const version = document.directives.yaml;
    if (version.explicit === true && version.version !== "1.2") {
      refuse("YAML_UNSUPPORTED", start, `YAML ${version.version} is not read`, "remove the %YAML line");
      continue;
    }
    if (document.errors.length > 0 || document.contents === null) continue;
    const before = diagnostics.length;
    const value = new Reader(document, (code, offset, message, hint) => {
      if (diagnostics.length - before < MAX_REPORTED) refuse(code, position(offset), message, hint);
    }).read();
    if (diagnostics.length > before || value === null) continue;
    documents.push({ file, value, at: (path, of = "value") => position(offsetOf(document, path, of)) });
  }
  return { documents, diagnostics };
}

/** After one error the reader is out of step, and what it finds next is not wrong: a tab, or else what stands first. */
function cause(errors: readonly YAMLParseError[]): readonly YAMLParseError[] {
  const first =
    errors.find(({ code }) => code === "TAB_AS_INDENT") ?? errors.toSorted((a, b) => a.pos[0] - b.pos[0])[0];
  return first === undefined ? [] : [first];
}
const ASKEW = "is this line, or the one before, indented as its neighbours are?";
const HINTS: ReadonlyMap<string, string> = new Map([
  ["TAB_AS_INDENT", "indent with spaces"],
  ["BAD_INDENT", ASKEW],
  ["BLOCK_AS_IMPLICIT_KEY", ASKEW],
  ["MULTILINE_IMPLICIT_KEY", ASKEW],
]);

function decodeUtf8(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (thrown) {
    if (thrown instanceof TypeError) return undefined;
    throw thrown;
  }
}

function firstLine(message: string): string {
  return message.split("\n", 1)[0] ?? message;
}

/**
 * Parsers of YAML recurse, so depth is bounded before one runs.  Counted without parsing, and so too high in texts that
 * look like structure (a bracket inside quotes): open brackets, lines that each stand further to the right, and runs of
 * "- - -" at the beginning of a line.  Far above what a resource can reach.
 */
function tooDeep(text: string): Position | undefined {
  const indents: number[] = [];
  let flow = 0;
  let line = 0;
  for (const each of text.split("\n")) {
    line++;
    const first = each.search(/[^ ]/);
    if (first >= 0) {
      while ((indents.at(-1) ?? -1) >= first) indents.pop();
      indents.push(first);
    }
    const run =
      first < 0
        ? 0
        : (/^(?:[-?:][ \t]+)*/.exec(each.slice(first, first + 4 * DEEPEST))?.[0].match(/[-?:]/g)?.length ?? 0);
    for (let index = 0; index < each.length; index++) {
      const code = each.charCodeAt(index);
      if (code === 0x5b || code === 0x7b) flow++;
      else if ((code === 0x5d || code === 0x7d) && flow > 0) flow--;
      if (flow > DEEPEST) return { line, column: index + 1 };
    }
    if (indents.length + run > DEEPEST) return { line, column: first + 1 };
  }
  return undefined;
}
const DEEPEST = 500;

type Refuse = (code: DiagnosticCode, offset: number, message: string, hint?: string) => void;

class Reader {
  readonly #document: Document.Parsed;
  readonly #refuse: Refuse;
  #anchors: ReadonlyMap<string, Node> | undefined;
  readonly #open = new Set<Node>();
  #values = 0;

  constructor(document: Document.Parsed, refuse: Refuse) {
    this.#document = document;
    this.#refuse = refuse;
  }

  read(): unknown {
    return this.#value(this.#document.contents, 0);
  }

  /** Only documents with aliases pay for the walk. */
  #anchored(name: string): Node | undefined {
    if (this.#anchors === undefined) {
      const anchors = new Map<string, Node>();
      visit(this.#document, {
        Node: (_key, node) => {
          if (!isAlias(node) && node.anchor !== undefined) anchors.set(node.anchor, node);
        },
      });
      this.#anchors = anchors;
    }
    return this.#anchors.get(name);
  }

  #value(node: unknown, depth: number): unknown {
    this.#values++;
    const offset = offsetOfNode(node);
    if (this.#values === MAX_VALUES)
      this.#refuse("YAML_ALIAS", offset, `more than ${MAX_VALUES} values after aliases are expanded`);
    if (this.#values >= MAX_VALUES) return undefined;
    if (depth > MAX_DEPTH) {
      this.#refuse("YAML_TOO_DEEP", offset, `nested more than ${MAX_DEPTH} deep`);
      return undefined;
    }
    if (isAlias(node)) return this.#alias(node.source, offset, depth);
    if (
      (isScalar(node) || isMap(node) || isSeq(node)) &&
      node.tag !== undefined &&
      !node.tag.startsWith("tag:yaml.org,2002:")
    ) {
      this.#refuse("YAML_UNSUPPORTED", offset, `the tag ${node.tag} is not read`);
      return undefined;
    }
    if (isMap(node)) return this.#map(node.items, node, depth);
    if (isSeq(node)) return node.items.map((item) => this.#value(item, depth + 1));
    if (!isScalar(node)) return null;
    if (typeof node.value === "bigint") return Number(node.value);
    const { value } = node;
    if (value === null || typeof value === "string" || typeof value === "number" || typeof value === "boolean")
      return value;
    this.#refuse("YAML_UNSUPPORTED", offset, "only texts, numbers, true, false, lists and mappings are read");
    return undefined;
  }

  #alias(name: string, offset: number, depth: number): unknown {
    const node = this.#anchored(name);
    if (node === undefined || this.#open.has(node) || offsetOfNode(node) >= offset) {
      this.#refuse("YAML_ALIAS", offset, `the alias *${name} has no anchor before it`);
      return undefined;
    }
    return this.#value(node, depth + 1);
  }

  #map(items: readonly Pair[], node: Node, depth: number): unknown {
    this.#open.add(node);
    const seen = new Set<string>();
    const entries: [string, unknown][] = [];
    for (const { key, value } of items) {
      const offset = offsetOfNode(key);
      if (
        !isScalar(key) ||
        (typeof key.value !== "string" && typeof key.value !== "number" && typeof key.value !== "boolean")
      ) {
        this.#refuse("YAML_KEY", offset, "a key must be a plain text");
        continue;
      }
      const name = typeof key.value === "string" ? key.value : (key.source ?? String(key.value));
      if (name === "<<")
        this.#refuse("YAML_UNSUPPORTED", offset, "merge keys (<<) are not read", "write the fields out");
      else if (seen.has(name)) this.#refuse("YAML_KEY", offset, `the key "${name}" appears twice`);
      else entries.push([name, this.#value(value, depth + 1)]);
      seen.add(name);
    }
    this.#open.delete(node);
    return Object.fromEntries(entries); // defines own properties, "__proto__" too
  }
}

function offsetOfNode(node: unknown): number {
  return (isScalar(node) || isMap(node) || isSeq(node) || isAlias(node)) && node.range ? node.range[0] : 0;
}

function offsetOf(document: Document.Parsed, path: Path, of: "key" | "value"): number {
  let node: unknown = document.contents;
  let found = offsetOfNode(node);
  for (const [index, step] of path.entries()) {
    if (isAlias(node)) node = node.resolve(document);
    let key: unknown;
    let next: unknown;
    if (isMap(node)) {
      const pair = node.items.find(
        (each) => isScalar(each.key) && String(each.key.source ?? each.key.value) === String(step),
      );
      if (pair === undefined) return found;
      [key, next] = [pair.key, pair.value];
    } else if (isSeq(node) && typeof step === "number") {
      next = node.items[step];
    }
    if (key === undefined && next === undefined) return found;
    const last = index === path.length - 1;
    found =
      key !== undefined && (!last || of === "key" || offsetOfNode(next) === 0) ? offsetOfNode(key) : offsetOfNode(next);
    node = next;
  }
  return found;
}
