/** Conditions beside host and path: method, header fields, query parameters.  See table.ts for their meaning. */
import { err, ok, type Result } from "../../base/result.ts";
import type { MatchConfig, ValueMatch } from "../config.ts";
import type { RequestHead } from "../http1/head.ts";
import { methodNumber, OTHER_METHOD } from "../http1/method.ts";
import { sameName } from "../http1/names.ts";
import { HEX, latin1, TOKEN, textOf } from "../http1/octets.ts";

export interface Conditions {
  readonly method: MethodCondition | undefined;
  readonly headers: readonly ValueCondition[];
  readonly query: readonly ValueCondition[];
}
interface MethodCondition {
  readonly number: number;
  readonly octets: Uint8Array;
}
interface ValueCondition {
  /** Header names in lower case. */
  readonly name: Uint8Array;
  readonly value: Uint8Array | RegExp;
}

export type BadCondition =
  | { readonly kind: "pattern"; readonly pattern: string; readonly why: string }
  | { readonly kind: "method"; readonly method: string }
  | { readonly kind: "field-name"; readonly name: string };

export function compileConditions(match: MatchConfig | undefined): Result<Conditions, BadCondition> {
  if (match === undefined) return ok(NONE);
  const { method } = match;
  if (method !== undefined && !isToken(method)) return err({ kind: "method", method });
  const headers = compileValues(match.headers, (name) => latin1(name.toLowerCase()));
  if (!headers.ok) return headers;
  const bad = match.headers.find(({ name }) => !isToken(name));
  if (bad !== undefined) return err({ kind: "field-name", name: bad.name });
  const query = compileValues(match.queryParams, utf8);
  if (!query.ok) return query;
  return ok({
    method: method === undefined ? undefined : { number: methodNumber(method), octets: latin1(method) },
    headers: headers.value,
    query: query.value,
  });
}

/** A pattern that must match the whole value. */
export function compileRegExp(pattern: string): Result<RegExp, BadCondition> {
  try {
    // alone first: "a)(?:b" must not become valid by what is put around it
    return ok(new RegExp(`^(?:${new RegExp(pattern).source})$`));
  } catch (refused) {
    return err({ kind: "pattern", pattern, why: refused instanceof SyntaxError ? refused.message : String(refused) });
  }
}

export function hold(conditions: Conditions, head: RequestHead): boolean {
  const { method, headers, query } = conditions;
  if (method !== undefined && !isMethod(method, head)) return false;
  for (let i = 0; i < headers.length; i++) if (!headerHolds(headers[i] as ValueCondition, head)) return false;
  for (let i = 0; i < query.length; i++) if (!queryHolds(query[i] as ValueCondition, head)) return false;
  return true;
}

/** The octets of a text in UTF-8. */
export function utf8(text: string): Uint8Array {
  if (ASCII.test(text)) return latin1(text);
  const octets: number[] = [];
  for (const letter of text.toWellFormed()) {
    const encoded = encodeURIComponent(letter);
    if (encoded.length === 1) octets.push(letter.charCodeAt(0));
    else for (let at = 1; at < encoded.length; at += 3) octets.push(Number.parseInt(encoded.slice(at, at + 2), 16));
  }
  return Uint8Array.from(octets);
}

function isMethod(method: MethodCondition, head: RequestHead): boolean {
  if (method.number !== OTHER_METHOD) return method.number === head.method;
  return isSame(method.octets, head.memory, head.start, head.methodEnd);
}

function headerHolds(condition: ValueCondition, head: RequestHead): boolean {
  const { name, value } = condition;
  const { fields, memory } = head;
  for (let line = 0; line < fields.count; line++) {
    const start = fields.nameStart(line);
    if (fields.nameEnd(line) - start !== name.length || !sameName(memory, start, name)) continue;
    if (holds(value, memory, fields.valueStart(line), fields.valueEnd(line))) return true;
  }
  return false;
}

function queryHolds(condition: ValueCondition, head: RequestHead): boolean {
  const { memory, queryEnd: end } = head;
  // the first octet is the "?"
  for (let at = head.queryStart + 1; at < end; ) {
    let stop = at;
    while (stop < end && memory[stop] !== AMPERSAND) stop++;
    let equals = at;
    while (equals < stop && memory[equals] !== EQUALS) equals++;
    const name = decoded(memory, at, equals);
    if (isSame(condition.name, name, 0, name.length)) {
      const value = decoded(memory, Math.min(equals + 1, stop), stop);
      if (holds(condition.value, value, 0, value.length)) return true;
    }
    at = stop + 1;
  }
  return false;
}

function holds(value: Uint8Array | RegExp, memory: Uint8Array, start: number, end: number): boolean {
  return value instanceof Uint8Array ? isSame(value, memory, start, end) : value.test(wide(textOf(memory, start, end)));
}

/** UTF-8 where it is UTF-8, else one character an octet. */
function wide(octets: string): string {
  try {
    return decodeURIComponent(octets.replace(/[^]/g, (each) => `%${each.charCodeAt(0).toString(16).padStart(2, "0")}`));
  } catch {
    return octets; // expected: not UTF-8
  }
}

/** application/x-www-form-urlencoded: "+" is a space; a "%" without two digits is itself. */
function decoded(memory: Uint8Array, start: number, end: number): Uint8Array {
  const out: number[] = [];
  for (let at = start; at < end; at++) {
    const octet = memory[at] as number;
    const high = octet === PERCENT && at + 2 < end ? (HEX[memory[at + 1] as number] as number) : 255;
    const low = high === 255 ? 255 : (HEX[memory[at + 2] as number] as number);
    if (low !== 255) {
      out.push(high * 16 + low);
      at += 2;
    } else out.push(octet === PLUS ? SPACE : octet);
  }
  return Uint8Array.from(out);
}

function compileValues(
  matches: readonly ValueMatch[],
  nameOctets: (name: string) => Uint8Array,
): Result<ValueCondition[], BadCondition> {
  const out: ValueCondition[] = [];
  for (const { name, type, value } of matches) {
    if (type === "Exact") {
      out.push({ name: nameOctets(name), value: utf8(value) });
      continue;
    }
    const pattern = compileRegExp(value);
    if (!pattern.ok) return pattern;
    out.push({ name: nameOctets(name), value: pattern.value });
  }
  return ok(out);
}

function isSame(octets: Uint8Array, memory: Uint8Array, start: number, end: number): boolean {
  if (end - start !== octets.length) return false;
  for (let i = 0; i < octets.length; i++) if (memory[start + i] !== octets[i]) return false;
  return true;
}
function isToken(text: string): boolean {
  return text !== "" && Array.from(text).every((letter) => TOKEN[letter.charCodeAt(0)] === 1);
}

const NONE: Conditions = { method: undefined, headers: [], query: [] };
const ASCII = /^\p{ASCII}*$/u;
const AMPERSAND = 0x26;
const EQUALS = 0x3d;
const PERCENT = 0x25;
const PLUS = 0x2b;
const SPACE = 0x20;
