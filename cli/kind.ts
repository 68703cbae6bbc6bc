/** Words for kinds and resources on the command line. */
import type { LoadedResource } from "../daemon/admin/api.ts";
import { KIND_NAMES, type Kind, kindOf } from "../resources/names.ts";
import { nearest } from "../resources/nearest.ts";
import { UNSUPPORTED_KINDS } from "../resources/unsupported.ts";
import { type Call, CommandError, EXIT, flagOf } from "./command.ts";

/** "vip", "vips", "ProxyVIP" … */
export function kindFrom(word: string): Kind {
  const kind = kindOf(word);
  if (kind !== undefined) return kind;
  const later = UNSUPPORTED_KINDS.find((each) => each.toLowerCase() === word.toLowerCase());
  if (later !== undefined) {
    throw new CommandError(EXIT.usage, "NOT_SUPPORTED", `${later} is known, but not supported in this version`);
  }
  const names = Object.values(KIND_NAMES).flatMap((each) => [each.kind, ...each.names]);
  const near = nearest(word, names);
  const all = Object.values(KIND_NAMES)
    .map((each) => each.names[0])
    .join(", ");
  const hint = near === undefined ? `one of ${all}` : `did you mean ${near}?`;
  throw new CommandError(EXIT.usage, "KIND_UNKNOWN", `unknown kind ${JSON.stringify(word)}`, hint);
}

/** "web", or "shop/web" with its namespace. */
export function nameFrom(call: Call, kind: Kind, word: string): { readonly namespace: string; readonly name: string } {
  const slash = word.indexOf("/");
  const { namespaced } = KIND_NAMES[kind];
  if (!namespaced) return { namespace: "", name: word };
  if (slash >= 0) return { namespace: word.slice(0, slash), name: word.slice(slash + 1) };
  return { namespace: flagOf(call, "namespace") ?? "default", name: word };
}

export function idOf(resource: LoadedResource): string {
  return resource.namespace === ""
    ? `${resource.kind}/${resource.name}`
    : `${resource.kind}/${resource.namespace}/${resource.name}`;
}
export function qualified(resource: LoadedResource): string {
  return resource.namespace === "" ? resource.name : `${resource.namespace}/${resource.name}`;
}
