import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { FilterConfig } from "../../../proxy/config.ts";
import { compileEdits, NO_EDITS, type RuleEdits } from "../../../proxy/http1/edits.ts";
import { FULL, type RequestForward, type ResponseForward } from "../../../proxy/http1/forward.ts";
import { GET, HEAD } from "../../../proxy/http1/method.ts";
import { RequestIds } from "../../../proxy/http1/request-id.ts";
import { writeRequestHead } from "../../../proxy/http1/write-request.ts";
import { mustClose, writeResponseHead } from "../../../proxy/http1/write-response.ts";
import { fieldsOf, latin1, octets, readRequests, readResponses, requestHead, responseHead } from "./messages.ts";
import { requestText, responseText } from "./streams.ts";

const forward: RequestForward = {
  edits: NO_EDITS,
  client: octets("192.0.2.9"),
  scheme: octets("http"),
  requestId: octets("id-1"),
  fallbackHost: octets("10.0.0.1:8080"),
};
const back: ResponseForward = { edits: NO_EDITS, clientMinor: 1, close: false, date: octets("Date: now\r\n") };
const ADDED = [
  "Via: 1.1 novaedge",
  "X-Forwarded-For: 192.0.2.9",
  "X-Forwarded-Proto: http",
  "X-Forwarded-Host: h.example",
  "X-Request-ID: id-1",
];

function edits(...filters: readonly FilterConfig[]): RuleEdits {
  const compiled = compileEdits(filters);
  if (!compiled.ok) throw new TypeError(compiled.error.kind);
  return compiled.value;
}
function forwarded(text: string, change: Partial<RequestForward> = {}, replaced?: number): string[] {
  const head = requestHead(text);
  if (typeof head === "string") throw new TypeError(head);
  const out = Buffer.alloc(8192, "\xff");
  const end = writeRequestHead(head, { ...forward, ...change }, out, 3, replaced);
  return linesOf(latin1(out, 3, end));
}
function returned(text: string, change: Partial<ResponseForward> = {}, method = GET): string[] {
  const head = responseHead(text, method);
  if (typeof head === "string") throw new TypeError(head);
  const out = Buffer.alloc(8192, "\xff");
  return linesOf(latin1(out, 5, writeResponseHead(head, { ...back, ...change }, out, 5)));
}
function linesOf(text: string): string[] {
  expect(text.endsWith("\r\n\r\n")).toBe(true);
  return text.slice(0, -4).split("\r\n");
}

describe("RFC 9110 §7.6: the forwarded request", () => {
  test("gets what a backend should know, in origin form and HTTP/1.1", () => {
    expect(forwarded("GET http://h.example/a?b HTTP/1.1\r\nHost: other\r\nA: b\r\n\r\n")).toEqual([
      "GET /a?b HTTP/1.1",
      "Host: h.example",
      "A: b",
      ...ADDED,
    ]);
  });
  test("§7.6.1: hop-by-hop fields and what Connection names are left out, kept lines stay as they came", () => {
    const text = [
      "GET / HTTP/1.1",
      "Connection: keep-alive, X-Secret ,close",
      "Keep-Alive: timeout=5",
      "host:   h.example",
      "a:b",
      "X-SECRET: 1",
      "C :".replace(" ", ""),
      "Proxy-Connection: keep-alive",
      "Upgrade: websocket",
      "HTTP2-Settings: AAA",
      "Trailer: X-Sum",
      "x-secret: 2",
      "D:  e  ",
    ].join("\r\n");
    expect(forwarded(`${text}\r\n\r\n`)).toEqual([
      "GET / HTTP/1.1",
      "Host: h.example",
      "a:b",
      "C:",
      "Trailer: X-Sum",
      "D:  e  ",
      ...ADDED,
    ]);
  });
  test("§7.6.1: Connection cannot take away what we answer for", () => {
    const lines = forwarded(
      "POST / HTTP/1.1\r\nHost: h.example\r\nContent-Length: 3\r\nVia: 1.0 x\r\nX-Forwarded-For: 1.1.1.1\r\nConnection: host, content-length, via, x-forwarded-for, x-request-id\r\nX-Request-ID: theirs\r\n\r\n",
    );
    expect(lines).toContain("Host: h.example");
    expect(lines).toContain("Content-Length: 3");
    expect(lines).toContain("Via: 1.0 x");
    expect(lines).toContain("X-Request-ID: theirs");
    expect(lines).toContain("X-Forwarded-For: 1.1.1.1, 192.0.2.9");
  });
  test("X-Forwarded-For is appended to, the others are set, an id is kept", () => {
    const lines = forwarded(
      "GET / HTTP/1.1\r\nHost: h.example\r\nX-Forwarded-For: 10.1.1.1\r\nX-Forwarded-Proto: https\r\nx-forwarded-for: 10.2.2.2, 10.3.3.3\r\nX-Forwarded-Host: evil\r\nX-Request-Id: theirs\r\nX-Forwarded-For:\r\n\r\n",
    );
    expect(lines).toEqual([
      "GET / HTTP/1.1",
      "Host: h.example",
      "X-Request-Id: theirs",
      "Via: 1.1 novaedge",
      "X-Forwarded-For: 10.1.1.1, 10.2.2.2, 10.3.3.3, 192.0.2.9",
      "X-Forwarded-Proto: http",
      "X-Forwarded-Host: h.example",
    ]);
  });
  test("§7.6.3: Via says what version came", () => {
    expect(forwarded("GET / HTTP/1.0\r\nHost: h.example\r\n\r\n")).toContain("Via: 1.0 novaedge");
    const { request } = edits({ type: "RemoveHeader", remove: ["X-Forwarded-Proto"] });
    expect(forwarded("GET / HTTP/1.0\r\n\r\n", { edits: request })).toContain("Via: 1.0 novaedge");
    expect(forwarded("GET / HTTP/1.1\r\nHost: h\r\n\r\n", { edits: request })).toContain("Via: 1.1 novaedge");
  });
  test("names that only look like ours are left out", () => {
    const text =
      "GET / HTTP/1.1\r\nHost: h.example\r\nX_Forwarded-For: 1.1.1.1\r\ncontent_length: 5\r\nX_A: b\r\nX_Request_ID: c\r\n\r\n";
    expect(forwarded(text)).toEqual(["GET / HTTP/1.1", "Host: h.example", "X_A: b", ...ADDED]);
  });
  test("RFC 9112 §6.1: Transfer-Encoding is written anew", () => {
    expect(forwarded("POST / HTTP/1.1\r\nHost: h.example\r\nTRANSFER-encoding:  CHUNKED\r\n\r\n")).toEqual([
      "POST / HTTP/1.1",
      "Host: h.example",
      "Transfer-Encoding: chunked",
      ...ADDED,
    ]);
  });
  test("§10.1.4: of TE only trailers is passed on", () => {
    expect(
      forwarded("GET / HTTP/1.1\r\nHost: h.example\r\nTE: gzip;q=0.5, Trailers\r\nConnection: TE\r\n\r\n").slice(2, 4),
    ).toEqual(["TE: trailers", "Connection: TE"]);
    expect(forwarded("GET / HTTP/1.1\r\nHost: h.example\r\nTE: gzip\r\n\r\n")).toHaveLength(7);
  });
  test("§10.1.1: Expect goes on only with a body to wait for", () => {
    expect(
      forwarded("POST / HTTP/1.1\r\nHost: h.example\r\nContent-Length: 3\r\nExpect: 100-Continue\r\n\r\n"),
    ).toContain("Expect: 100-Continue");
    expect(forwarded("GET / HTTP/1.1\r\nHost: h.example\r\nExpect: 100-continue\r\n\r\n").join()).not.toContain(
      "Expect",
    );
    expect(
      forwarded("POST / HTTP/1.0\r\nHost: h.example\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n").join(),
    ).not.toContain("Expect");
  });
  test("RFC 9112 §3.2: HTTP/1.0 without Host is given the endpoint's", () => {
    expect(forwarded("GET / HTTP/1.0\r\n\r\n").slice(0, 2)).toEqual(["GET / HTTP/1.1", "Host: 10.0.0.1:8080"]);
  });
  test("a normalised path and the query as it came", () => {
    expect(forwarded("GET /a/%2e./b//%41?x=%2e%2e/ HTTP/1.1\r\nHost: h.example\r\n\r\n")[0]).toBe(
      "GET /b//A?x=%2e%2e/ HTTP/1.1",
    );
  });
  test("FULL when it does not fit, and nothing is written beyond the end", () => {
    const head = requestHead("GET / HTTP/1.1\r\nHost: h.example\r\n\r\n");
    if (typeof head === "string") throw new TypeError(head);
    expect(writeRequestHead(head, forward, Buffer.alloc(100), 0, undefined)).toBe(FULL);
  });
  test("whatever is accepted is forwarded as one request with the same method, framing and fields", () => {
    fc.assert(
      fc.property(requestText, (text) => {
        const [message] = readRequests(octets(text)).messages;
        const head = requestHead(text);
        if (message === undefined || typeof head === "string") return;
        const out = Buffer.alloc(16384);
        const end = writeRequestHead(head, forward, out, 0, undefined);
        const again = requestHead(latin1(out, 0, end));
        if (typeof again === "string") throw new TypeError(again);
        expect([again.method, again.framing, again.contentLength, again.minor]).toEqual([
          head.method,
          head.framing,
          head.contentLength,
          1,
        ]);
        expect(again.end - again.start).toBe(end);
        const kept = fieldsOf(again).filter((line) => !/^(Host|Transfer-Encoding|TE|Connection|X-|Via)/i.test(line));
        const sent = fieldsOf(head).filter(
          (_, line) => head.fields.drop[line] === 0 && !/^(X-|Via)/i.test(fieldsOf(head)[line] ?? ""),
        );
        expect(kept).toEqual(sent);
      }),
      { numRuns: 2_000 },
    );
  });
});

describe("filters", () => {
  test("apply in their order", () => {
    const { request } = edits(
      { type: "AddHeader", add: [{ name: "X-A", value: "1" }] },
      { type: "RemoveHeader", remove: ["x-a", "User-Agent"] },
      {
        type: "AddHeader",
        add: [
          { name: "X-A", value: "2" },
          { name: "X-B", value: "" },
        ],
      },
    );
    const lines = forwarded("GET / HTTP/1.1\r\nHost: h.example\r\nX-a: 0\r\nB: c\r\nuser-agent: x\r\n\r\n", {
      edits: request,
    });
    expect(lines).toEqual(["GET / HTTP/1.1", "Host: h.example", "B: c", ...ADDED, "X-A: 2", "X-B: "]);
  });
  test.each([
    ["/v2", 4, "/api/x?q", "/v2/x?q"],
    ["/v2/", 4, "/api/x", "/v2/x"],
    ["/", 4, "/api", "/"],
    ["/", 4, "/api/x", "/x"],
    ["/v2", 4, "/api", "/v2"],
    ["/v2", 0, "/x", "/v2/x"],
    ["/v2", undefined, "/any/thing?q", "/v2?q"],
    ["/v2", 4, "//api//x", "/v2/x"],
  ])("rewrite to %s of %s octets: %s is %s", (rewritePath, replaced, target, expected) => {
    const { request } = edits({ type: "URLRewrite", rewritePath });
    expect(forwarded(`GET ${target} HTTP/1.1\r\nHost: h\r\n\r\n`, { edits: request }, replaced)[0]).toBe(
      `GET ${expected} HTTP/1.1`,
    );
  });
  test("a filter that names a field of ours takes it over", () => {
    const { request, response } = edits(
      { type: "RemoveHeader", remove: ["X-Forwarded-For", "Via", "X-Request-ID"] },
      { type: "AddHeader", add: [{ name: "X-Forwarded-Proto", value: "https" }] },
      { type: "ResponseRemoveHeader", responseRemove: ["Date"] },
    );
    const text =
      "GET / HTTP/1.1\r\nHost: h.example\r\nX-Forwarded-For: 1.1.1.1\r\nVia: 1.1 x\r\nX-Request-ID: y\r\nX-Forwarded-Proto: ftp\r\n\r\n";
    expect(forwarded(text, { edits: request })).toEqual([
      "GET / HTTP/1.1",
      "Host: h.example",
      "X-Forwarded-Host: h.example",
      "X-Forwarded-Proto: https",
    ]);
    expect(returned("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", { edits: response })).toHaveLength(2);
    expect(returned("HTTP/1.1 200 OK\r\nDate: d\r\nContent-Length: 0\r\n\r\n", { edits: response })).toHaveLength(2);
  });
  test("of the response: add, set, remove", () => {
    const { response } = edits(
      { type: "ResponseSetHeader", responseSet: [{ name: "Server", value: "edge" }] },
      { type: "ResponseAddHeader", responseAdd: [{ name: "A", value: "2" }] },
      { type: "ResponseRemoveHeader", responseRemove: ["x-powered-by"] },
    );
    expect(
      returned("HTTP/1.1 200 OK\r\nserver: x\r\nA: 1\r\nDate: d\r\nX-Powered-By: y\r\nContent-Length: 0\r\n\r\n", {
        edits: response,
      }),
    ).toEqual(["HTTP/1.1 200 OK", "A: 1", "Date: d", "Content-Length: 0", "Server: edge", "A: 2"]);
  });
  test.each([
    [{ type: "AddHeader", add: [{ name: "a b", value: "" }] }, "field-name"],
    [{ type: "AddHeader", add: [{ name: "", value: "" }] }, "field-name"],
    [{ type: "AddHeader", add: [{ name: "a", value: "b\r\nc: d" }] }, "field-value"],
    [{ type: "AddHeader", add: [{ name: "a", value: " b" }] }, "field-value"],
    [{ type: "AddHeader", add: [{ name: "a", value: "\u20ac" }] }, "field-value"],
    [{ type: "AddHeader", add: [{ name: "Host", value: "x" }] }, "field-protected"],
    [{ type: "RemoveHeader", remove: ["content-LENGTH"] }, "field-protected"],
    [{ type: "ResponseSetHeader", responseSet: [{ name: "Transfer-Encoding", value: "gzip" }] }, "field-protected"],
    [{ type: "URLRewrite", rewritePath: "v2" }, "rewrite-path"],
    [{ type: "URLRewrite", rewritePath: "/v2?x" }, "rewrite-path"],
    [{ type: "URLRewrite", rewritePath: "/v 2" }, "rewrite-path"],
  ] as const satisfies readonly (readonly [FilterConfig, string])[])("%j is refused: %s", (filter, kind) => {
    expect(compileEdits([filter])).toMatchObject({ ok: false, error: { kind } });
  });
});

describe("RFC 9110 §7.6: the forwarded response", () => {
  test("keeps what the upstream said, adds a missing Date (§6.6.1)", () => {
    expect(
      returned(
        "HTTP/1.1 200 OK\r\nServer: x\r\nConnection: keep-alive, A\r\nKeep-Alive: 5\r\nA: b\r\nContent-Length: 3\r\n\r\n",
      ),
    ).toEqual(["HTTP/1.1 200 OK", "Server: x", "Content-Length: 3", "Date: now"]);
    expect(returned("HTTP/1.0 404\r\nDate: then\r\n\r\n", { close: true })).toEqual([
      "HTTP/1.1 404",
      "Date: then",
      "Connection: close",
    ]);
  });
  test("RFC 9112 §9.3: an HTTP/1.0 client is told to keep the connection", () => {
    expect(returned("HTTP/1.1 200 OK\r\nDate: d\r\nContent-Length: 0\r\n\r\n", { clientMinor: 0 })).toContain(
      "Connection: keep-alive",
    );
  });
  test("RFC 9112 §6.1: no chunks for an HTTP/1.0 client", () => {
    const text = "HTTP/1.1 200 OK\r\nDate: d\r\nTransfer-Encoding: chunked\r\n\r\n";
    expect(returned(text)).toContain("Transfer-Encoding: chunked");
    expect(returned(text, { clientMinor: 0, close: true })).toEqual([
      "HTTP/1.1 200 OK",
      "Date: d",
      "Connection: close",
    ]);
    const head = responseHead(text);
    if (typeof head === "string") throw new TypeError(head);
    expect([mustClose(head, 1), mustClose(head, 0)]).toEqual([false, true]);
  });
  test("§8.6: no Content-Length with 204; HEAD and 304 keep what they say", () => {
    expect(returned("HTTP/1.1 204 No Content\r\nDate: d\r\nContent-Length: 0\r\n\r\n")).toEqual([
      "HTTP/1.1 204 No Content",
      "Date: d",
    ]);
    expect(returned("HTTP/1.1 304 Not Modified\r\nDate: d\r\nContent-Length: 9\r\n\r\n")).toContain(
      "Content-Length: 9",
    );
    expect(returned("HTTP/1.1 200 OK\r\nDate: d\r\nTransfer-Encoding: chunked\r\n\r\n", {}, HEAD)).toContain(
      "Transfer-Encoding: chunked",
    );
  });
  test("§15.2: an interim response gets nothing added", () => {
    expect(returned("HTTP/1.1 103 Early Hints\r\nLink: </x>\r\nConnection: close\r\n\r\n", { close: true })).toEqual([
      "HTTP/1.1 103 Early Hints",
      "Link: </x>",
    ]);
  });
  test("FULL when it does not fit", () => {
    const head = responseHead("HTTP/1.1 200 OK\r\n\r\n");
    if (typeof head === "string") throw new TypeError(head);
    expect(writeResponseHead(head, back, Buffer.alloc(60), 0)).toBe(FULL);
  });
  test("whatever is accepted is forwarded as one response with the same framing", () => {
    fc.assert(
      fc.property(responseText, fc.boolean(), (text, close) => {
        const [message] = readResponses(octets(text)).messages;
        const head = responseHead(text);
        if (message === undefined || typeof head === "string") return;
        const out = Buffer.alloc(16384);
        const end = writeResponseHead(head, { ...back, close }, out, 0);
        const again = responseHead(latin1(out, 0, end));
        if (typeof again === "string") throw new TypeError(again);
        expect([again.status, again.framing, again.contentLength, again.end - again.start]).toEqual([
          head.status,
          head.framing,
          head.contentLength,
          end,
        ]);
      }),
      { numRuns: 2_000 },
    );
  });
});

test("request ids differ, keep their prefix and wrap", () => {
  const ids = new RequestIds(Uint8Array.from({ length: 12 }, (_, i) => i * 21));
  const first = Buffer.from(ids.next()).toString();
  const second = Buffer.from(ids.next()).toString();
  expect([first, second]).toEqual(["00152a3f54697e93a8bdd2e700000001", "00152a3f54697e93a8bdd2e700000002"]);
  expect(() => new RequestIds(new Uint8Array(3))).toThrow(TypeError);
});
