import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { NO_EDITS } from "../../../proxy/http1/edits.ts";
import { FULL, type ResponseForward } from "../../../proxy/http1/forward.ts";
import { ResponseHead } from "../../../proxy/http1/head.ts";
import { GET } from "../../../proxy/http1/method.ts";
import { parseResponseHead } from "../../../proxy/http1/response.ts";
import { rewriteResponseHead } from "../../../proxy/http1/rewrite-response.ts";
import { writeResponseHead } from "../../../proxy/http1/write-response.ts";
import { fieldsOf, latin1, responseHead } from "./messages.ts";
import { responseText } from "./streams.ts";

const forward: ResponseForward = { edits: NO_EDITS, clientMinor: 1, close: false, date: Buffer.from("Date: now\r\n") };
const ROOM = 64;

/** The head as it leaves, or FULL; what lies around it must be as it was. */
function rewritten(text: string, change: Partial<ResponseForward> = {}, room = ROOM): string | typeof FULL {
  const memory = Buffer.concat([Buffer.alloc(ROOM, "<"), Buffer.from(text, "latin1"), Buffer.from(">body")]);
  const before = Buffer.from(memory);
  const head = new ResponseHead();
  const end = parseResponseHead(head, memory, ROOM, ROOM + text.length, GET);
  expect(end).toBeGreaterThan(0);
  const start = rewriteResponseHead(head, { ...forward, ...change }, ROOM - room);
  expect(memory.subarray(end).equals(before.subarray(end))).toBe(true);
  if (start === FULL) {
    expect(memory.equals(before)).toBe(true);
    return FULL;
  }
  expect(start).toBeGreaterThanOrEqual(ROOM - room);
  expect(memory.subarray(0, Math.min(start, ROOM)).equals(before.subarray(0, Math.min(start, ROOM)))).toBe(true);
  return latin1(memory, start, end);
}

describe("a response head that is rewritten where it lies", () => {
  test("leaves what is right already", () => {
    const text = "HTTP/1.1 200 OK\r\nDate: d\r\nTransfer-Encoding: chunked\r\n\r\n";
    expect(rewritten(text, {}, 0)).toBe(text);
  });
  test("closes the gaps", () => {
    const text =
      "HTTP/1.1 200 OK\r\nKeep-Alive: 5\r\nA: b\r\nX: y\r\nConnection: X, keep-alive\r\nDate: d\r\nUpgrade: z\r\n\r\n";
    expect(rewritten(text, {}, 0)).toBe("HTTP/1.1 200 OK\r\nA: b\r\nDate: d\r\n\r\n");
    expect(rewritten("HTTP/1.1 200 OK\r\nKeep-Alive: 5\r\nDate: d\r\n\r\n")).toBe("HTTP/1.1 200 OK\r\nDate: d\r\n\r\n");
  });
  test("adds its own lines in the room that there is", () => {
    const text = "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n";
    const expected = "HTTP/1.1 200 OK\r\nDate: now\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
    expect(rewritten(text, { close: true })).toBe(expected);
    expect(rewritten(text, { close: true }, 30)).toBe(expected);
    expect(rewritten(text, { close: true }, 29)).toBe(FULL);
    expect(
      rewritten(
        "HTTP/1.1 200 OK\r\nDate: d\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n",
        { close: true },
        0,
      ),
    ).toBe("HTTP/1.1 200 OK\r\nConnection: close\r\nDate: d\r\nContent-Length: 0\r\n\r\n");
    expect(rewritten("HTTP/1.1 200 OK\r\n\r\n", { close: true })).toBe(
      "HTTP/1.1 200 OK\r\nDate: now\r\nConnection: close\r\n\r\n",
    );
  });
  test("writes Transfer-Encoding anew when it was said otherwise", () => {
    expect(rewritten("HTTP/1.1 200 OK\r\nDate: d\r\ntransfer-encoding: Chunked\r\n\r\n")).toBe(
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nDate: d\r\n\r\n",
    );
    expect(
      rewritten("HTTP/1.1 200 OK\r\nDate: d\r\nTransfer-Encoding: chunked\r\n\r\n", { clientMinor: 0, close: true }),
    ).toBe("HTTP/1.1 200 OK\r\nConnection: close\r\nDate: d\r\n\r\n");
  });
  test("leaves filters to the writer", () => {
    expect(rewritten("HTTP/1.1 200 OK\r\n\r\n", { edits: { ...NO_EDITS } })).toBe(FULL);
  });
  test("says what the writer says", () => {
    fc.assert(
      fc.property(responseText, fc.boolean(), fc.nat(1), (text, close, clientMinor) => {
        const head = responseHead(text);
        if (typeof head === "string") return;
        const change = { ...forward, close, clientMinor };
        const out = Buffer.alloc(8192);
        const written = responseHead(latin1(out, 0, writeResponseHead(head, change, out, 0)));
        const inPlace = rewritten(text.slice(0, head.end - head.start), change);
        if (typeof written === "string" || inPlace === FULL) throw new TypeError("refused or full");
        const again = responseHead(inPlace);
        if (typeof again === "string") throw new TypeError(again);
        const lines = (of: ResponseHead): string[] => fieldsOf(of).toSorted();
        expect(lines(again)).toEqual(lines(written));
        expect([again.status, again.framing, again.minor, again.keepAlive]).toEqual([
          written.status,
          written.framing,
          1,
          written.keepAlive,
        ]);
        expect(inPlace.startsWith("HTTP/1.1 ")).toBe(true);
      }),
      { numRuns: 3_000 },
    );
  });
});
