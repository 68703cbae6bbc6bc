/** Reads whole streams of messages with the parsers under test, for properties and differential tests. */
import { ChunkedScanner } from "../../../proxy/http1/chunked.ts";
import { CHUNKED, RequestHead, ResponseHead, SIZED, UNTIL_CLOSE } from "../../../proxy/http1/head.ts";
import { LIMITS, type Limits } from "../../../proxy/http1/limits.ts";
import { GET } from "../../../proxy/http1/method.ts";
import { INCOMPLETE, refusalOf } from "../../../proxy/http1/refusal.ts";
import { parseRequestHead } from "../../../proxy/http1/request.ts";
import { parseResponseHead } from "../../../proxy/http1/response.ts";

export interface Message {
  /** "GET /target" or "200" */
  readonly what: string;
  readonly minor: number;
  readonly fields: readonly string[];
  readonly body: string;
  readonly keepAlive: boolean;
}
export interface Reading {
  readonly messages: readonly Message[];
  /** "complete" at a message's end, "incomplete" inside one, "closed" after a message that ends the connection, or a refusal's name */
  readonly end: string;
  /** Octets read when it ended. */
  readonly at: number;
}

export function octets(text: string): Buffer {
  return Buffer.from(text, "latin1");
}

/** Parses the head in `text`, which lies at an odd offset of a larger memory; the refusal's name or the head. */
export function requestHead(text: string, limits: Limits = LIMITS, secure = false): RequestHead | string {
  const head = new RequestHead(limits, secure);
  const memory = Buffer.alloc(text.length + 40, "x");
  memory.write(text, 13, "latin1");
  const at = parseRequestHead(head, memory, 13, 13 + text.length);
  if (at === INCOMPLETE) return "incomplete";
  return at < 0 ? refusalOf(at).name : head;
}
export function responseHead(text: string, method = GET): ResponseHead | string {
  const head = new ResponseHead();
  const memory = Buffer.alloc(text.length + 40, "x");
  memory.write(text, 7, "latin1");
  const at = parseResponseHead(head, memory, 7, 7 + text.length, method);
  if (at === INCOMPLETE) return "incomplete";
  return at < 0 ? refusalOf(at).name : head;
}

/** All requests in `input`, given as it is. */
export function readRequests(input: Buffer, limits: Limits = LIMITS): Reading {
  const head = new RequestHead(limits);
  return read(input, limits, head, (at) => {
    const next = parseRequestHead(head, input, at, input.length);
    return {
      next,
      what: `${latin1(input, head.start, head.methodEnd)} ${latin1(input, head.targetStart, head.targetEnd)}`,
    };
  });
}
export function readResponses(input: Buffer, method = GET, limits: Limits = LIMITS): Reading {
  const head = new ResponseHead(limits);
  return read(input, limits, head, (at) => {
    const next = parseResponseHead(head, input, at, input.length, method);
    return { next, what: String(head.status) };
  });
}

function read(
  input: Buffer,
  limits: Limits,
  head: RequestHead | ResponseHead,
  parse: (at: number) => { readonly next: number; readonly what: string },
): Reading {
  const messages: Message[] = [];
  let at = 0;
  for (;;) {
    if (at === input.length) return { messages, end: "complete", at };
    const { next, what } = parse(at);
    if (next < 0) return { messages, end: next === INCOMPLETE ? "incomplete" : refusalOf(next).name, at };
    const fields = fieldsOf(head);
    let body: string;
    if (head.framing === CHUNKED) {
      const chunks = unchunk(input, next, limits);
      if (typeof chunks === "string") return { messages, end: chunks, at };
      body = chunks.body;
      at = chunks.at;
    } else {
      const until =
        head.framing === UNTIL_CLOSE ? input.length : next + (head.framing === SIZED ? head.contentLength : 0);
      if (until > input.length) return { messages, end: "incomplete", at };
      body = latin1(input, next, until);
      at = until;
    }
    messages.push({ what, minor: head.minor, fields, body, keepAlive: head.keepAlive });
    if (!head.keepAlive) return { messages, end: "closed", at };
  }
}

export function fieldsOf(head: RequestHead | ResponseHead): string[] {
  const { fields, memory } = head;
  const out: string[] = [];
  for (let line = 0; line < fields.count; line++) {
    const name = latin1(memory, fields.nameStart(line), fields.nameEnd(line));
    out.push(`${name}: ${latin1(memory, fields.valueStart(line), fields.valueEnd(line))}`);
  }
  return out;
}

/** The content of a chunked body at `start`, given in one piece. */
export function unchunk(
  input: Uint8Array,
  start: number,
  limits: Limits = LIMITS,
): { readonly body: string; readonly at: number } | string {
  const scanner = new ChunkedScanner(limits);
  let at = start;
  let body = "";
  while (!scanner.done) {
    if (at === input.length) return "incomplete";
    at = scanner.next(input, at, input.length);
    if (at < 0) return refusalOf(at).name;
    body += latin1(input, scanner.dataStart, scanner.dataEnd);
  }
  return { body, at };
}

export function latin1(memory: Uint8Array, start: number, end: number): string {
  return Buffer.from(memory.buffer, memory.byteOffset + start, end - start).toString("latin1");
}
