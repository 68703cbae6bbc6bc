/** A schema's verdict on a document, as diagnostics with positions.  Every problem is reported, not only the first. */
import * as z from "zod";
import type { Diagnostic, DiagnosticCode } from "./diagnostic.ts";
import { nearest } from "./nearest.ts";
import { SECRET_FIELDS } from "./routing-values.ts";
import { refusedField, refusedValue } from "./unsupported.ts";
import type { Path, Positioned } from "./yaml.ts";

export interface Checked<T> {
  readonly value: T | undefined;
  readonly diagnostics: readonly Diagnostic[];
}

export function check<T>(schema: z.ZodType<T>, document: Positioned, kind: string): Checked<T> {
  const result = schema.safeParse(document.value);
  if (result.success) return { value: result.data, diagnostics: [] };
  const diagnostics = result.error.issues.flatMap((issue) => diagnose(issue, schema, document, kind));
  return { value: undefined, diagnostics };
}

export function diagnosticAt(
  document: Positioned,
  path: Path,
  of: "key" | "value",
  code: DiagnosticCode,
  message: string,
  more: { readonly expected?: string | undefined; readonly hint?: string | undefined } = {},
): Diagnostic {
  return {
    severity: "error",
    file: document.file,
    ...document.at(path, of),
    code,
    message,
    ...(more.expected === undefined ? {} : { expected: more.expected }),
    ...(more.hint === undefined ? {} : { hint: more.hint }),
  };
}

/** "spec.listeners[0].port" */
export function writtenPath(path: Path): string {
  return path.reduce<string>((text, step) => {
    if (typeof step === "number") return `${text}[${step}]`;
    return text === "" ? step : `${text}.${step}`;
  }, "");
}

function diagnose(
  issue: z.core.$ZodIssue,
  schema: z.ZodType,
  document: Positioned,
  kind: string,
): readonly Diagnostic[] {
  const meant = branchMeant(issue);
  if (meant.length > 0) return meant.flatMap((each) => diagnose(each, schema, document, kind));
  const path = issue.path.filter((step): step is string | number => typeof step !== "symbol");
  const where = writtenPath(path);
  const bare = path.filter((step) => typeof step === "string").join(".");
  if (issue.code === "unrecognized_keys") {
    return issue.keys.map((key) => {
      const full: Path = [...path, key];
      const refused = refusedField(kind, bare === "" ? key : `${bare}.${key}`, writtenPath(full));
      if (refused !== undefined) {
        return diagnosticAt(document, full, "key", "NOT_SUPPORTED", refused.message, { hint: refused.hint });
      }
      const near = nearest(key, fieldsAt(schema, path, document.value));
      const hint = near === undefined ? undefined : `did you mean "${near}"?`;
      return diagnosticAt(document, full, "key", "FIELD_UNKNOWN", `unknown field "${key}"${inside(where, kind)}`, {
        hint,
      });
    });
  }
  const value = valueAt(document.value, path);
  if (value === undefined) {
    const expected = expectation(issue);
    return [
      diagnosticAt(document, path, "key", "FIELD_MISSING", `missing required field "${where}"`, {
        expected: expected === "a value" ? undefined : expected,
      }),
    ];
  }
  const refused = refusedValue(kind, bare, where, value);
  if (refused !== undefined) {
    return [diagnosticAt(document, path, "value", "NOT_SUPPORTED", refused.message, { hint: refused.hint })];
  }
  const choices = choicesOf(issue);
  const near = typeof value === "string" ? nearest(value, choices) : undefined;
  const hint = near === undefined ? undefined : `did you mean "${near}"?`;
  const expected = choices.length > 0 ? oneOf(choices) : expectation(issue);
  const secret = SECRET_FIELDS.has(bare.slice(bare.lastIndexOf(".") + 1)) && typeof value === "string";
  const found = `${where === "" ? kind : where}: ${secret ? "what is written" : show(value)} is not accepted`;
  return [diagnosticAt(document, path, "value", "VALUE", found, { expected, hint })];
}

function inside(where: string, kind: string): string {
  return where === "" ? ` in ${kind}` : ` in ${where}`;
}

function oneOf(choices: readonly string[]): string {
  return choices.length === 1 ? String(choices[0]) : `one of ${choices.join(", ")}`;
}

function choicesOf(issue: z.core.$ZodIssue): readonly string[] {
  if (issue.code === "invalid_value") return issue.values.map(String);
  const options = issue.code === "invalid_union" && "options" in issue ? issue.options : undefined;
  return Array.isArray(options) ? options.map(String) : [];
}

const KINDS: Readonly<Record<string, string>> = {
  object: "a mapping",
  record: "a mapping",
  array: "a list",
  string: "a text",
  number: "a number",
  int: "a whole number",
  boolean: "true or false",
};

/** What is wrong by the alternative that the value was meant for, when it has more to say than all of them together. */
function branchMeant(issue: z.core.$ZodIssue): readonly z.core.$ZodIssue[] {
  if (issue.code !== "invalid_union" || choicesOf(issue).length > 0) return [];
  const fits = issue.errors.filter(
    (branch) => !branch.some(({ code, path }) => code === "invalid_type" && path.length === 0),
  );
  const [only, ...others] = fits;
  if (only === undefined || others.length > 0) return [];
  if (!only.every((each) => isOurs(each) || each.path.length > 0 || each.code === "unrecognized_keys")) return [];
  return only.map((each) => ({ ...each, path: [...issue.path, ...each.path] }));
}

function isOurs({ message }: z.core.$ZodIssue): boolean {
  return !/^(Invalid|Too|Unrecognized)/.test(message);
}

function expectation(issue: z.core.$ZodIssue): string {
  if (isOurs(issue)) return issue.message;
  if (issue.code === "invalid_type") return KINDS[issue.expected] ?? "a value";
  const choices = choicesOf(issue);
  return choices.length > 0 ? oneOf(choices) : "a value";
}

export function show(value: unknown): string {
  if (Array.isArray(value)) return value.length === 0 ? "an empty list" : "a list";
  if (value === null) return "an empty value";
  if (typeof value === "object") return "a mapping";
  const text = JSON.stringify(value) ?? "nothing";
  return text.length > 80 ? `${text.slice(0, 77)}…` : text;
}

export function valueAt(value: unknown, path: Path): unknown {
  let current = value;
  for (const step of path) {
    if (typeof current !== "object" || current === null || !Object.hasOwn(current, step)) return undefined;
    current = (current as Record<string | number, unknown>)[step];
  }
  return current;
}

/** Names of the fields that the object at `path` may have. */
function fieldsAt(schema: z.ZodType, path: Path, value: unknown): readonly string[] {
  let current: z.core.$ZodType | undefined = inner(schema, value);
  for (const [index, step] of path.entries()) {
    if (current instanceof z.ZodObject) current = current.shape[step];
    else if (current instanceof z.ZodArray) current = current.element;
    else if (current instanceof z.ZodRecord) current = current.valueType;
    else return [];
    if (current === undefined) return [];
    current = inner(current, valueAt(value, path.slice(0, index + 1)));
  }
  return current instanceof z.ZodObject ? Object.keys(current.shape) : [];
}

/** Without what wraps it; of a union, the branch that the value's discriminator chooses. */
function inner(schema: z.core.$ZodType, value: unknown): z.core.$ZodType {
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodDefault || schema instanceof z.ZodPrefault) {
    return inner(schema.def.innerType, value);
  }
  if (schema instanceof z.ZodPipe) return inner(schema.def.in, value);
  if (schema instanceof z.ZodDiscriminatedUnion) {
    const { discriminator } = schema.def;
    const tag = valueAt(value, [discriminator]);
    const branch = schema.def.options.find((option) => {
      const field = option instanceof z.ZodObject ? option.shape[discriminator] : undefined;
      return field instanceof z.ZodLiteral && field.values.has(tag as never);
    });
    return branch ?? schema;
  }
  return schema;
}
