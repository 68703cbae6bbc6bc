import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { NO_EDITS } from "../../../proxy/http1/edits.ts";
import { ResponseHead } from "../../../proxy/http1/head.ts";
import { GET } from "../../../proxy/http1/method.ts";
import { latin1, textOf } from "../../../proxy/http1/octets.ts";
import { parseResponseHead } from "../../../proxy/http1/response.ts";
import { stripResponseHead } from "../../../proxy/http1/strip-response.ts";
import { writeResponseHead } from "../../../proxy/http1/write-response.ts";

describe("a response head stripped where it lies", () => {
  const LINES = [
    "Connection: keep-alive, X-Hop",
    "Keep-Alive: timeout=5",
    "X-Hop: 1",
    "Server: s",
    "Content-Length: 5",
    "Set-Cookie: a=b",
    "Upgrade: h2c",
    "Date: now",
    "Proxy-Connection: close",
    "Transfer-Encoding: chunked",
  ];
  const forward = { edits: NO_EDITS, clientMinor: 1, close: false, date: latin1("Date: ours\r\n") };

  /** Whether it was stripped; undefined: it is no head that anybody takes. */
  function compared(lines: readonly string[], before: number): boolean | undefined {
    const text = `HTTP/1.1 200 OK\r\n${lines.map((each) => `${each}\r\n`).join("")}\r\n`;
    const memory = Buffer.from(`${"#".repeat(before)}${text}hello`, "latin1");
    const head = new ResponseHead();
    const at = parseResponseHead(head, memory, before, memory.length, GET);
    if (at < 0) return undefined;
    const out = Buffer.alloc(4096);
    const written = textOf(out, 0, writeResponseHead(head, forward, out, 0));
    const start = stripResponseHead(head, NO_EDITS, 1, false);
    expect(start < 0).toBe(!lines.includes("Date: now") || lines.includes("Transfer-Encoding: chunked"));
    if (start >= 0) expect(textOf(memory, start, memory.length)).toBe(`${written}hello`);
    return start >= 0;
  }

  it("is what would have been written, whatever lines it has, in any order, RFC 9110 §7.6.1", () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.constantFrom(...LINES)),
        fc.nat(40),
        (lines, before) => void compared(lines, before),
      ),
    );
  });

  it("… every choice of them: a quarter is stripped, those with a date and without a coding of their own", () => {
    const outcomes = Array.from({ length: 2 ** LINES.length }, (_, choice) =>
      compared(
        LINES.filter((_line, bit) => (choice & (1 << bit)) !== 0),
        choice % 7,
      ),
    );
    expect(outcomes.filter((each) => each === true)).toHaveLength(2 ** LINES.length / 4);
  });

  it("is left to be written when something is added or changed", () => {
    const memory = Buffer.from("HTTP/1.1 200 OK\r\nDate: d\r\nConnection: x\r\n\r\n", "latin1");
    const head = new ResponseHead();
    parseResponseHead(head, memory, 0, memory.length, GET);
    expect(stripResponseHead(head, NO_EDITS, 1, true)).toBe(-1);
    expect(stripResponseHead(head, NO_EDITS, 0, false)).toBe(-1);
    expect(stripResponseHead(head, { ...NO_EDITS, add: latin1("X: y\r\n") }, 1, false)).toBe(-1);
    expect(stripResponseHead(head, { ...NO_EDITS, remove: [latin1("server")] }, 1, false)).toBe(-1);
  });
});
