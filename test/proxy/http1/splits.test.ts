/** However the octets are cut, the answer is the same: nothing is read differently because it came in pieces. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ChunkedScanner } from "../../../proxy/http1/chunked.ts";
import { RequestHead, ResponseHead } from "../../../proxy/http1/head.ts";
import { GET } from "../../../proxy/http1/method.ts";
import { INCOMPLETE, refusalOf } from "../../../proxy/http1/refusal.ts";
import { parseRequestHead } from "../../../proxy/http1/request.ts";
import { parseResponseHead } from "../../../proxy/http1/response.ts";
import { CHUNK_SIZE, FIELD, LAST_CHUNK, LINE_END, TRAILER } from "./fragments.ts";
import { latin1, octets } from "./messages.ts";
import { mostly, requestText, responseText } from "./streams.ts";

describe("RFC 9112 §2.2: a head in pieces", () => {
  test("every prefix of a request's head is incomplete or refused as the whole is", () => {
    const head = new RequestHead();
    fc.assert(
      fc.property(requestText, (text) => {
        const memory = octets(text);
        const whole = parseRequestHead(head, memory, 0, memory.length);
        for (let end = 0; end < memory.length; end++) {
          const part = parseRequestHead(head, memory, 0, end);
          if (part === INCOMPLETE) expect(whole === INCOMPLETE || whole < 0 || whole > end).toBe(true);
          else expect(part).toBe(whole);
        }
      }),
      { numRuns: 1_500 },
    );
  });
  test("every prefix of a response's head is incomplete or refused as the whole is", () => {
    const head = new ResponseHead();
    fc.assert(
      fc.property(responseText, (text) => {
        const memory = octets(text);
        const whole = parseResponseHead(head, memory, 0, memory.length, GET);
        for (let end = 0; end < memory.length; end++) {
          const part = parseResponseHead(head, memory, 0, end, GET);
          if (part === INCOMPLETE) expect(whole === INCOMPLETE || whole < 0 || whole > end).toBe(true);
          else expect(part).toBe(whole);
        }
      }),
      { numRuns: 1_500 },
    );
  });
  test("the place in memory does not matter: scanning by words finds what scanning by octets finds", () => {
    const aligned = new RequestHead();
    fc.assert(
      fc.property(requestText, fc.nat(7), (text, shift) => {
        const plain = octets(text);
        const expected = parseRequestHead(aligned, plain, 0, plain.length);
        const memory = Buffer.alloc(plain.length + 16, "\r\n");
        plain.copy(memory, shift);
        const unaligned = new RequestHead();
        const at = parseRequestHead(
          unaligned,
          memory.subarray(1),
          shift - 1 < 0 ? 0 : shift - 1,
          shift - 1 + plain.length,
        );
        if (shift > 0) expect(at < 0 ? at : at - shift + 1).toBe(expected);
        const shifted = parseRequestHead(unaligned, memory, shift, shift + plain.length);
        expect(shifted < 0 ? shifted : shifted - shift).toBe(expected);
      }),
      { numRuns: 3_000 },
    );
  });
});

describe("RFC 9112 §7.1: a chunked body in pieces", () => {
  const body = fc
    .tuple(
      fc.array(fc.tuple(mostly(CHUNK_SIZE), mostly(LINE_END), mostly(LINE_END)), { maxLength: 4 }),
      mostly(LAST_CHUNK),
      mostly(TRAILER),
      fc.array(mostly(FIELD), { maxLength: 1 }),
      fc.constantFrom("\r\n", "\r\n", "\n", ""),
    )
    .map(
      ([chunks, last, trailer, more, end]) =>
        `${chunks.map(([size, a, b]) => `${size}${a}hello${b}`).join("")}${last}\r\n${trailer}${more.map((each) => `${each}\r\n`).join("")}${end}GET /next`,
    );

  test("any split gives the same content, the same end or the same refusal at the same octet", () => {
    const one = new ChunkedScanner();
    const two = new ChunkedScanner();
    fc.assert(
      fc.property(body, fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1 }), (text, pieces) => {
        const memory = octets(text);
        expect(inPieces(two, memory, pieces)).toEqual(inPieces(one, memory, [memory.length]));
        expect(inPieces(two, memory, [1])).toEqual(inPieces(one, memory, [memory.length]));
      }),
      { numRuns: 3_000 },
    );
  });

  test("scan and next agree", () => {
    const one = new ChunkedScanner();
    const two = new ChunkedScanner();
    fc.assert(
      fc.property(body, (text) => {
        const memory = octets(text);
        one.reset();
        const at = one.scan(memory, 0, memory.length);
        const { end, octets: count } = inPieces(two, memory, [memory.length]);
        expect(end).toBe(at < 0 ? refusalOf(at).name : at);
        if (at >= 0) expect(one.octets).toBe(count);
      }),
    );
  });
});

function inPieces(
  scanner: ChunkedScanner,
  memory: Buffer,
  pieces: readonly number[],
): { readonly end: number | string; readonly content: string; readonly octets: number } {
  scanner.reset();
  let at = 0;
  let content = "";
  for (let turn = 0; at < memory.length && !scanner.done; turn++) {
    const end = Math.min(memory.length, at + (pieces[turn % pieces.length] ?? 1));
    while (at < end && !scanner.done) {
      const next = scanner.next(memory, at, end);
      if (next < 0) return { end: refusalOf(next).name, content, octets: scanner.octets };
      expect(next).toBeGreaterThan(at);
      content += latin1(memory, scanner.dataStart, scanner.dataEnd);
      at = next;
    }
  }
  return { end: at, content, octets: scanner.octets };
}
