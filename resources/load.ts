/** Configuration files → checked resources.  Pure but for `readDirectory`. */
import { closeSync, openSync, readdirSync, readFileSync, readSync, statSync } from "node:fs";
import { join } from "node:path";
import { Fault } from "../base/fault.ts";
import { check, diagnosticAt, show, valueAt } from "./check.ts";
import { consistency } from "./consistency.ts";
import { type Diagnostic, inOrder, isError } from "./diagnostic.ts";
import { type AnyResource, documentSchema, idOf, type Resource, type ResourceSet } from "./kinds.ts";
import type { Metadata } from "./metadata.ts";
import { API_VERSION, KIND_NAMES, type Kind, kindOf } from "./names.ts";
import { nearest } from "./nearest.ts";
import { references } from "./references.ts";
import { type Refused, withConsequence } from "./refused.ts";
import { UNSUPPORTED_KINDS } from "./unsupported.ts";
import { MAX_OCTETS, type Positioned, parseYaml } from "./yaml.ts";

export interface SourceFile {
  readonly file: string;
  readonly content: Uint8Array | string;
}
export interface Loaded {
  /** What was right; with an error among the diagnostics, not to be applied. */
  readonly resources: ResourceSet;
  readonly diagnostics: readonly Diagnostic[];
  /** What the diagnostics are about has no part in `resources`, and may be referred to. */
  readonly refused: Refused;
}

/** All *.yaml and *.yml files of a directory in name order; hidden files, pipes and devices are left out. */
export function readDirectory(path: string): readonly SourceFile[] {
  return attempt(path, () => {
    const names = readdirSync(path).filter((name) => /^[^.].*\.ya?ml$/.test(name));
    const files = names.sort().map((name) => join(path, name));
    // What is gone again between the two calls was never there.
    return files.filter((file) => statSync(file, { throwIfNoEntry: false })?.isFile() === true).map(readSource);
  });
}
/** At most one octet more than parseYaml takes: enough for it to refuse the file by its size. */
export function readSource(file: string): SourceFile {
  return attempt(file, () => {
    if (statSync(file).size <= MAX_OCTETS) return { file, content: readFileSync(file) };
    return { file, content: head(file, MAX_OCTETS + 1) };
  });
}
function head(file: string, octets: number): Uint8Array {
  const descriptor = openSync(file, "r");
  try {
    const content = new Uint8Array(octets);
    return content.subarray(0, readSync(descriptor, content));
  } finally {
    closeSync(descriptor);
  }
}
function attempt<T>(path: string, read: () => T): T {
  try {
    return read();
  } catch (thrown) {
    if (thrown instanceof Fault || !(thrown instanceof Error) || !("code" in thrown)) throw thrown;
    throw new Fault("FILE", { path, errno: thrown.code }, thrown);
  }
}

export function loadResources(files: readonly SourceFile[]): Loaded {
  const diagnostics: Diagnostic[] = [];
  const found: AnyResource[] = [];
  const first = new Map<string, Positioned>();
  const names = new Set<string>();
  let unread = false;
  for (const { file, content } of files) {
    const parsed = parseYaml(file, content);
    const broken = parsed.diagnostics.some(isError);
    unread ||= broken;
    diagnostics.push(...(broken && files.length > 1 ? withConsequence(parsed.diagnostics) : parsed.diagnostics));
    for (const document of listed(parsed.documents)) {
      const kind = kindAt(document);
      if (typeof kind !== "string") {
        for (const name of declaredNames(document)) names.add(name);
        diagnostics.push(kind);
        continue;
      }
      const id = declaredId(kind, document);
      const earlier = id === undefined ? undefined : first.get(id);
      if (earlier !== undefined && id !== undefined) {
        const { line } = earlier.at(["metadata", "name"]);
        const hint = `the first is at ${earlier.file}:${line}`;
        const message = `${id} is defined twice`;
        diagnostics.push(diagnosticAt(document, ["metadata", "name"], "value", "DUPLICATE", message, { hint }));
      }
      if (id !== undefined && earlier === undefined) first.set(id, document);
      const { value, diagnostics: problems } = check(documentSchema(kind), document, kind);
      diagnostics.push(...problems);
      if (value === undefined) for (const name of declaredNames(document)) names.add(name);
      if (value === undefined || earlier !== undefined) continue;
      const { namespace, name, labels, annotations } = value.metadata;
      const metadata: Metadata = { name, namespace, labels, annotations };
      const resource = { kind, metadata, spec: value.spec, source: document } as AnyResource;
      diagnostics.push(...consistency(resource));
      found.push(resource);
    }
  }
  const resources = sorted(found);
  const refused: Refused = { names, unread };
  diagnostics.push(...references(resources, new Set(first.keys()), refused));
  return { resources, diagnostics: inOrder(diagnostics), refused };
}

/** A `kind: List` (as `novactl get -o yaml` and kubectl print) is its items. */
function listed(documents: readonly Positioned[]): readonly Positioned[] {
  return documents.flatMap((document) => {
    const items = valueAt(document.value, ["items"]);
    if (valueAt(document.value, ["kind"]) !== "List" || !Array.isArray(items)) return [document];
    return items.map(
      (value: unknown, index) =>
        ({
          file: document.file,
          value,
          at: (path, of) => document.at(["items", index, ...path], of),
        }) satisfies Positioned,
    );
  });
}

function kindAt(document: Positioned): Kind | Diagnostic {
  const version = valueAt(document.value, ["apiVersion"]);
  const written = valueAt(document.value, ["kind"]);
  const refuse = (field: "apiVersion" | "kind", message: string, hint?: string): Diagnostic =>
    diagnosticAt(document, [field], "value", "KIND_UNKNOWN", message, { hint });
  if (typeof document.value !== "object" || document.value === null || Array.isArray(document.value)) {
    return refuse("kind", "a document must be a resource: a mapping with apiVersion, kind, metadata and spec");
  }
  if (version === undefined) return refuse("apiVersion", "missing apiVersion", `write apiVersion: ${API_VERSION}`);
  if (version !== API_VERSION) {
    return refuse("apiVersion", `apiVersion ${show(version)} is not read here`, `write apiVersion: ${API_VERSION}`);
  }
  if (typeof written !== "string")
    return refuse("kind", "missing kind", `one of ${Object.keys(KIND_NAMES).join(", ")}`);
  if (Object.hasOwn(KIND_NAMES, written)) return written as Kind;
  if (UNSUPPORTED_KINDS.includes(written)) {
    const message = `kind ${written} is known, but not supported in this version`;
    return diagnosticAt(document, ["kind"], "value", "NOT_SUPPORTED", message);
  }
  const near = kindOf(written) ?? nearest(written, Object.keys(KIND_NAMES));
  return refuse("kind", `unknown kind ${written}`, near === undefined ? undefined : `did you mean ${near}?`);
}

/** The id that a document claims, whether or not the rest of it is right: references to it then do not dangle. */
function declaredId(kind: Kind, document: Positioned): string | undefined {
  const name = valueAt(document.value, ["metadata", "name"]);
  if (typeof name !== "string") return undefined;
  if (!KIND_NAMES[kind].namespaced) return `${kind}/${name}`;
  const namespace = valueAt(document.value, ["metadata", "namespace"]) ?? "default";
  return typeof namespace === "string" ? `${kind}/${namespace}/${name}` : undefined;
}

/** Whatever is wrong with the rest of it: the resource's name, and that of the site which it describes. */
function declaredNames({ value }: Positioned): readonly string[] {
  const names = [valueAt(value, ["metadata", "name"]), valueAt(value, ["spec", "clusterName"])];
  return names.filter((name) => typeof name === "string");
}

function sorted(found: readonly AnyResource[]): ResourceSet {
  const order = found.toSorted((a, b) => (idOf(a) < idOf(b) ? -1 : 1));
  const of = <K extends Kind>(kind: K): readonly Resource<K>[] =>
    order.filter((each): each is AnyResource & Resource<K> => each.kind === kind);
  return {
    gateways: of("ProxyGateway"),
    routes: of("ProxyRoute"),
    backends: of("ProxyBackend"),
    vips: of("ProxyVIP"),
    pools: of("ProxyIPPool"),
    wanLinks: of("ProxyWANLink"),
    wanPolicies: of("ProxyWANPolicy"),
    remoteClusters: of("NovaEdgeRemoteCluster"),
  };
}
