/** One vector per refusal, each the least that is wrong, beside its valid neighbour where that is not obvious. */
import { describe, expect, test } from "vitest";
import { ChunkedScanner } from "../../../proxy/http1/chunked.ts";
import { LIMITS } from "../../../proxy/http1/limits.ts";
import { GET, HEAD } from "../../../proxy/http1/method.ts";
import { INCOMPLETE, type RefusalName, refusal, refusalOf } from "../../../proxy/http1/refusal.ts";
import { octets, requestHead, responseHead, unchunk } from "./messages.ts";

const H = "Host: a\r\n";
const END = "\r\n";

type Vector = readonly [RefusalName, string];

const requests: readonly Vector[] = [
  ["leading-junk", `\0GET / HTTP/1.1\r\n${H}\r\n`],
  ["leading-junk", ` GET / HTTP/1.1\r\n${H}\r\n`],
  ["leading-junk", `${"\r\n".repeat(5)}GET / HTTP/1.1\r\n${H}\r\n`],
  ["leading-junk", "\x16\x03\x01\x02\x00\x01"], // a TLS ClientHello
  ["bare-cr", `\rGET / HTTP/1.1\r\n${H}\r\n`],
  ["bare-cr", `GET / HTTP/1.1\r${H}\r\n`],
  ["bare-cr", `GET / HTTP/1.1\r\n${H}A: b\rC: d\r\n\r\n`],
  ["bare-cr", `GET / HTTP/1.1\r\n${H}\rX`],
  ["bare-lf", `\nGET / HTTP/1.1\r\n${H}\r\n`],
  ["bare-lf", `GET / HTTP/1.1\n${H}\r\n`],
  ["bare-lf", `GET / HTTP/1.1\r\nHost: a\n\r\n`],
  ["bare-lf", `GET / HTTP/1.1\r\n${H}\n`],
  ["bare-lf", `GET / HTTP/1.1\r\n${H}A\nB: c\r\n\r\n`],
  ["line-fold", `GET / HTTP/1.1\r\n${H}A: b\r\n c\r\n\r\n`],
  ["line-fold", `GET / HTTP/1.1\r\n${H}A: b\r\n\tc\r\n\r\n`],
  ["line-fold", `GET / HTTP/1.1\r\n A: b\r\n${H}\r\n`],
  ["method-invalid", `G(T / HTTP/1.1\r\n${H}\r\n`],
  ["method-invalid", `GET\t/ HTTP/1.1\r\n${H}\r\n`],
  ["method-invalid", `GET\r\n`],
  ["method-too-long", `${"M".repeat(33)} / HTTP/1.1\r\n${H}\r\n`],
  ["method-connect", `CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n`],
  ["target-invalid", `GET  / HTTP/1.1\r\n${H}\r\n`],
  ["target-invalid", `GET /a\tb HTTP/1.1\r\n${H}\r\n`],
  ["target-invalid", `GET /\xe9 HTTP/1.1\r\n${H}\r\n`],
  ["target-invalid", `GET /\0 HTTP/1.1\r\n${H}\r\n`],
  ["target-invalid", `GET /\x7f HTTP/1.1\r\n${H}\r\n`],
  ["target-invalid", `GET /a#b HTTP/1.1\r\n${H}\r\n`],
  ["target-invalid", `GET /a?b#c HTTP/1.1\r\n${H}\r\n`],
  ["target-invalid", `GET /a\\b HTTP/1.1\r\n${H}\r\n`],
  ["target-too-long", `GET /${"a".repeat(LIMITS.target)} HTTP/1.1\r\n${H}\r\n`],
  ["target-too-long", `GET http://${"a".repeat(LIMITS.target)}/ HTTP/1.1\r\n${H}\r\n`],
  ["target-form", `GET * HTTP/1.1\r\n${H}\r\n`],
  ["target-form", `GET a/b HTTP/1.1\r\n${H}\r\n`],
  ["target-form", `GET a.example:80 HTTP/1.1\r\n${H}\r\n`],
  ["path-encoding", `GET /% HTTP/1.1\r\n${H}\r\n`],
  ["path-encoding", `GET /%2 HTTP/1.1\r\n${H}\r\n`],
  ["path-encoding", `GET /%zz HTTP/1.1\r\n${H}\r\n`],
  ["path-encoding", `GET /%00 HTTP/1.1\r\n${H}\r\n`],
  ["path-encoding", `GET /%c0%ae HTTP/1.1\r\n${H}\r\n`],
  ["path-encoding", `GET /%e0%80%af HTTP/1.1\r\n${H}\r\n`],
  ["path-traversal", `GET /.. HTTP/1.1\r\n${H}\r\n`],
  ["path-traversal", `GET /a/../../b HTTP/1.1\r\n${H}\r\n`],
  ["path-traversal", `GET /a/%2e%2E/../b HTTP/1.1\r\n${H}\r\n`],
  ["path-traversal", `GET /a/..%2fb HTTP/1.1\r\n${H}\r\n`],
  ["path-traversal", `GET /a%2f../b HTTP/1.1\r\n${H}\r\n`],
  ["path-traversal", `GET /a%5c..%5cb HTTP/1.1\r\n${H}\r\n`],
  ["path-traversal", `GET /a/..;x=1/b HTTP/1.1\r\n${H}\r\n`],
  ["path-traversal", `GET /a/.;/b HTTP/1.1\r\n${H}\r\n`],
  ["path-traversal", `GET /a;x%2f../b HTTP/1.1\r\n${H}\r\n`],
  ["scheme-unknown", `GET ftp://a/ HTTP/1.1\r\n${H}\r\n`],
  ["scheme-misdirected", `GET https://a/ HTTP/1.1\r\n${H}\r\n`],
  ["version-missing", "GET /\r\n\r\n"],
  ["version-missing", "GET http://a/\r\n\r\n"],
  ["version-invalid", `GET / \r\n${H}\r\n`],
  ["version-invalid", `GET / http/1.1\r\n${H}\r\n`],
  ["version-invalid", `GET / HTTP/1.1 \r\n${H}\r\n`],
  ["version-invalid", `GET / HTTP/1.10\r\n${H}\r\n`],
  ["version-invalid", `GET / HTTP/1.x\r\n${H}\r\n`],
  ["version-invalid", `GET /a b HTTP/1.1\r\n${H}\r\n`],
  ["version-unsupported", `GET / HTTP/1.2\r\n${H}\r\n`],
  ["version-unsupported", `GET / HTTP/0.9\r\n${H}\r\n`],
  ["version-unsupported", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".replace("*", "/")],
  ["head-too-large", `GET / HTTP/1.1\r\n${H}A: ${"b".repeat(LIMITS.head)}\r\n\r\n`],
  ["too-many-fields", `GET / HTTP/1.1\r\n${H}${"a: b\r\n".repeat(LIMITS.fields)}\r\n`],
  ["field-name-missing", `GET / HTTP/1.1\r\n${H}: b\r\n\r\n`],
  ["field-name-invalid", `GET / HTTP/1.1\r\n${H}A : b\r\n\r\n`],
  ["field-name-invalid", `GET / HTTP/1.1\r\n${H}A\t: b\r\n\r\n`],
  ["field-name-invalid", `GET / HTTP/1.1\r\n${H}A B: c\r\n\r\n`],
  ["field-name-invalid", `GET / HTTP/1.1\r\n${H}A\r\n\r\n`],
  ["field-name-invalid", `GET / HTTP/1.1\r\n${H}A\0: b\r\n\r\n`],
  ["field-name-invalid", `GET / HTTP/1.1\r\n${H}\xe9: b\r\n\r\n`],
  ["field-value-invalid", `GET / HTTP/1.1\r\n${H}A: \0\r\n\r\n`],
  ["field-value-invalid", `GET / HTTP/1.1\r\n${H}A: b\x7f\r\n\r\n`],
  ["field-value-invalid", `GET / HTTP/1.1\r\n${H}A: 0123456789abcdef\x0b\r\n\r\n`],
  ["host-missing", "GET / HTTP/1.1\r\n\r\n"],
  ["host-missing", "GET http://a/ HTTP/1.1\r\n\r\n"],
  ["host-repeated", `GET / HTTP/1.1\r\n${H}${H}\r\n`],
  ["host-repeated", `GET / HTTP/1.0\r\n${H}hOST: b\r\n\r\n`],
  ["host-invalid", "GET / HTTP/1.1\r\nHost:\r\n\r\n"],
  ["host-invalid", "GET / HTTP/1.1\r\nHost: a b\r\n\r\n"],
  ["host-invalid", "GET / HTTP/1.1\r\nHost: a,b\r\n\r\n"],
  ["host-invalid", "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n"],
  ["host-invalid", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"],
  ["host-invalid", "GET / HTTP/1.1\r\nHost: a:b\r\n\r\n"],
  ["host-invalid", "GET / HTTP/1.1\r\nHost: a:65536\r\n\r\n"],
  ["host-invalid", "GET / HTTP/1.1\r\nHost: a:80:80\r\n\r\n"],
  ["host-invalid", "GET / HTTP/1.1\r\nHost: .a\r\n\r\n"],
  ["host-invalid", "GET / HTTP/1.1\r\nHost: a..b\r\n\r\n"],
  ["host-invalid", "GET / HTTP/1.1\r\nHost: [::1\r\n\r\n"],
  ["host-invalid", "GET / HTTP/1.1\r\nHost: [::1]a\r\n\r\n"],
  ["host-invalid", "GET / HTTP/1.1\r\nHost: [fe80::1%25eth0]\r\n\r\n"],
  ["host-invalid", `GET http://u:p@a/ HTTP/1.1\r\n${H}\r\n`],
  ["host-invalid", `GET http:///a HTTP/1.1\r\n${H}\r\n`],
  ["host-invalid", "GET http://a/ HTTP/1.1\r\nHost: a b\r\n\r\n"],
  ["length-invalid", `POST / HTTP/1.1\r\n${H}Content-Length:\r\n\r\n`],
  ["length-invalid", `POST / HTTP/1.1\r\n${H}Content-Length: +5\r\n\r\n`],
  ["length-invalid", `POST / HTTP/1.1\r\n${H}Content-Length: -5\r\n\r\n`],
  ["length-invalid", `POST / HTTP/1.1\r\n${H}Content-Length: 0x5\r\n\r\n`],
  ["length-invalid", `POST / HTTP/1.1\r\n${H}Content-Length: 5, 5\r\n\r\n`],
  ["length-invalid", `POST / HTTP/1.1\r\n${H}Content-Length: 5 5\r\n\r\n`],
  ["length-invalid", `POST / HTTP/1.1\r\n${H}Content-Length: 5\t\r\n\r\n`],
  ["length-invalid", `POST / HTTP/1.1\r\n${H}Content-Length: 9007199254740992\r\n\r\n`],
  ["length-invalid", `POST / HTTP/1.1\r\n${H}Content-Length: 18446744073709551621\r\n\r\n`],
  ["length-repeated", `POST / HTTP/1.1\r\n${H}Content-Length: 5\r\nContent-Length: 6\r\n\r\n`],
  ["length-repeated", `POST / HTTP/1.1\r\n${H}Content-Length: 5\r\ncontent-length: 5\r\n\r\n`],
  ["length-and-coding", `POST / HTTP/1.1\r\n${H}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n`],
  ["length-and-coding", `POST / HTTP/1.1\r\n${H}Transfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n`],
  ["coding-repeated", `POST / HTTP/1.1\r\n${H}Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n`],
  ["coding-unknown", `POST / HTTP/1.1\r\n${H}Transfer-Encoding: gzip, chunked\r\n\r\n`],
  ["coding-unknown", `POST / HTTP/1.1\r\n${H}Transfer-Encoding: chunked, identity\r\n\r\n`],
  ["coding-unknown", `POST / HTTP/1.1\r\n${H}Transfer-Encoding: xchunked\r\n\r\n`],
  ["coding-unknown", `POST / HTTP/1.1\r\n${H}Transfer-Encoding: chunked;q=1\r\n\r\n`],
  ["coding-unknown", `POST / HTTP/1.1\r\n${H}Transfer-Encoding:\r\n\r\n`],
  ["coding-unknown", `POST / HTTP/1.1\r\n${H}Transfer-Encoding:\tchunked\r\n\r\n`],
  ["coding-in-1.0", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"],
  ["connection-invalid", `GET / HTTP/1.1\r\n${H}Connection: a b\r\n\r\n`],
  ["connection-invalid", `GET / HTTP/1.1\r\n${H}Connection: "close"\r\n\r\n`],
  ["expectation-unknown", `POST / HTTP/1.1\r\n${H}Content-Length: 5\r\nExpect: 200-maybe\r\n\r\n`],
  ["expectation-unknown", `POST / HTTP/1.1\r\n${H}Content-Length: 5\r\nExpect: 100-continue, x\r\n\r\n`],
  ["body-on-trace", `TRACE / HTTP/1.1\r\n${H}Content-Length: 5\r\n\r\n`],
];

const R = "HTTP/1.1 200 OK\r\n";
const responses: readonly Vector[] = [
  ["version-invalid", "HTTQ/1.1 200 OK\r\n\r\n"],
  ["version-invalid", "HTTP/1.1\t200 OK\r\n\r\n"],
  ["version-unsupported", "HTTP/2.0 200 OK\r\n\r\n"],
  ["version-unsupported", "HTTP/1.2 200 OK\r\n\r\n"],
  ["status-invalid", "HTTP/1.1 99 No\r\n\r\n"],
  ["status-invalid", "HTTP/1.1 2000 OK\r\n\r\n"],
  ["status-invalid", "HTTP/1.1  200 OK\r\n\r\n"],
  ["status-invalid", "HTTP/1.1 600 No\r\n\r\n"],
  ["status-invalid", "HTTP/1.1 200 O\0K\r\n\r\n"],
  ["bare-lf", "HTTP/1.1 200\n\r\n"],
  ["bare-lf", "HTTP/1.1 200 OK\n\r\n"],
  ["bare-cr", "HTTP/1.1 200 OK\r \r\n\r\n"],
  ["line-fold", `${R}A: b\r\n c\r\n\r\n`],
  ["head-too-large", `${R}A: ${"b".repeat(LIMITS.head)}\r\n\r\n`],
  ["too-many-fields", `${R}${"a: b\r\n".repeat(LIMITS.fields + 1)}\r\n`],
  ["switching-unasked", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n"],
  ["length-repeated", `${R}Content-Length: 5\r\nContent-Length: 5\r\n\r\n`],
  ["length-and-coding", `${R}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n`],
  ["length-invalid", `${R}Content-Length: 5;\r\n\r\n`],
  ["coding-repeated", `${R}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n`],
  ["coding-unknown", `${R}Transfer-Encoding: gzip\r\n\r\n`],
  ["coding-in-1.0", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"],
  ["body-on-bodyless", "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n"],
  ["body-on-bodyless", "HTTP/1.1 100 Continue\r\nTransfer-Encoding: chunked\r\n\r\n"],
  ["body-on-bodyless", "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n"],
  ["connection-invalid", `${R}Connection: \xe9\r\n\r\n`],
];

const chunks: readonly Vector[] = [
  ["chunk-size-invalid", "\r\n"],
  ["chunk-size-invalid", "x\r\n"],
  ["chunk-size-invalid", "+5\r\nhello\r\n0\r\n\r\n"],
  ["chunk-size-invalid", "-1\r\n"],
  ["chunk-size-invalid", "0x5\r\nhello\r\n0\r\n\r\n"],
  ["chunk-size-invalid", "5 \r\nhello\r\n0\r\n\r\n"],
  ["chunk-size-invalid", " 5\r\nhello\r\n0\r\n\r\n"],
  ["chunk-size-invalid", "5 ;a\r\nhello\r\n0\r\n\r\n"],
  ["chunk-size-overflow", "FFFFFFFFFFFFFFFF\r\n"],
  ["chunk-size-overflow", "20000000000000\r\n"],
  ["chunk-size-overflow", "00000000000000005\r\nhello\r\n0\r\n\r\n"],
  ["chunk-size-overflow", "1\r\na\r\n1FFFFFFFFFFFFF\r\n"],
  ["chunk-line-end", "5\r\nhello!\r\n0\r\n\r\n"],
  ["chunk-line-end", "5\r\nhello\n0\r\n\r\n"],
  ["chunk-line-end", "5\r\nhello\rx"],
  ["chunk-line-end", "5\r\nhello0\r\n\r\n"],
  ["bare-lf", "5\nhello\r\n0\r\n\r\n"],
  ["bare-lf", "5;a\nhello\r\n0\r\n\r\n"],
  ["bare-cr", "5\rhello\r\n0\r\n\r\n"],
  ["bare-cr", "0\r\n\rx"],
  ["bare-lf", "0\r\n\n"],
  ["chunk-extension-invalid", "5;\r\nhello\r\n0\r\n\r\n"],
  ["chunk-extension-invalid", "5;a=\r\nhello\r\n0\r\n\r\n"],
  ["chunk-extension-invalid", "5; a\r\nhello\r\n0\r\n\r\n"],
  ["chunk-extension-invalid", "5;a b\r\nhello\r\n0\r\n\r\n"],
  ["chunk-extension-invalid", '5;a="\r\nhello\r\n0\r\n\r\n'],
  ["chunk-extension-invalid", '5;a="b"c\r\nhello\r\n0\r\n\r\n'],
  ["chunk-extension-invalid", '5;a="\\\0"\r\nhello\r\n0\r\n\r\n'],
  ["chunk-extension-too-long", `5;${"a".repeat(LIMITS.chunkExtensions)}\r\nhello\r\n0\r\n\r\n`],
  ["chunk-extension-too-long", `${`1;${"a".repeat(1000)}\r\nx\r\n`.repeat(5)}0\r\n\r\n`],
  ["trailer-too-large", `0\r\na: ${"b".repeat(LIMITS.head)}\r\n\r\n`],
  ["too-many-fields", `0\r\n${"a: b\r\n".repeat(LIMITS.fields + 1)}\r\n`],
  ["trailer-forbidden", "0\r\nContent-Length: 5\r\n\r\n"],
  ["trailer-forbidden", "0\r\ntransfer-encoding: chunked\r\n\r\n"],
  ["trailer-forbidden", "0\r\nHost: a\r\n\r\n"],
  ["trailer-forbidden", "0\r\nContent_Length: 5\r\n\r\n"],
  ["trailer-forbidden", "0\r\nA: b\r\nConnection: close\r\n\r\n"],
  ["field-name-missing", "0\r\n: b\r\n\r\n"],
  ["field-name-invalid", "0\r\nA : b\r\n\r\n"],
  ["field-name-invalid", "0\r\n A: b\r\n\r\n"],
  ["field-name-invalid", "0\r\nA\r\n\r\n"],
  ["field-value-invalid", "0\r\nA: \0\r\n\r\n"],
  ["line-fold", "0\r\nA: b\r\n c\r\n\r\n"],
  ["bare-lf", "0\r\nA: b\n\r\n"],
  ["bare-cr", "0\r\nA: b\rc\r\n\r\n"],
];

describe("RFC 9112: a request is refused by name", () => {
  test.each(requests)("%s: %j", (name, text) => {
    expect(requestHead(text)).toBe(name);
  });
});
describe("RFC 9112: a response is refused by name", () => {
  test.each(responses)("%s: %j", (name, text) => {
    expect(responseHead(text)).toBe(name);
  });
});
describe("RFC 9112 §7.1: a chunked body is refused by name", () => {
  test.each(chunks)("%s: %j", (name, text) => {
    expect(unchunk(octets(text), 0)).toBe(name);
  });
  test("a refused scanner is fit for use again after reset", () => {
    const scanner = new ChunkedScanner();
    expect(refusalOf(scanner.scan(octets("1;a\r\nx\r\nz"), 0, 9)).name).toBe("chunk-size-invalid");
    scanner.reset();
    expect(scanner.scan(octets("0\r\n\r\n"), 0, 5)).toBe(5);
    expect([scanner.done, scanner.octets]).toEqual([true, 0]);
  });
});

describe("the table of refusals", () => {
  test("every name that a parser gives has a vector", () => {
    const callers: readonly RefusalName[] = ["body-too-large", "head-timeout"]; // decided by the connection, not here
    const covered = new Set<string>([...requests, ...responses, ...chunks].map(([name]) => name).concat(callers));
    const all: string[] = [];
    for (let code = INCOMPLETE - 1; ; code--) {
      try {
        all.push(refusalOf(code).name);
      } catch {
        break;
      }
    }
    expect(all.length).toBeGreaterThan(40);
    expect(all.filter((name) => !covered.has(name))).toEqual([]);
  });
  test("RFC 9110 §15: statuses", () => {
    const status = (name: RefusalName): number => refusalOf(refusal(name)).status;
    expect(status("target-too-long")).toBe(414);
    expect(status("head-too-large")).toBe(431);
    expect(status("version-unsupported")).toBe(505);
    expect(status("coding-unknown")).toBe(501);
    expect(status("expectation-unknown")).toBe(417);
    expect(status("head-timeout")).toBe(408);
    expect(status("body-too-large")).toBe(413);
    expect(status("scheme-misdirected")).toBe(421);
  });
  test("a number that is no refusal is a bug of the caller", () => {
    expect(() => refusalOf(INCOMPLETE)).toThrow(TypeError);
    expect(() => refusalOf(7)).toThrow(TypeError);
  });
});

describe("limits are met exactly", () => {
  test("head, fields, target", () => {
    const rest = `GET / HTTP/1.1\r\n${H}A: \r\n\r\n`.length;
    const most = `GET / HTTP/1.1\r\n${H}A: ${"b".repeat(LIMITS.head - rest)}${END}${END}`;
    expect(typeof requestHead(most)).toBe("object");
    expect(requestHead(most.replace("bb", "bbb"))).toBe("head-too-large");
    expect(typeof requestHead(`GET / HTTP/1.1\r\n${H}${"a: b\r\n".repeat(LIMITS.fields - 1)}\r\n`)).toBe("object");
    expect(typeof requestHead(`GET /${"a".repeat(LIMITS.target - 1)} HTTP/1.1\r\n${H}\r\n`)).toBe("object");
  });
  test("RFC 9112 §2.2: some empty lines before a request are ignored", () => {
    expect(typeof requestHead(`\r\n\r\nGET / HTTP/1.1\r\n${H}\r\n`)).toBe("object");
  });
  test("a response to HEAD is read by its own rules", () => {
    expect(responseHead(`${R}Content-Length: 5\r\n\r\n`, HEAD)).toMatchObject({ framing: 0, contentLength: 5 });
    expect(responseHead(`${R}Content-Length: 5\r\n\r\n`, GET)).toMatchObject({ framing: 1, contentLength: 5 });
  });
});
