/**
 * Nanoseconds of CPU per message of the HTTP/1.1 parsers, writers and the router: `node bench/micro/http1.ts`.  Medians of
 * rounds; heads lie at changing places of a memory larger than the first-level cache, as receive buffers do.
 */
import type { RuleConfig } from "../../proxy/config.ts";
import { ChunkedScanner } from "../../proxy/http1/chunked.ts";
import { NO_EDITS } from "../../proxy/http1/edits.ts";
import type { RequestForward, ResponseForward } from "../../proxy/http1/forward.ts";
import { RequestHead, ResponseHead } from "../../proxy/http1/head.ts";
import { GET } from "../../proxy/http1/method.ts";
import { parseRequestHead } from "../../proxy/http1/request.ts";
import { parseResponseHead } from "../../proxy/http1/response.ts";
import { stripResponseHead } from "../../proxy/http1/strip-response.ts";
import { writeRequestHead } from "../../proxy/http1/write-request.ts";
import { writeResponseHead } from "../../proxy/http1/write-response.ts";
import { compileRouter, type Router } from "../../proxy/route/table.ts";

const SMALL = "GET / HTTP/1.1\r\nHost: localhost:8080\r\n\r\n";
const BROWSER = [
  "GET /assets/app/main.4f3a9c.js?v=12 HTTP/1.1",
  "Host: www.example.com",
  "Connection: keep-alive",
  'sec-ch-ua: "Chromium";v="128", "Not;A=Brand";v="24"',
  "sec-ch-ua-mobile: ?0",
  "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/128.0.0.0 Safari/537.36",
  "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
  "Sec-Fetch-Site: same-origin",
  "Sec-Fetch-Mode: no-cors",
  "Referer: https://www.example.com/index.html",
  "Accept-Encoding: gzip, deflate, br",
  "Accept-Language: en-GB,en;q=0.9",
  "Cookie: session=0123456789abcdef; theme=dark",
  "\r\n",
].join("\r\n");
const NGINX = [
  "HTTP/1.1 200 OK",
  "Server: nginx/1.22.1",
  "Date: Fri, 20 Nov 2026 10:00:00 GMT",
  "Content-Type: application/octet-stream",
  "Content-Length: 128",
  "Last-Modified: Fri, 20 Nov 2026 09:00:00 GMT",
  "Connection: keep-alive",
  'ETag: "655b3c10-80"',
  "Accept-Ranges: bytes",
  "\r\n",
].join("\r\n");

const ROUNDS = 15;
const INPUTS = 50_000;
const PLACES = 256;
const CHUNK = 16_384;
const memory = Buffer.alloc(PLACES * CHUNK);
const out = Buffer.alloc(65_536);
const requestHead = new RequestHead();
const responseHead = new ResponseHead();
const octets = (text: string): Uint8Array => Buffer.from(text, "latin1");
const forward: RequestForward = {
  edits: NO_EDITS,
  client: octets("192.0.2.17"),
  scheme: octets("http"),
  requestId: octets("0123456789abcdef0123456789abcdef"),
  fallbackHost: octets("10.0.0.1:80"),
};
const back: ResponseForward = { edits: NO_EDITS, clientMinor: 1, close: false, date: octets("Date: x\r\n") };

for (const [name, text] of [
  ["40 octets", SMALL],
  ["browser", BROWSER],
] as const) {
  fill(text);
  measure(`request ${name} (${text.length}): parse`, (at) =>
    parseRequestHead(requestHead, memory, at, at + text.length),
  );
  measure(`request ${name} (${text.length}): parse and write`, (at) => {
    parseRequestHead(requestHead, memory, at, at + text.length);
    return writeRequestHead(requestHead, forward, out, 0, undefined);
  });
}
fill(NGINX);
measure(`response nginx (${NGINX.length}): parse`, (at) =>
  parseResponseHead(responseHead, memory, at, at + NGINX.length, GET),
);
measure(`response nginx (${NGINX.length}): parse and write`, (at) => {
  parseResponseHead(responseHead, memory, at, at + NGINX.length, GET);
  return writeResponseHead(responseHead, back, out, 0);
});

measure(`response nginx (${NGINX.length}): parse and strip in place`, (at) => {
  parseResponseHead(responseHead, memory, at, at + NGINX.length, GET);
  return stripResponseHead(responseHead, NO_EDITS, 1, false);
});

const chunks = `${`400\r\n${"x".repeat(1024)}\r\n`.repeat(8)}0\r\n\r\n`;
fill(chunks);
const scanner = new ChunkedScanner();
measure("chunked body, 8 × 1 KiB: scan", (at) => {
  scanner.reset();
  return scanner.scan(memory, at, at + chunks.length);
});

for (const count of [10, 10_000]) {
  const router = routes(count);
  fill(`GET /svc${count - 1}/items/42?x=1 HTTP/1.1\r\nHost: h${count - 1}.example.com\r\n\r\n`);
  parseRequestHead(requestHead, memory, 3, 3 + 200);
  measure(`router, ${count} hosts, prefix`, () => (router.find(requestHead) === undefined ? -1 : 1));
  const one = oneHost(count);
  measure(`router, ${count} prefixes of one host`, () => (one.find(requestHead) === undefined ? -1 : 1));
}

function routes(count: number): Router {
  return compiled(Array.from({ length: count }, (_, i) => rule(`r${i}`, [`h${i}.example.com`], `/svc${i}`)));
}
function oneHost(count: number): Router {
  return compiled(Array.from({ length: count }, (_, i) => rule(`r${i}`, ["*.example.com"], `/svc${i}`)));
}
function rule(route: string, hostnames: readonly string[], value: string): RuleConfig {
  const match = { path: { type: "PathPrefix", value }, method: undefined, headers: [], queryParams: [] } as const;
  return {
    route,
    index: 0,
    hostnames,
    matches: [match],
    filters: [],
    backends: [],
    timeout: undefined,
    maxRequestBodySize: undefined,
  };
}
function compiled(rules: readonly RuleConfig[]): Router {
  const router = compileRouter(rules);
  if (!router.ok) throw new TypeError(router.error.kind);
  return router.value;
}

function fill(text: string): void {
  for (let place = 0; place < PLACES; place++) memory.write(text, place * CHUNK + 3, "latin1");
}
function measure(name: string, work: (at: number) => number): void {
  const times: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const begun = process.cpuUsage();
    for (let i = 0; i < INPUTS; i++)
      if (work((i & (PLACES - 1)) * CHUNK + 3) < 0) throw new TypeError(`${name}: refused`);
    times.push((process.cpuUsage(begun).user * 1000) / INPUTS);
  }
  times.sort((a, b) => a - b);
  const median = times[ROUNDS >> 1] ?? 0;
  console.log(`${name.padEnd(46)} ${median.toFixed(0).padStart(6)} ns   (${(times[0] ?? 0).toFixed(0)} at best)`);
}
