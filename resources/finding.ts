/** Findings of one document, collected by path. */
import { diagnosticAt } from "./check.ts";
import type { Diagnostic, DiagnosticCode } from "./diagnostic.ts";
import { nearest } from "./nearest.ts";
import { mayBe, NOTHING_REFUSED, type Refused } from "./refused.ts";
import type { Path, Positioned } from "./yaml.ts";

export class Findings {
  readonly list: Diagnostic[] = [];
  readonly #document: Positioned;

  readonly #refused: Refused;

  constructor(document: Positioned, refused: Refused = NOTHING_REFUSED) {
    this.#document = document;
    this.#refused = refused;
  }

  contradiction(path: Path, message: string, hint?: string): void {
    this.#add(path, "key", "CONTRADICTION", message, hint);
  }
  duplicate(path: Path, message: string, hint?: string): void {
    this.#add(path, "value", "DUPLICATE", message, hint);
  }
  overlap(path: Path, message: string, hint?: string): void {
    this.#add(path, "value", "OVERLAP", message, hint);
  }
  /** It will not do what it looks like. */
  warning(path: Path, message: string, hint?: string): void {
    const found = diagnosticAt(this.#document, path, "key", "NEVER_MATCHES", message, { hint });
    this.list.push({ ...found, severity: "warning" });
  }
  missing(path: Path, message: string, hint?: string): void {
    this.#add(path, "value", "FIELD_MISSING", message, hint);
  }
  /** A name that must be among `names`; `what` as in "no policy named …"; `otherwise`: the hint when none is near. */
  refers(path: Path, what: string, name: string | undefined, names: readonly string[], otherwise?: string): void {
    if (name === undefined || names.includes(name) || mayBe(this.#refused, name)) return;
    const near = nearest(name, names);
    const hint = near === undefined ? otherwise : `did you mean ${near}?`;
    this.#add(path, "value", "REFERENCE", `there is no ${what} ${name}`, hint);
  }
  /** All of `values` differ; absent ones do not count. */
  unique(paths: readonly Path[], values: readonly (string | undefined)[], what: string): void {
    for (const [index, value] of values.entries()) {
      const path = paths[index];
      if (value === undefined || path === undefined || values.indexOf(value) === index) continue;
      this.#add(path, "value", "DUPLICATE", `${what} ${value} twice`, undefined);
    }
  }
  /** At most one of the fields, and with `needed` at least one. */
  one(at: Path, object: object, fields: readonly string[], needed: boolean): void {
    const written = fields.filter((field) => (object as Readonly<Record<string, unknown>>)[field] !== undefined);
    const [first, second] = written;
    if (second !== undefined)
      this.contradiction([...at, second], `${first} and ${second} exclude each other`, "keep one");
    if (needed && first === undefined) this.missing(at, `one of ${fields.join(", ")} is needed`);
  }

  #add(path: Path, of: "key" | "value", code: DiagnosticCode, message: string, hint: string | undefined): void {
    this.list.push(diagnosticAt(this.#document, path, of, code, message, { hint }));
  }
}
