/** A strict reader of the Prometheus text format, so that the writer is not judged by itself. */
export interface ParsedFamily {
  readonly type: string;
  readonly help: string;
  readonly samples: {
    readonly name: string;
    readonly labels: Readonly<Record<string, string>>;
    readonly value: number;
  }[];
}

export function parseExposition(text: string): ReadonlyMap<string, ParsedFamily> {
  const families = new Map<string, ParsedFamily>();
  let help: { readonly name: string; readonly text: string } | undefined;
  let current: { readonly name: string; readonly family: ParsedFamily } | undefined;
  if (text !== "" && !text.endsWith("\n")) throw new Error("the last line has no line feed");
  for (const line of text.split("\n").slice(0, -1)) {
    const helped = /^# HELP ([a-zA-Z_:][a-zA-Z0-9_:]*) (.*)$/s.exec(line);
    const typed = /^# TYPE ([a-zA-Z_:][a-zA-Z0-9_:]*) (counter|gauge|histogram)$/.exec(line);
    if (helped !== null) help = { name: helped[1] ?? "", text: helped[2] ?? "" };
    else if (typed !== null) {
      const [, name = "", type = ""] = typed;
      if (help?.name !== name) throw new Error(`TYPE without HELP: ${line}`);
      if (families.has(name)) throw new Error(`family twice: ${name}`);
      current = { name, family: { type, help: help.text, samples: [] } };
      families.set(name, current.family);
    } else {
      const found = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$/s.exec(line);
      if (found === null || current === undefined) throw new Error(`not a sample: ${line}`);
      const [, name = "", labels = "", value = ""] = found;
      const allowed = current.family.type === "histogram" ? ["_bucket", "_sum", "_count"] : [""];
      if (!allowed.some((suffix) => name === `${current?.name}${suffix}`)) throw new Error(`stray sample: ${line}`);
      const parsed = parseLabels(labels);
      if (current.family.samples.some((s) => s.name === name && JSON.stringify(s.labels) === JSON.stringify(parsed)))
        throw new Error(`series twice: ${line}`);
      current.family.samples.push({ name, labels: parsed, value: numberOf(value) });
    }
  }
  return families;
}

function parseLabels(text: string): Record<string, string> {
  const labels: Record<string, string> = {};
  const pattern = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(?:,|$)/gsy;
  let at = 0;
  while (at < text.length) {
    pattern.lastIndex = at;
    const found = pattern.exec(text);
    if (found === null) throw new Error(`bad labels: ${text}`);
    labels[found[1] ?? ""] = (found[2] ?? "").replace(/\\(.)/g, (_, c: string) => (c === "n" ? "\n" : c));
    at = pattern.lastIndex;
  }
  return labels;
}

function numberOf(text: string): number {
  if (text === "+Inf") return Number.POSITIVE_INFINITY;
  if (text === "-Inf") return Number.NEGATIVE_INFINITY;
  if (text === "NaN") return Number.NaN;
  const value = Number(text);
  if (Number.isNaN(value)) throw new Error(`not a number: ${text}`);
  return value;
}
