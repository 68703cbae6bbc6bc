/** The one shape of every bench result: rows (medians of interleaved rounds) and ratios (ours divided by the peer's). */

export interface Row {
  readonly subject: string;
  readonly case: string;
  readonly metric: string;
  readonly unit: string;
  readonly value: number;
  readonly min: number;
  readonly max: number;
  readonly rounds: number;
}
export interface Ratio {
  readonly case: string;
  readonly metric: string;
  readonly subject: string;
  readonly peer: string;
  readonly value: number;
}
export interface Report {
  readonly bench: string;
  readonly rows: readonly Row[];
  readonly ratios: readonly Ratio[];
}

/** Collects samples and computes medians; the order of first samples is the order of rows. */
export class Samples {
  readonly #samples = new Map<string, { key: Omit<Row, "value" | "min" | "max" | "rounds">; values: number[] }>();

  add(subject: string, name: string, metric: string, unit: string, value: number): void {
    const id = `${subject}\n${name}\n${metric}`;
    const entry = this.#samples.get(id) ?? { key: { subject, case: name, metric, unit }, values: [] };
    entry.values.push(value);
    this.#samples.set(id, entry);
  }

  /** `compared` are the metrics for which "ours / peer's" is said, for each of our `subjects` against every other one. */
  report(bench: string, compared: readonly string[], subjects: readonly string[] = ["novaedge"]): Report {
    const rows = [...this.#samples.values()].map(({ key, values }) => ({
      ...key,
      value: median(values),
      min: Math.min(...values),
      max: Math.max(...values),
      rounds: values.length,
    }));
    const peers = rows.filter((row) => !subjects.includes(row.subject) && compared.includes(row.metric));
    const ratios = peers.flatMap((peer) =>
      rows
        .filter((ours) => subjects.includes(ours.subject) && ours.case === peer.case && ours.metric === peer.metric)
        .filter(() => peer.value !== 0)
        .map((ours) => ({
          case: peer.case,
          metric: peer.metric,
          subject: ours.subject,
          peer: peer.subject,
          value: ours.value / peer.value,
        })),
    );
    return { bench, rows, ratios };
  }
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}

export function table(report: Report): string {
  const lines = report.rows.map((row) =>
    [
      row.case.padEnd(14),
      row.subject.padEnd(18),
      row.metric.padEnd(22),
      format(row.value).padStart(12),
      row.unit.padEnd(6),
      `(${format(row.min)} – ${format(row.max)}, ${row.rounds} rounds)`,
    ].join(" "),
  );
  const ratios = report.ratios.map(
    (ratio) =>
      `${ratio.case.padEnd(14)} ${ratio.metric.padEnd(22)} ${ratio.subject} / ${ratio.peer.padEnd(16)} = ${ratio.value.toFixed(2)}`,
  );
  return [...lines, "", ...ratios].join("\n");
}

function format(value: number): string {
  return Math.abs(value) >= 1000 ? value.toFixed(0) : value.toFixed(value < 10 ? 2 : 1);
}
