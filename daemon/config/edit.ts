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
  const wanted = new Set(incoming.documents.flatMap(listed).map(declaredId));
  const replaced = standing(texts, wanted);
  for (const each of replaced.values()) if (each.listed) return err([inList(each)]);
  // Judged with the replaced documents blanked out, so that all line numbers are those of the files.
  const judged = loadResources([...blanked(texts, [...replaced.values()]), { file: name, content: documents }]);
  if (judged.diagnostics.some(isError)) return err(blamed(judged.diagnostics, files, name));
  const changes: Edited[] = [];
  const bodies = new Map<Standing, string>();
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
    } else if (sameContent(old.value, after)) {
      changes.push({ ...named(resource), change: "unchanged", file: old.file, before: after, after });
    } else {
      bodies.set(old, textOfDocument(documents, all, resource.source));
      changes.push({
        ...named(resource),
        change: "configured",
        file: old.file,
        before: old.value ?? {},
        after,
      });
    }
  }
  return ok({
    changes,
    files: [...rewrite(texts, bodies), ...created],
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
  const { kind, namespace, name } = target;
  const id = namespace === undefined ? `${kind}/${name}` : `${kind}/${namespace}/${name}`;
  const found = standing(texts, new Set([id])).get(id);
  if (found === undefined) return undefined;
  if (found.listed) return err([inList(found)]);
  const judged: Loaded = loadResources(blanked(texts, [found]));
  if (judged.diagnostics.some(isError)) return err(blamed(judged.diagnostics, files, undefined));
  const { file, value } = found;
  const place = { kind, namespace: namespace ?? "", name };
  const change: Edited = { ...place, change: "deleted", file, before: value, after: undefined };
  return ok({
    changes: [change],
    files: rewrite(texts, new Map([[found, undefined]])),
    warnings: judged.diagnostics,
    resources: judged.resources,
  });
}

/** A resource as it stands in a file, be it right or not: an edit may be what sets it right. */
interface Standing {
  readonly id: string;
  readonly file: string;
  /** A line of its document, and where it begins itself. */
  readonly line: number;
  readonly column: number;
  /** undefined: its document is not YAML. */
  readonly value: unknown;
  /** It is an item of a List. */
  readonly listed: boolean;
}

/** The first resource of each of these names. */
function standing(texts: ReadonlyMap<string, string>, ids: ReadonlySet<string>): ReadonlyMap<string, Standing> {
  const found = new Map<string, Standing>();
  for (const [file, text] of texts) {
    for (const each of standingIn(file, text)) if (ids.has(each.id) && !found.has(each.id)) found.set(each.id, each);
  }
  return found;
}

function standingIn(file: string, text: string): readonly Standing[] {
  const { documents } = parseYaml(file, text);
  const all = pieces(text);
  const read = new Set(documents.map((document) => pieceAt(all, document.at([]).line)));
  const whole = documents.flatMap((document) =>
    listed(document).map((value): Standing => {
      return { id: declaredId(value), file, ...document.at([]), value, listed: isList(document.value) };
    }),
  );
  const broken = all.flatMap((piece): readonly Standing[] => {
    const id = read.has(piece) ? undefined : sketchedId(bodyOf(text, piece));
    return id === undefined ? [] : [{ id, file, line: piece.firstLine, column: 1, value: undefined, listed: false }];
  });
  return [...whole, ...broken];
}

/** Whose place a document holds that is not YAML: by the lines that look like its kind and its name. */
function sketchedId(text: string): string | undefined {
  const kind = /^kind:[ \t]+["']?(\w+)/m.exec(text)?.[1];
  const metadata = /^metadata:[ \t]*(.*\n(?:[ \t]+.*\n)*)/m.exec(text)?.[1] ?? "";
  const field = (name: string): string | undefined =>
    new RegExp(`(?:^[ \\t]+|[{,][ \\t]*|^)${name}:[ \\t]+["']?([^\\s"',}]+)`, "m").exec(metadata)?.[1];
  const name = field("name");
  if (kind === undefined || name === undefined) return undefined;
  const namespace = field("namespace");
  return declaredId({ kind, metadata: namespace === undefined ? { name } : { name, namespace } });
}

/**
 * What was wrong before comes first, and alone: while a document cannot be read, a name that is defined twice or a
 * reference that leads nowhere may be only its consequence.  `name`: the text that is applied.
 */
function blamed(
  diagnostics: readonly Diagnostic[],
  files: readonly SourceFile[],
  name: string | undefined,
): readonly Diagnostic[] {
  const placed = ({ file, line, column, code }: Diagnostic): string => `${file}:${line}:${column} ${code}`;
  const before = new Set(loadResources(files).diagnostics.filter(isError).map(placed));
  const older = (each: Diagnostic): boolean => each.file !== name && isError(each) && before.has(placed(each));
  if (!diagnostics.some(older)) return diagnostics;
  return diagnostics.flatMap((each): readonly Diagnostic[] => {
    if (!older(each)) return each.code === "DUPLICATE" || each.code === "REFERENCE" ? [] : [each];
    const first = `fix ${basename(each.file)}:${each.line} first, or apply the right document too`;
    return [{ ...each, hint: each.hint === undefined ? first : `${each.hint} (${first})` }];
  });
}

/** New texts of the files whose documents change; undefined as a body removes (one resource at a time). */
function rewrite(
  texts: ReadonlyMap<string, string>,
  bodies: ReadonlyMap<Standing, string | undefined>,
): readonly FileChange[] {
  const changes: FileChange[] = [];
  for (const [path, resources] of Map.groupBy(bodies.keys(), ({ file }) => file)) {
    const text = texts.get(path);
    if (text === undefined) throw new TypeError(`${path} was not read`);
    const all = pieces(text);
    const replacements = new Map<number, string>();
    for (const resource of resources) {
      const piece = pieceOf(all, resource);
      const body = bodies.get(resource);
      if (body === undefined) return [{ path, text: without(text, piece) }];
      replacements.set(piece.start, body);
    }
    changes.push({ path, text: withBodies(text, all, replacements) });
  }
  return changes;
}

/** The same files with these resources' documents emptied, line by line. */
function blanked(texts: ReadonlyMap<string, string>, gone: readonly Standing[]): readonly SourceFile[] {
  const byFile = Map.groupBy(gone, ({ file }) => file);
  return [...texts].map(([file, text]) => {
    const here = byFile.get(file);
    if (here === undefined) return { file, content: text };
    const lines = text.split("\n");
    const all = pieces(text);
    for (const resource of here) {
      const piece = pieceOf(all, resource);
      for (let line = piece.firstLine; line <= piece.lastLine; line++) {
        if (!/^(---|\.\.\.)(\s|$)/.test(lines[line - 1] ?? "")) lines[line - 1] = "";
      }
    }
    return { file, content: lines.join("\n") };
  });
}

function pieceOf(all: readonly Piece[], { id, line }: Standing): Piece {
  const piece = pieceAt(all, line);
  if (piece === undefined) throw new TypeError(`${id} is not where it was read`);
  return piece;
}

function inList({ id, file, line, column }: Standing): Diagnostic {
  const message = `${id} is an item of a List, which is not edited`;
  const hint = "edit the file, or split the list into documents";
  return { severity: "error", file, line, column, code: "CONTRADICTION", message, hint };
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
