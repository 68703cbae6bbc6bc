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
  it("is what would have been written, whatever lines it has, RFC 9110 §7.6.1", () => {
    const line = fc.constantFrom(
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
    );
    const forward = { edits: NO_EDITS, clientMinor: 1, close: false, date: latin1("Date: ours\r\n") };
    let stripped = 0;
    fc.assert(
      fc.property(fc.uniqueArray(line), fc.nat(40), (lines, before) => {
        const text = `HTTP/1.1 200 OK\r\n${lines.map((each) => `${each}\r\n`).join("")}\r\n`;
        const memory = Buffer.from(`${"#".repeat(before)}${text}hello`, "latin1");
        const head = new ResponseHead();
        const at = parseResponseHead(head, memory, before, memory.length, GET);
        if (at < 0) return;
        const out = Buffer.alloc(4096);
        const written = textOf(out, 0, writeResponseHead(head, forward, out, 0));
        const start = stripResponseHead(head, NO_EDITS, 1, false);
        expect(start < 0).toBe(!lines.includes("Date: now") || lines.includes("Transfer-Encoding: chunked"));
        if (start < 0) return;
        stripped++;
        expect(textOf(memory, start, memory.length)).toBe(`${written}hello`);
      }),
    );
    expect(stripped).toBeGreaterThan(10);
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
