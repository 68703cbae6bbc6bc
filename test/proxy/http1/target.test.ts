import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ABSOLUTE, ASTERISK, ORIGIN, RequestHead } from "../../../proxy/http1/head.ts";
import { LIMITS } from "../../../proxy/http1/limits.ts";
import { mergeSlashes, normalisePath } from "../../../proxy/http1/path.ts";
import { refusalOf } from "../../../proxy/http1/refusal.ts";
import { latin1, octets, requestHead } from "./messages.ts";

function parsed(line: string, host = "Host: h.example\r\n"): RequestHead {
  const head = requestHead(`${line}\r\n${host}\r\n`);
  if (typeof head === "string") throw new TypeError(head);
  return head;
}
const path = (head: RequestHead): string => latin1(head.pathMemory, head.pathStart, head.pathEnd);
const routed = (head: RequestHead): string => latin1(head.routeMemory, head.routeStart, head.routeEnd);
const query = (head: RequestHead): string => latin1(head.memory, head.queryStart, head.queryEnd);
const host = (head: RequestHead): string => latin1(head.memory, head.hostStart, head.hostEnd);
const authority = (head: RequestHead): string => latin1(head.memory, head.authorityStart, head.authorityEnd);

describe("RFC 9112 §3.2: the forms of a target", () => {
  test("§3.2.1 origin form", () => {
    const head = parsed("GET /a/b?c=d?e HTTP/1.1");
    expect([head.form, path(head), routed(head), query(head), authority(head)]).toEqual([
      ORIGIN,
      "/a/b",
      "/a/b",
      "?c=d?e",
      "h.example",
    ]);
  });
  test("§3.2.2 absolute form: its authority wins over the Host field", () => {
    const head = parsed("GET http://T.example:8080/a?b HTTP/1.1");
    expect([head.form, path(head), query(head), host(head), authority(head)]).toEqual([
      ABSOLUTE,
      "/a",
      "?b",
      "T.example",
      "T.example:8080",
    ]);
    expect(path(parsed("GET HTTP://h HTTP/1.1"))).toBe("/");
    const bare = parsed("GET http://h?x=/../y HTTP/1.1");
    expect([path(bare), query(bare)]).toEqual(["/", "?x=/../y"]);
    expect(authority(parsed("GET http://h/ HTTP/1.0", ""))).toBe("h");
  });
  test("§3.2.4 asterisk form, also as the empty path of an absolute one", () => {
    expect([parsed("OPTIONS * HTTP/1.1").form, path(parsed("OPTIONS * HTTP/1.1"))]).toEqual([ASTERISK, "*"]);
    const head = parsed("OPTIONS http://h:8001 HTTP/1.1");
    expect([path(head), query(head), authority(head)]).toEqual(["*", "", "h:8001"]);
    expect(path(parsed("OPTIONS http://h/ HTTP/1.1"))).toBe("/");
  });
  test("RFC 9110 §7.4: https belongs on a listener with TLS", () => {
    const text = "GET https://h/ HTTP/1.1\r\nHost: h\r\n\r\n";
    expect(typeof requestHead(text, LIMITS, true)).toBe("object");
    expect(requestHead(text.replace("https", "http"), LIMITS, true)).toBe("scheme-misdirected");
  });
});

describe("RFC 9110 §7.2: the host of a request", () => {
  test.each([
    ["h.example", "h.example"],
    ["H.Example:80", "H.Example"],
    ["h.example:", "h.example"],
    ["h.example.", "h.example"],
    ["h.example.:80", "h.example"],
    ["192.0.2.1:8080", "192.0.2.1"],
    ["[2001:db8::1]", "[2001:db8::1]"],
    ["[::ffff:192.0.2.1]:443", "[::ffff:192.0.2.1]"],
    ["a_b~c-d", "a_b~c-d"],
  ])("%s is %s", (field, expected) => {
    const head = parsed("GET / HTTP/1.1", `Host: ${field}\r\n`);
    expect([host(head), authority(head)]).toEqual([expected, field]);
  });
  test("RFC 9112 §3.2: HTTP/1.0 may come without one", () => {
    expect(host(parsed("GET / HTTP/1.0", ""))).toBe("");
  });
});

describe("RFC 3986 §6.2.2: what is routed is what is forwarded", () => {
  test.each([
    ["/a/./b", "/a/b"],
    ["/a/../b", "/b"],
    ["/a/b/..", "/a/"],
    ["/a/b/.", "/a/b/"],
    ["/a/%2e%2E/b", "/b"],
    ["/a/.%2e/b", "/b"],
    ["/%61%2Db", "/a-b"],
    ["/%c3%a9", "/%C3%A9"],
    ["/a%2fb", "/a%2Fb"],
    ["/a%5cb", "/a%5Cb"],
    ["/%252e%252e/b", "/%252e%252e/b"],
    ["/...", "/..."],
    ["/.a/..b", "/.a/..b"],
    ["/a;v=../b", "/a;v=../b"],
    ["/..a;x/b", "/..a;x/b"],
    ["/a%2Fb;..%2Fc", "/a%2Fb;..%2Fc"],
    ["/a//../b", "/a/b"],
    ["/a/b/../../c", "/c"],
    ["/a/../", "/"],
  ])("%s is %s", (given, expected) => {
    expect(path(parsed(`GET ${given} HTTP/1.1`))).toBe(expected);
  });
  test("empty segments are forwarded and not routed", () => {
    const head = parsed("GET //a///b//?c//d HTTP/1.1");
    expect([path(head), routed(head), query(head)]).toEqual(["//a///b//", "/a/b/", "?c//d"]);
  });
  test("an ordinary path is not copied", () => {
    const head = parsed("GET /a/b.c/d;e=f?g=/../h HTTP/1.1");
    expect(head.pathMemory).toBe(head.memory);
    expect(query(head)).toBe("?g=/../h");
  });

  const piece = fc.constantFrom(
    "/",
    "/",
    "a",
    "b.c",
    ".",
    "..",
    "%2e",
    "%2E%2e",
    "%41",
    "%2f",
    "%5C",
    ";",
    ";x",
    "%25",
    "%c3%a9",
    "//",
  );
  const anyPath = fc.array(piece, { maxLength: 12 }).map((pieces) => `/${pieces.join("")}`);
  test("normalising again changes nothing; no dot segment is left, whoever looks", () => {
    fc.assert(
      fc.property(anyPath, (text) => {
        const once = normalised(text);
        if (once.startsWith("refused")) return;
        expect(normalised(once)).toBe(once);
        for (const look of [once, once.replace(/%2F|%5C/g, "/"), once.replace(/;[^/]*/g, "")]) {
          expect(look.split("/").filter((segment) => segment === "." || segment === "..")).toEqual([]);
        }
      }),
      { numRuns: 5_000 },
    );
  });
  test("where nothing is refused, the URL standard resolves to the same path", () => {
    fc.assert(
      fc.property(anyPath, (text) => {
        const ours = normalised(text);
        if (ours.startsWith("refused") || text.includes("//")) return;
        const theirs = new URL(`http://h${text}`).pathname;
        expect(normalised(theirs)).toBe(ours);
      }),
      { numRuns: 5_000 },
    );
  });
  test("the fast and the slow way agree on what needs no normalising", () => {
    fc.assert(
      fc.property(anyPath, (text) => {
        const head = requestHead(`GET ${text} HTTP/1.1\r\nHost: h\r\n\r\n`);
        const slow = normalised(text);
        if (typeof head === "string") {
          expect(slow).toBe(`refused: ${head}`);
          return;
        }
        expect(path(head)).toBe(slow);
        expect(routed(head)).toBe(slow.replace(/\/+/g, "/"));
      }),
      { numRuns: 5_000 },
    );
  });
});

function normalised(text: string): string {
  const input = octets(text);
  const out = new Uint8Array(input.length * 2);
  const length = normalisePath(input, 0, input.length, out);
  if (length < 0) return `refused: ${refusalOf(length).name}`;
  expect(length).toBeLessThanOrEqual(input.length);
  expect(mergeSlashes(out, 0, length, length)).toBeLessThanOrEqual(2 * length);
  return latin1(out, 0, length);
}
