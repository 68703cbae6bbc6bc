/** The HTTP/1.1 parsers, with what must hold for any input. */
import { ChunkedScanner } from "../../proxy/http1/chunked.ts";
import { NO_EDITS } from "../../proxy/http1/edits.ts";
import type { Fields } from "../../proxy/http1/fields.ts";
import { RequestHead, ResponseHead } from "../../proxy/http1/head.ts";
import { GET, HEAD } from "../../proxy/http1/method.ts";
import { INCOMPLETE, refusalOf } from "../../proxy/http1/refusal.ts";
import { parseRequestHead } from "../../proxy/http1/request.ts";
import { parseResponseHead } from "../../proxy/http1/response.ts";
import { stripResponseHead } from "../../proxy/http1/strip-response.ts";
import { writeRequestHead } from "../../proxy/http1/write-request.ts";
import { writeResponseHead } from "../../proxy/http1/write-response.ts";
import * as fragments from "../proxy/http1/fragments.ts";
import { llhttpRequests } from "../proxy/http1/llhttp.ts";
import { latin1, readRequests } from "../proxy/http1/messages.ts";
import type { Random } from "./random.ts";
import { must, type Target } from "./target.ts";

const octets = (text: string): Uint8Array => Buffer.from(text, "latin1");
const TOKENS = [
  "\r\n",
  "\n",
  "\r",
  "\0",
  " ",
  "\t",
  ":",
  ",",
  ";",
  "=",
  '"',
  "%",
  "/",
  "..",
  "?",
  "#",
  "0",
  "1",
  "F",
  "\r\n\r\n",
  "\x7f",
  "\xff",
  "Content-Length: ",
  "Transfer-Encoding: chunked",
  "Connection: ",
  "Host: a",
  "HTTP/1.1",
  "HTTP/1.0",
  "GET ",
  "%2e",
  "%2F",
  "//",
  "/./",
  "/../",
].map(octets);

/** Mostly a good part, one in `times` a bad one. */
function part(
  random: Random,
  { good, bad }: { readonly good: readonly string[]; readonly bad: readonly string[] },
  times = 60,
): string {
  return random.pick(random.oneIn(times) ? bad : good);
}
function lines(random: Random): string {
  let text = "";
  for (let count = random.below(5); count > 0; count--)
    text += part(random, fragments.FIELD, 30) + part(random, fragments.LINE_END, 200);
  return text;
}
function chunks(random: Random): string {
  let text = "";
  for (let count = random.below(4); count > 0; count--)
    text += `${part(random, fragments.CHUNK_SIZE)}\r\nhello${part(random, fragments.LINE_END, 200)}`;
  return `${text}${part(random, fragments.LAST_CHUNK)}\r\n${part(random, fragments.TRAILER)}\r\n`;
}
function body(random: Random): string {
  const framing = part(random, fragments.FRAMING, 20);
  return `${framing}\r\n${framing.includes("chunked") ? chunks(random) : framing.includes(": 5") ? "hello" : ""}`;
}
function request(random: Random): string {
  return [
    part(random, fragments.BEFORE),
    part(random, fragments.METHOD),
    part(random, fragments.GAP, 200),
    part(random, fragments.TARGET, 20),
    part(random, fragments.GAP, 200),
    part(random, fragments.VERSION),
    part(random, fragments.LINE_END, 200),
    part(random, fragments.HOST, 20),
    lines(random),
    body(random),
  ].join("");
}
function response(random: Random): string {
  return [
    part(random, fragments.VERSION),
    part(random, fragments.GAP, 200),
    part(random, fragments.STATUS, 20),
    part(random, fragments.REASON, 20),
    part(random, fragments.LINE_END, 200),
    lines(random),
    body(random),
  ].join("");
}

const GOOD_REQUEST = octets(
  "POST /a/b?c=d HTTP/1.1\r\nHost: h.example:80\r\nUser-Agent: curl/8\r\nAccept: */*\r\nX-Forwarded-For: 10.0.0.1\r\nConnection: keep-alive, X\r\nX: y\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\nSum: 1\r\n\r\n",
);
const GOOD_RESPONSE = octets(
  "HTTP/1.1 200 OK\r\nServer: x\r\nDate: Fri, 20 Nov 2026 10:00:00 GMT\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello",
);
const GOOD_CHUNKS = octets('5;a=b;c="d\\"e"\r\nhello\r\n00a\r\n0123456789\r\n0\r\nA: b\r\n\r\n');

const LIMITS = { head: 2_048, fields: 40, target: 512, chunkExtensions: 256 };
const requestHead = new RequestHead(LIMITS);
const again = new RequestHead({ ...LIMITS, head: 16_384, fields: 60, target: 2_048 });
const responseHead = new ResponseHead(LIMITS);
const responseAgain = new ResponseHead({ ...LIMITS, head: 16_384, fields: 60 });
const out = Buffer.alloc(16_384);
const forward = {
  edits: NO_EDITS,
  client: octets("192.0.2.1"),
  scheme: octets("http"),
  requestId: octets("id"),
  fallbackHost: octets("10.0.0.1:80"),
};
const back = { edits: NO_EDITS, clientMinor: 1, close: false, date: octets("Date: x\r\n") };

const requests: Target = {
  name: "http1-request",
  corpus: [GOOD_REQUEST],
  tokens: TOKENS,
  generate: (random) => octets(request(random)),
  run(memory, start, end) {
    const at = parseRequestHead(requestHead, memory, start, end);
    if (!checkResult(at, start, end, requestHead.fields)) return;
    const { hostStart, hostEnd, authorityStart, authorityEnd, queryStart, queryEnd } = requestHead;
    must(hostStart <= hostEnd && authorityStart <= authorityEnd && queryStart <= queryEnd, "offsets out of order");
    must(requestHead.pathEnd > requestHead.pathStart && requestHead.routeEnd > requestHead.routeStart, "an empty path");
    const length = writeRequestHead(requestHead, forward, out, 0, undefined);
    must(length > 0, "a head that does not fit");
    const read = parseRequestHead(again, out, 0, length);
    must(read === length, `what we forward is refused or ends elsewhere: ${read}`);
    must(
      again.framing === requestHead.framing && again.contentLength === requestHead.contentLength,
      "framing changed on the way",
    );
    must(again.method === requestHead.method, "the method changed on the way");
    must(pathOf(again) === pathOf(requestHead), "the forwarded path is not in its normal form");
  },
};

function pathOf(head: RequestHead): string {
  return latin1(head.pathMemory, head.pathStart, head.pathEnd);
}

const responses: Target = {
  name: "http1-response",
  corpus: [GOOD_RESPONSE],
  tokens: TOKENS,
  generate: (random) => octets(response(random)),
  run(memory, start, end, random) {
    const method = random.oneIn(4) ? HEAD : GET;
    const at = parseResponseHead(responseHead, memory, start, end, method);
    if (!checkResult(at, start, end, responseHead.fields)) return;
    const length = writeResponseHead(responseHead, back, out, 0);
    must(length > 0, "a head that does not fit");
    const read = parseResponseHead(responseAgain, out, 0, length, method);
    must(read === length, `what we forward is refused or ends elsewhere: ${read}`);
    must(
      responseAgain.framing === responseHead.framing && responseAgain.contentLength === responseHead.contentLength,
      "framing changed on the way",
    );
    const stripped = stripResponseHead(responseHead, NO_EDITS, 1, false);
    if (stripped >= 0) {
      must(memory.compare(out, 0, length, stripped, at) === 0, "made in place, the head is another than written");
    }
  },
};

const whole = new ChunkedScanner(LIMITS);
const pieces = new ChunkedScanner(LIMITS);
const chunked: Target = {
  name: "http1-chunked",
  corpus: [GOOD_CHUNKS],
  tokens: TOKENS,
  generate: (random) => octets(chunks(random)),
  run(memory, start, end, random) {
    whole.reset();
    const expected = whole.scan(memory, start, end);
    must(
      expected < INCOMPLETE ? refusalOf(expected).status >= 400 : expected >= start && expected <= end,
      "neither offset nor refusal",
    );
    must(expected < INCOMPLETE || whole.done || expected === end, "stopped in the middle");
    pieces.reset();
    let at = start;
    while (at < end && at >= 0 && !pieces.done) {
      const stop = Math.min(end, at + 1 + random.below(7));
      const next = pieces.scan(memory, at, stop);
      must(next < INCOMPLETE || next > at, "no progress");
      at = next;
    }
    must(at === expected && pieces.done === whole.done, `in pieces ${at}, at once ${expected}`);
    must(at < 0 || pieces.octets === whole.octets, "content counted differently");
  },
};

const framing: Target = {
  name: "http1-llhttp",
  corpus: [GOOD_REQUEST],
  tokens: TOKENS,
  generate: (random) => octets(request(random) + (random.oneIn(2) ? request(random) : "")),
  run(memory, start, end) {
    const input = memory.subarray(start, end);
    const { messages } = readRequests(input);
    if (messages.length === 0 || /upgrade/i.test(input.toString("latin1"))) return;
    const theirs = llhttpRequests(input).messages;
    for (const [index, ours] of messages.entries()) {
      if (!KNOWN_METHOD.test(ours.what)) return;
      const other = theirs[index];
      must(
        other !== undefined && other.what === ours.what && other.body === ours.body && other.minor === ours.minor,
        `llhttp reads ${JSON.stringify(other)}`,
      );
      must(other?.fields.join() === ours.fields.join(), `llhttp reads ${JSON.stringify(other)}`);
    }
  },
};
/** llhttp refuses methods that it does not know. */
const KNOWN_METHOD = /^(GET|HEAD|POST|PUT|DELETE|OPTIONS|PATCH|TRACE|PURGE) /;

/** True for an accepted head, after looking at its offsets. */
function checkResult(at: number, start: number, end: number, fields: Fields): boolean {
  if (at < 0) {
    must(at === INCOMPLETE || refusalOf(at).status >= 400, "neither offset nor refusal");
    return false;
  }
  must(at > start && at <= end, "an offset outside of the input");
  let last = start;
  for (let line = 0; line < fields.count; line++) {
    const spans = [fields.nameStart(line), fields.nameEnd(line), fields.valueStart(line), fields.valueEnd(line)];
    for (const offset of spans) {
      must(offset >= last && offset <= at, "a field outside of the head");
      last = offset;
    }
  }
  return true;
}

export const HTTP1: readonly Target[] = [requests, responses, chunked, framing];
