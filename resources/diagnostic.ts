/** What is wrong in a configuration file, where, and what would be right.  Printed as compilers print. */
export interface Diagnostic {
  readonly severity: "error" | "warning";
  readonly file: string;
  /** From 1; column counts UTF-16 units.  0: the file as a whole, because it is not there or cannot be read. */
  readonly line: number;
  readonly column: number;
  readonly code: DiagnosticCode;
  readonly message: string;
  readonly expected?: string;
  readonly hint?: string;
}

/** A code is API: scripts and the documentation refer to it. */
export type DiagnosticCode = keyof typeof DIAGNOSTICS;

export const DIAGNOSTICS = {
  FILE_TOO_BIG: "the file is larger than a configuration file may be",
  FILE_READ: "the file could not be read",
  FILE_ENCODING: "the file is not UTF-8 text",
  YAML_SYNTAX: "the file is not YAML",
  YAML_KEY: "a key appears twice in one mapping, or is not a plain text",
  YAML_TOO_DEEP: "the document is nested too deeply",
  YAML_ALIAS: "an alias has no anchor, refers to itself, or aliases expand to too much",
  YAML_UNSUPPORTED: "a YAML feature that configuration files do not use",
  KIND_UNKNOWN: "apiVersion or kind is missing or unknown",
  FIELD_UNKNOWN: "the field does not exist",
  FIELD_MISSING: "a required field is missing",
  NOT_SUPPORTED: "known, but not supported in this version",
  VALUE: "the value is not what the field takes",
  CONTRADICTION: "fields contradict each other",
  DUPLICATE: "two things have the same name or address",
  REFERENCE: "a reference leads nowhere",
  NEVER_MATCHES: "a part of the configuration can never take effect",
  OVERLAP: "address pools, networks of sites, or ports overlap",
} as const;

export function formatDiagnostic(diagnostic: Diagnostic): string {
  const { severity, message, expected, hint, code } = diagnostic;
  const wanted = expected === undefined ? "" : `; expected ${expected}`;
  const help = hint === undefined ? "" : `\n  hint: ${hint}`;
  return `${placeOf(diagnostic)}: ${severity}: ${message}${wanted} [${code}]${help}`;
}

/** "file:line:column", or only the file. */
export function placeOf({ file, line, column }: Diagnostic): string {
  return line === 0 ? file : `${file}:${line}:${column}`;
}

export function isError(diagnostic: Diagnostic): boolean {
  return diagnostic.severity === "error";
}

/** File, then line, then column; equal places keep their order. */
export function inOrder(diagnostics: readonly Diagnostic[]): readonly Diagnostic[] {
  return diagnostics.toSorted(
    (a, b) => (a.file < b.file ? -1 : a.file > b.file ? 1 : 0) || a.line - b.line || a.column - b.column,
  );
}
