/** Streams of messages for properties: mostly good, sometimes wrong in one place. */
import fc from "fast-check";
import {
  BEFORE,
  CHUNK_SIZE,
  FIELD,
  FRAMING,
  GAP,
  HOST,
  LAST_CHUNK,
  LINE_END,
  METHOD,
  REASON,
  STATUS,
  TARGET,
  TRAILER,
  VERSION,
} from "./fragments.ts";

const eol = mostly(LINE_END);
const fields = fc
  .array(fc.tuple(mostly(FIELD, 30), eol), { maxLength: 4 })
  .map((lines) => lines.map(([line, end]) => line + end).join(""));
const chunked = fc
  .tuple(
    fc.array(fc.tuple(mostly(CHUNK_SIZE), eol, eol), { maxLength: 3 }),
    mostly(LAST_CHUNK),
    eol,
    mostly(TRAILER),
    eol,
  )
  .map(
    ([chunks, last, lastEnd, trailer, end]) =>
      chunks.map(([line, a, b]) => `${line}${a}hello${b}`).join("") + last + lastEnd + trailer + end,
  );
/** A framing field and mostly the body that belongs to it. */
const framed = fc
  .tuple(
    mostly(FRAMING, 20),
    chunked,
    fc.constantFrom("hello", "hello", "hello", "hell", "hello!", "", "0\r\n\r\n"),
    fc.nat(50),
  )
  .map(([framing, chunks, text, odd]): readonly [string, string] => {
    if (odd === 0) return [framing, text];
    return [framing, framing.includes("chunked") ? chunks : framing.includes(": 5") ? text : ""];
  });
/** A request, mostly a good one, with its body. */
export const requestText = fc
  .tuple(
    mostly(BEFORE),
    mostly(METHOD),
    mostly(GAP),
    mostly(TARGET, 20),
    mostly(GAP),
    mostly(VERSION),
    eol,
    mostly(HOST, 20),
    fields,
    framed,
  )
  .map(([before, method, gap, target, gap2, version, end, host, lines, [framing, body]]) =>
    [before, method, gap, target, gap2, version, end, host, lines, framing, "\r\n", body].join(""),
  );
export const responseText = fc
  .tuple(mostly(VERSION), mostly(GAP), mostly(STATUS, 20), mostly(REASON, 20), eol, fields, framed)
  .map(([version, gap, status, reason, end, lines, [framing, body]]) =>
    [version, gap, status, reason, end, lines, framing, "\r\n", body].join(""),
  );

export function mostly(
  { good, bad }: { readonly good: readonly string[]; readonly bad: readonly string[] },
  weight = 60,
): fc.Arbitrary<string> {
  return fc.oneof({ weight, arbitrary: fc.constantFrom(...good) }, fc.constantFrom(...bad));
}

/** One octet put in, taken out or changed, or not. */
export function mutated(stream: fc.Arbitrary<string>): fc.Arbitrary<string> {
  const change = fc.record({
    at: fc.nat(),
    kind: fc.constantFrom("none", "none", "put", "take", "set"),
    octet: fc.oneof(
      fc.constantFrom("\r", "\n", " ", "\t", "\0", ":", ",", ";"),
      fc.nat(255).map((n) => String.fromCharCode(n)),
    ),
  });
  return fc.tuple(stream, change).map(([text, { at, kind, octet }]) => {
    const place = at % (text.length + 1);
    if (kind === "none") return text;
    return text.slice(0, place) + (kind === "take" ? "" : octet) + text.slice(kind === "put" ? place : place + 1);
  });
}
