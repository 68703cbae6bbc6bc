/**
 * Header and path filters of a rule, compiled once per configuration.  Filters apply in their order: what an earlier one
 * added, a later one may remove.  Names that carry framing or belong to one connection are refused: a filter must not be
 * able to break the message.
 */
import { err, ok, type Result } from "../../base/result.ts";
import type { FilterConfig } from "../config.ts";
import { identify, sameName } from "./names.ts";
import { latin1, TOKEN } from "./octets.ts";

export interface Edits {
  /** Lower-case names of fields that are dropped from the message. */
  readonly remove: readonly Uint8Array[];
  /** Whole lines, "Name: value\r\n…", added at the end. */
  readonly add: Uint8Array;
  /** Bits of the known names (names.ts) that a filter adds or removes: the writers leave those to the filters. */
  readonly touched: number;
  /** Requests: the path that replaces the whole path or, with a prefix match, the matched prefix. */
  readonly rewritePath: Uint8Array | undefined;
}

export interface RuleEdits {
  readonly request: Edits;
  readonly response: Edits;
}

export type BadFilter =
  | { readonly kind: "field-name"; readonly name: string }
  | { readonly kind: "field-value"; readonly name: string; readonly value: string }
  | { readonly kind: "field-protected"; readonly name: string }
  | { readonly kind: "rewrite-path"; readonly path: string };

export const NO_EDITS: Edits = { remove: [], add: new Uint8Array(0), touched: 0, rewritePath: undefined };

/** RequestRedirect is not an edit: it answers instead of forwarding, and is left to the caller. */
export function compileEdits(filters: readonly FilterConfig[]): Result<RuleEdits, BadFilter> {
  const request = new Draft();
  const response = new Draft();
  let rewritePath: Uint8Array | undefined;
  for (const filter of filters) {
    switch (filter.type) {
      case "AddHeader":
        for (const { name, value } of filter.add) request.add(name, value);
        break;
      case "RemoveHeader":
        for (const name of filter.remove) request.remove(name);
        break;
      case "ResponseAddHeader":
        for (const { name, value } of filter.responseAdd) response.add(name, value);
        break;
      case "ResponseSetHeader":
        for (const { name, value } of filter.responseSet) {
          response.remove(name);
          response.add(name, value);
        }
        break;
      case "ResponseRemoveHeader":
        for (const name of filter.responseRemove) response.remove(name);
        break;
      case "URLRewrite":
        if (!PATH.test(filter.rewritePath)) return err({ kind: "rewrite-path", path: filter.rewritePath });
        rewritePath = latin1(filter.rewritePath);
        break;
      case "RequestRedirect":
        break;
    }
  }
  const bad = request.bad ?? response.bad;
  if (bad !== undefined) return err(bad);
  return ok({ request: request.done(rewritePath), response: response.done(undefined) });
}

/** Whether an edit removes the field whose name is [start, end). */
export function removes(edits: Edits, memory: Uint8Array, start: number, end: number): boolean {
  for (let i = 0; i < edits.remove.length; i++) {
    const name = edits.remove[i] as Uint8Array;
    if (name.length === end - start && sameName(memory, start, name)) return true;
  }
  return false;
}

class Draft {
  bad: BadFilter | undefined;
  readonly #removed = new Set<string>();
  #touched = 0;
  #added: { readonly name: string; readonly value: string }[] = [];
  add(name: string, value: string): void {
    this.#check(name);
    if (!VALUE.test(value)) this.bad ??= { kind: "field-value", name, value };
    this.#added.push({ name, value });
  }
  remove(name: string): void {
    this.#check(name);
    const lower = name.toLowerCase();
    this.#removed.add(lower);
    this.#added = this.#added.filter((each) => each.name.toLowerCase() !== lower);
  }
  done(rewritePath: Uint8Array | undefined): Edits {
    if (this.#removed.size === 0 && this.#added.length === 0 && rewritePath === undefined) return NO_EDITS;
    return {
      remove: [...this.#removed].map(latin1),
      touched: this.#touched,
      add: latin1(this.#added.map(({ name, value }) => `${name}: ${value}\r\n`).join("")),
      rewritePath,
    };
  }
  #check(name: string): void {
    if (name === "" || !Array.from(name).every((letter) => TOKEN[letter.charCodeAt(0)] === 1)) {
      this.bad ??= { kind: "field-name", name };
    } else if (PROTECTED.has(name.toLowerCase())) this.bad ??= { kind: "field-protected", name };
    else this.#touched |= 1 << identify(latin1(name), 0, name.length);
  }
}

/** Framing, routing and the connection are ours. */
const PROTECTED: ReadonlySet<string> = new Set([
  "host",
  "connection",
  "content-length",
  "transfer-encoding",
  "te",
  "trailer",
  "upgrade",
  "keep-alive",
  "proxy-connection",
  "http2-settings",
  "expect",
]);
/** RFC 9110 §5.5 without the white space at the ends; octets, so one character each. */
const VALUE = /^$|^[\x21-\x7e\x80-\xff]([\x20-\x7e\x80-\xff\t]*[\x21-\x7e\x80-\xff])?$/;
const PATH = /^\/[\x21\x22\x24-\x3e\x40-\x7e]*$/;
