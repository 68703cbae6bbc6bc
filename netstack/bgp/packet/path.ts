/**
 * AS paths.  Standards: RFC 4271 §4.3 (b), RFC 7606 §7.2, RFC 6793 §4.2.3, §6, RFC 5065 §5, RFC 7607 §2.  Left out on
 * purpose: being part of a confederation; its segments are malformed from anybody outside, so they are here.
 */
import { err, ok, type Result } from "../../../base/result.ts";
import type { AsPath, AsSegment } from "./attribute.ts";
import type { AttributeFaultKind } from "./message.ts";
import type { Octets } from "./octets.ts";
import { AS_TRANS } from "./open.ts";

export type BadPath = Extract<AttributeFaultKind, "segment-type" | "segment-length" | "confederation" | "as-zero">;

/** `width`: octets of a number, 2 or 4 (RFC 6793). */
export function decodePath(bytes: Uint8Array, start: number, end: number, width: 2 | 4): Result<AsPath, BadPath> {
  const segments: AsSegment[] = [];
  for (let at = start; at < end; ) {
    const kind = SEGMENTS[bytes[at] as number];
    if (kind === undefined) return err("segment-type");
    const count = at + 1 < end ? (bytes[at + 1] as number) : 0;
    at += 2;
    if (count === 0 || at + count * width > end) return err("segment-length");
    const asns: number[] = [];
    for (let left = count; left > 0; left--, at += width) {
      const asn = width === 2 ? u16(bytes, at) : u16(bytes, at) * 65536 + u16(bytes, at + 2);
      if (asn === 0) return err("as-zero");
      asns.push(asn);
    }
    segments.push({ kind, asns });
  }
  return ok(segments);
}

/** A sequence of more than 255 becomes several segments, which mean the same. */
export function writePath(out: Octets, path: AsPath, width: 2 | 4): void {
  for (const { kind, asns } of path) {
    for (let from = 0; from < asns.length; from += MOST_ASNS) {
      const to = Math.min(asns.length, from + MOST_ASNS);
      out.u8(SEGMENTS.indexOf(kind)).u8(to - from);
      for (let at = from; at < to; at++) {
        const asn = asns[at] as number;
        if (width === 4) out.u32(asn);
        else out.u16(asn > 0xffff ? AS_TRANS : asn);
      }
    }
  }
}

/** RFC 4271 §9.1.2.2 (a): a set counts as one, however large; RFC 5065 §5.3: confederation segments do not count. */
export function pathLength(path: AsPath): number {
  let length = 0;
  for (const { kind, asns } of path) length += kind === "sequence" ? asns.length : kind === "set" ? 1 : 0;
  return length;
}

/** RFC 4271 §5.1.2 (b): `asn` so many times in front. */
export function prepended(path: AsPath, asn: number, times = 1): AsPath {
  if (times === 0) return path;
  const own = Array.from({ length: times }, () => asn);
  const [first, ...rest] = path;
  return first?.kind === "sequence"
    ? [{ kind: "sequence", asns: [...own, ...first.asns] }, ...rest]
    : [{ kind: "sequence", asns: own }, ...path];
}

export function pathHas(path: AsPath, asn: number): boolean {
  return path.some(({ asns }) => asns.includes(asn));
}

/** RFC 6793 §4.2.2: an AS4_PATH is only sent when the two-octet path lost something. */
export function needsFourOctets(path: AsPath): boolean {
  return path.some(({ asns }) => asns.some((asn) => asn > 0xffff));
}

/** RFC 6793 §4.2.3: as much of the front of `path` as `four` has not seen, then `four`. */
export function merged(path: AsPath, four: AsPath): AsPath {
  const extra = pathLength(path) - pathLength(four);
  if (extra < 0) return path;
  const front: AsSegment[] = [];
  let left = extra;
  for (const segment of path) {
    const counts = segment.kind === "sequence" ? segment.asns.length : segment.kind === "set" ? 1 : 0;
    if (counts > 0 && left === 0) break;
    front.push(counts > left ? { kind: segment.kind, asns: segment.asns.slice(0, left) } : segment);
    left -= Math.min(counts, left);
  }
  return joined([...front, ...four]);
}

/** "65001 65002 {65003 65004}": what `BgpRule.match.asPath` is matched against. */
export function pathText(path: AsPath): string {
  return path.map(({ kind, asns }) => BRACKETS[kind][0] + asns.join(" ") + BRACKETS[kind][1]).join(" ");
}

/** Sequences that follow each other are one. */
function joined(path: AsPath): AsPath {
  const result: AsSegment[] = [];
  for (const segment of path) {
    const last = result.at(-1);
    if (last?.kind === "sequence" && segment.kind === "sequence")
      result[result.length - 1] = { kind: "sequence", asns: [...last.asns, ...segment.asns] };
    else result.push(segment);
  }
  return result;
}
function u16(bytes: Uint8Array, at: number): number {
  return (((bytes[at] as number) << 8) | (bytes[at + 1] as number)) >>> 0;
}

/** One octet counts them. */
const MOST_ASNS = 255;
/** Wire order, from 1: RFC 4271 §4.3 (b), RFC 5065 §3. */
const SEGMENTS: readonly (AsSegment["kind"] | undefined)[] = [
  undefined,
  "set",
  "sequence",
  "confed-sequence",
  "confed-set",
];
const BRACKETS = {
  sequence: ["", ""],
  set: ["{", "}"],
  "confed-sequence": ["(", ")"],
  "confed-set": ["[", "]"],
} as const;
