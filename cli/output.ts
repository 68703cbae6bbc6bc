/** Tables, JSON and YAML; what comes from elsewhere never reaches the terminal with control characters. */
import type { Call, Io } from "./command.ts";
import { flagOf } from "./command.ts";

export type Format = "table" | "wide" | "json" | "yaml" | "name";

export function formatOf(call: Call): Format {
  return (flagOf(call, "output") ?? "table") as Format;
}

/** Prints `value` as JSON or YAML; says whether the format was one of them. */
export async function printed(call: Call, value: unknown): Promise<boolean> {
  const format = formatOf(call);
  if (format === "json") call.io.out(`${JSON.stringify(value, undefined, 2)}\n`);
  else if (format === "yaml") call.io.out(await yamlOf(value));
  else return false;
  return true;
}

export async function yamlOf(value: unknown): Promise<string> {
  const { stringify } = await import("yaml");
  // Through JSON: absent stays absent, and nothing but plain data is written.
  return stringify(JSON.parse(JSON.stringify(value)), { lineWidth: 0, aliasDuplicateObjects: false });
}

export type Tone = "good" | "bad" | "warn" | "dim";
export interface Cell {
  readonly text: string;
  readonly tone: Tone | undefined;
}
export function toned(text: string, tone: Tone | undefined): Cell {
  return { text, tone };
}

/** Columns as wide as their widest cell, three spaces apart; empty cells become "-". */
export function table(
  io: Io,
  heads: readonly string[],
  rows: readonly (readonly (string | number | Cell | undefined)[])[],
): string {
  const cells = rows.map((row) => row.map((each): Cell => cellOf(each)));
  const widths = heads.map((head, column) =>
    Math.max(head.length, ...cells.map((row) => row[column]?.text.length ?? 0)),
  );
  const line = (row: readonly Cell[]): string =>
    row
      .map(({ text, tone }, column) => {
        const padding = column === row.length - 1 ? "" : " ".repeat((widths[column] ?? 0) - text.length);
        return paint(io, text, tone) + padding;
      })
      .join("   ")
      .trimEnd();
  return [heads.map((text): Cell => ({ text, tone: "dim" })), ...cells].map((row) => `${line(row)}\n`).join("");
}

function cellOf(value: string | number | Cell | undefined): Cell {
  if (value === undefined || value === "") return { text: "-", tone: "dim" };
  if (typeof value === "object")
    return value.text === "" ? { text: "-", tone: "dim" } : { ...value, text: clean(value.text) };
  return { text: clean(String(value)), tone: undefined };
}

export function paint(io: Pick<Io, "colour">, text: string, tone: Tone | undefined): string {
  if (!io.colour || tone === undefined) return text;
  return `\u001b[${CODES[tone]}m${text}\u001b[0m`;
}
const CODES: Readonly<Record<Tone, string>> = { good: "32", bad: "31", warn: "33", dim: "2" };

/** A terminal obeys control characters: they are shown, not sent. */
export function clean(text: string): string {
  return text.replace(/\p{Cc}|\p{Cf}/gu, (char) => `\\u${(char.codePointAt(0) ?? 0).toString(16).padStart(4, "0")}`);
}

/** "3d2h", "5m10s", "42s": two units at most. */
export function ageOf(milliseconds: number): string {
  let rest = Math.max(0, Math.floor(milliseconds / 1000));
  const parts: string[] = [];
  for (const [unit, size] of [
    ["d", 86_400],
    ["h", 3600],
    ["m", 60],
    ["s", 1],
  ] as const) {
    const count = Math.floor(rest / size);
    rest -= count * size;
    if (count > 0) parts.push(`${count}${unit}`);
    else if (parts.length > 0) break;
    if (parts.length === 2) break;
  }
  return parts.join("") || "0s";
}

export function memoryOf(octets: number | undefined): string | undefined {
  return octets === undefined ? undefined : `${(octets / 1024 / 1024).toFixed(1)} MiB`;
}
