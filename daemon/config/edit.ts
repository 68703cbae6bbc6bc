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
import { bodyOf, pieceAt, pieces, withBody, without } from "./documents.ts";
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
  const replaced = everything(existing).filter((each) => wanted.has(idOf(each)));
  // Judged with the replaced documents blanked out, so that all line numbers are those of the files.
  const judged = loadResources([...blanked(texts, replaced), { file: name, content: documents }]);
  if (judged.diagnostics.some(isError)) return err(judged.diagnostics);
  const changes: Edited[] = [];
  const bodies = new Map<AnyResource, string>();
  const created: FileChange[] = [];
  for (const resource of everything(judged.resources).filter((each) => each.source.file === name)) {
    const id = idOf(resource);
    const old = replaced.find((each) => idOf(each) === id);
    const after = resource.source.value;
    if (old === undefined) {
      const path = freshPath(directory, resource, [...texts.keys(), ...created.map((each) => each.path)]);
      created.push({ path, text: textOfDocument(documents, resource.source) });
      changes.push({ ...named(resource), change: "created", file: path, before: undefined, after });
    } else if (sameContent(old.source.value, after)) {
      changes.push({ ...named(resource), change: "unchanged", file: old.source.file, before: after, after });
    } else {
      bodies.set(old, textOfDocument(documents, resource.source));
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

/** New texts of the files whose documents change; undefined as a body removes. Later documents first: offsets hold. */
function rewrite(
  texts: ReadonlyMap<string, string>,
  bodies: ReadonlyMap<AnyResource, string | undefined>,
): Result<readonly FileChange[], readonly Diagnostic[]> {
  const changed = new Map<string, string | undefined>();
  const order = [...bodies].toSorted(([a], [b]) => b.source.at([]).line - a.source.at([]).line);
  for (const [resource, body] of order) {
    const { file } = resource.source;
    const text = changed.has(file) ? changed.get(file) : texts.get(file);
    const piece = text === undefined ? undefined : pieceAt(pieces(text), resource.source.at([]).line);
    if (text === undefined || piece === undefined) throw new TypeError(`${idOf(resource)} is not where it was read`);
    if (isListed(file, text, resource)) return err([inList(resource)]);
    changed.set(file, body === undefined ? without(text, piece) : withBody(text, piece, body));
  }
  return ok([...changed].map(([path, text]) => ({ path, text })));
}

/** The same files with these resources' documents emptied, line by line. */
function blanked(texts: ReadonlyMap<string, string>, gone: readonly AnyResource[]): readonly SourceFile[] {
  return [...texts].map(([file, text]) => {
    const lines = text.split("\n");
    const all = pieces(text);
    for (const resource of gone.filter(({ source }) => source.file === file && !isListed(file, text, { source }))) {
      const piece = pieceAt(all, resource.source.at([]).line);
      if (piece === undefined) continue;
      for (let line = piece.firstLine; line <= piece.lastLine; line++) {
        if (!/^(---|\.\.\.)(\s|$)/.test(lines[line - 1] ?? "")) lines[line - 1] = "";
      }
    }
    return { file, content: lines.join("\n") };
  });
}

function isListed(file: string, text: string, { source }: { readonly source: Positioned }): boolean {
  const piece = pieceAt(pieces(text), source.at([]).line);
  return parseYaml(file, text).documents.some((document) => {
    const { line } = document.at([]);
    return isList(document.value) && piece !== undefined && piece.firstLine <= line && line <= piece.lastLine;
  });
}

function inList(resource: AnyResource): Diagnostic {
  const { line, column } = resource.source.at([]);
  const message = `${idOf(resource)} is an item of a List, which is not edited`;
  const hint = "edit the file, or split the list into documents";
  return { severity: "error", file: resource.source.file, line, column, code: "CONTRADICTION", message, hint };
}

/** The text that its author wrote; an item of a List is written anew. */
function textOfDocument(text: string, source: Positioned): string {
  const piece = pieceAt(pieces(text), source.at([]).line);
  if (piece === undefined) throw new TypeError("a document outside its text");
  const body = bodyOf(text, piece);
  const alone = parseYaml("", body).documents;
  return alone.length === 1 && sameContent(alone[0]?.value, source.value) ? body : stringify(source.value);
}

function freshPath(directory: string, resource: AnyResource, taken: readonly string[]): string {
  const { namespace, name } = resource.metadata;
  const stem = [resource.kind.toLowerCase(), namespace, name].filter((each) => each !== undefined).join("-");
  const names = new Set(taken.map((each) => basename(each)));
  let file = `${stem}.yaml`;
  for (let number = 2; names.has(file); number++) file = `${stem}-${number}.yaml`;
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
