/** All probes of a run in a file: a line of JSON with the names, then 24 octets a probe. */
import { err, ok, type Result } from "../../base/result.ts";

export interface Sample {
  readonly sentAt: number;
  readonly answeredAt: number | undefined;
  /** Index of the target. */
  readonly target: number;
  /** Who answered. */
  readonly by: string | undefined;
}

export function encodeSamples(samples: readonly Sample[]): Buffer {
  const names = [...new Set(samples.flatMap((each) => (each.by === undefined ? [] : [each.by])))];
  const indexes = new Map(names.map((name, index) => [name, index]));
  const head = Buffer.from(`${JSON.stringify({ names })}\n`);
  const rows = Buffer.alloc(samples.length * ROW);
  samples.forEach((sample, index) => {
    const at = index * ROW;
    rows.writeDoubleLE(sample.sentAt, at);
    rows.writeDoubleLE(sample.answeredAt ?? 0, at + 8);
    rows.writeInt32LE(sample.target, at + 16);
    rows.writeInt32LE(sample.by === undefined ? -1 : (indexes.get(sample.by) ?? -1), at + 20);
  });
  return Buffer.concat([head, rows]);
}

export function decodeSamples(bytes: Buffer): Result<readonly Sample[], "malformed"> {
  const end = bytes.indexOf(10);
  if (end < 0 || (bytes.length - end - 1) % ROW !== 0) return err("malformed");
  let names: unknown;
  try {
    names = (JSON.parse(bytes.toString("utf8", 0, end)) as { names?: unknown }).names;
  } catch {
    return err("malformed");
  }
  if (!Array.isArray(names)) return err("malformed");
  const samples: Sample[] = [];
  for (let at = end + 1; at < bytes.length; at += ROW) {
    const answeredAt = bytes.readDoubleLE(at + 8);
    const by: unknown = names[bytes.readInt32LE(at + 20)];
    samples.push({
      sentAt: bytes.readDoubleLE(at),
      answeredAt: answeredAt === 0 ? undefined : answeredAt,
      target: bytes.readInt32LE(at + 16),
      by: typeof by === "string" ? by : undefined,
    });
  }
  return ok(samples);
}

const ROW = 24;
