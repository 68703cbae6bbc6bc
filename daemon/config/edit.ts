/**
 * What `apply`, `diff` and `delete` would make of the resource files: pure, so that a dry run is the same code without
 * the write.  A resource that stands in a file is changed there, in its place; a new one gets a file of its own.
 */
import { basename, join } from "node:path";
import { stringify } from "yaml";
import { err, ok, type Result } from "../../base/result.ts";
import { type Diagnostic, isError } from "../../resources/diagnostic.ts";
import { type AnyResource, everything, idOf, type ResourceSet } from "../../resources/kinds.ts";
import { type Loaded, loadResources, type SourceFile } from "../../resources/load.ts";
import { type Positioned, parseYaml } from "../../resources/yaml.ts";
import type { Change } from "../admin/api.ts";
import { sameContent } from "./canonical.ts";
import { bodyOf, type Piece, pieceAt, pieces, withBodies, without } from "./documents.ts";
import type { FileChange } from "./transaction.ts";

export interface Edit {
  readonly changes: readonly Edited[];
  readonly files: readonly FileChange[];
  readonly warnings: readonly Diagnostic[];
  /** All that there is after the edit. */
  readonly resources: ResourceSet;
}
interface Edited extends Change {
  /** The documents as written. */
  readonly before: unknown;
  readonly after: unknown;
}
export interface Target {
  readonly kind: string;
  readonly namespace: string | undefined;
  readonly name: string;
}

/** `directory` takes the new files. */
export function planApply(
  files: readonly SourceFile[],
  source: string,
  documents: string,
  directory: string,
): Result<Edit, readonly Diagnostic[]> {
  const texts = new Map(files.map(({ file, content }) => [file, textOf(content)]));
  const name = texts.has(source) ? `${source} (applied)` : source;
  const incoming = parseYaml(name, documents);
  const existing = loadResources(files).resources;
  const wanted = new Set(incoming.documents.flatMap(listed).map(declaredId));
  const replaced = new Map(
    everything(existing)
      .map((each) => [idOf(each), each] as const)
      .filter(([id]) => wanted.has(id)),
  );
  // Judged with the replaced documents blanked out, so that all line numbers are those of the files.
  const judged = loadResources([...blanked(texts, [...replaced.values()]), { file: name, content: documents }]);
  if (judged.diagnostics.some(isError)) return err(judged.diagnostics);
  const changes: Edited[] = [];
  const bodies = new Map<AnyResource, string>();
  const created: FileChange[] = [];
  const taken = new Set([...texts.keys()].map((each) => basename(each)));
  const all = pieces(documents);
  for (const resource of everything(judged.resources).filter((each) => each.source.file === name)) {
    const id = idOf(resource);
    const old = replaced.get(id);
    const after = resource.source.value;
    if (old === undefined) {
      const path = freshPath(directory, resource, taken);
      taken.add(basename(path));
      created.push({ path, text: textOfDocument(documents, all, resource.source) });
      changes.push({ ...named(resource), change: "created", file: path, before: undefined, after });
    } else if (sameContent(old.source.value, after)) {
      changes.push({ ...named(resource), change: "unchanged", file: old.source.file, before: after, after });
    } else {
      bodies.set(old, textOfDocument(documents, all, resource.source));
      changes.push({
        ...named(resource),
        change: "configured",
        file: old.source.file,
        before: old.source.value,
        after,
      });
    }
  }
  const rewritten = rewrite(texts, bodies);
  if (!rewritten.ok) return rewritten;
  return ok({
    changes,
    files: [...rewritten.value, ...created],
    warnings: judged.diagnostics,
    resources: judged.resources,
  });
}

/** undefined: there is no such resource. */
export function planDelete(
  files: readonly SourceFile[],
  target: Target,
): Result<Edit, readonly Diagnostic[]> | undefined {
  const texts = new Map(files.map(({ file, content }) => [file, textOf(content)]));
  const before = loadResources(files);
  const found = everything(before.resources).find(
    ({ kind, metadata }) =>
      kind === target.kind && metadata.name === target.name && metadata.namespace === target.namespace,
  );
  if (found === undefined) return undefined;
  const judged: Loaded = loadResources(blanked(texts, [found]));
  if (judged.diagnostics.some(isError)) return err(judged.diagnostics);
  const rewritten = rewrite(texts, new Map([[found, undefined]]));
  if (!rewritten.ok) return rewritten;
  const { file, value } = found.source;
  const change: Edited = { ...named(found), change: "deleted", file, before: value, after: undefined };
  return ok({ changes: [change], files: rewritten.value, warnings: judged.diagnostics, resources: judged.resources });
}

/** New texts of the files whose documents change; undefined as a body removes (one resource at a time). */
function rewrite(
  texts: ReadonlyMap<string, string>,
  bodies: ReadonlyMap<AnyResource, string | undefined>,
): Result<readonly FileChange[], readonly Diagnostic[]> {
  const changes: FileChange[] = [];
  for (const [path, resources] of Map.groupBy(bodies.keys(), ({ source }) => source.file)) {
    const text = texts.get(path);
    if (text === undefined) throw new TypeError(`${path} was not read`);
    const all = pieces(text);
    const lists = listPieces(path, text, all);
    const replacements = new Map<number, string>();
    for (const resource of resources) {
      const piece = pieceAt(all, resource.source.at([]).line);
      if (piece === undefined) throw new TypeError(`${idOf(resource)} is not where it was read`);
      if (lists.has(piece)) return err([inList(resource)]);
      const body = bodies.get(resource);
      if (body === undefined) return ok([{ path, text: without(text, piece) }]);
      replacements.set(piece.start, body);
    }
    changes.push({ path, text: withBodies(text, all, replacements) });
  }
  return ok(changes);
}

/** The same files with these resources' documents emptied, line by line. */
function blanked(texts: ReadonlyMap<string, string>, gone: readonly AnyResource[]): readonly SourceFile[] {
  const byFile = Map.groupBy(gone, ({ source }) => source.file);
  return [...texts].map(([file, text]) => {
    const here = byFile.get(file);
    if (here === undefined) return { file, content: text };
    const lines = text.split("\n");
    const all = pieces(text);
    const lists = listPieces(file, text, all);
    for (const resource of here) {
      const piece = pieceAt(all, resource.source.at([]).line);
      if (piece === undefined || lists.has(piece)) continue;
      for (let line = piece.firstLine; line <= piece.lastLine; line++) {
        if (!/^(---|\.\.\.)(\s|$)/.test(lines[line - 1] ?? "")) lines[line - 1] = "";
      }
    }
    return { file, content: lines.join("\n") };
  });
}

/** Pieces that hold a List.  Parses the text once, and only if the word is in it. */
function listPieces(file: string, text: string, all: readonly Piece[]): ReadonlySet<Piece> {
  if (!text.includes("List")) return new Set();
  const lists = parseYaml(file, text).documents.filter(({ value }) => isList(value));
  return new Set(lists.map((document) => pieceAt(all, document.at([]).line)).filter((each) => each !== undefined));
}

function inList(resource: AnyResource): Diagnostic {
  const { line, column } = resource.source.at([]);
  const message = `${idOf(resource)} is an item of a List, which is not edited`;
  const hint = "edit the file, or split the list into documents";
  return { severity: "error", file: resource.source.file, line, column, code: "CONTRADICTION", message, hint };
}

/** The text that its author wrote; an item of a List is written anew. */
function textOfDocument(text: string, all: readonly Piece[], source: Positioned): string {
  const piece = pieceAt(all, source.at([]).line);
  if (piece === undefined) throw new TypeError("a document outside its text");
  const body = bodyOf(text, piece);
  const alone = parseYaml("", body).documents;
  return alone.length === 1 && sameContent(alone[0]?.value, source.value) ? body : stringify(source.value);
}

function freshPath(directory: string, resource: AnyResource, taken: ReadonlySet<string>): string {
  const { namespace, name } = resource.metadata;
  const stem = [resource.kind.toLowerCase(), namespace, name].filter((each) => each !== undefined).join("-");
  let file = `${stem}.yaml`;
  for (let number = 2; taken.has(file); number++) file = `${stem}-${number}.yaml`;
  return join(directory, file);
}

function named({ kind, metadata }: AnyResource): Pick<Change, "kind" | "namespace" | "name"> {
  return { kind, namespace: metadata.namespace ?? "", name: metadata.name };
}

function listed({ value }: Positioned): readonly unknown[] {
  return isList(value) ? value.items : [value];
}

function isList(value: unknown): value is { readonly items: readonly unknown[] } {
  const found = value as { readonly kind?: unknown; readonly items?: unknown } | null;
  return typeof found === "object" && found?.kind === "List" && Array.isArray(found.items);
}

/** As the loader names it, from a document that may still be wrong. */
function declaredId(value: unknown): string {
  const { kind, metadata } = (value ?? {}) as Record<string, unknown>;
  const { name, namespace = "default" } = (metadata ?? {}) as Record<string, unknown>;
  const cluster = kind === "ProxyVIP" || kind === "ProxyIPPool";
  return cluster ? `${String(kind)}/${String(name)}` : `${String(kind)}/${String(namespace)}/${String(name)}`;
}

function textOf(content: Uint8Array | string): string {
  return typeof content === "string" ? content : new TextDecoder().decode(content);
}
