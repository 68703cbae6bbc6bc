/**
 * Answers of our own: errors and redirects, with a small body that says nothing about what is behind us.
 * Standards: RFC 9110 §10.2.1 (Allow), §15, RFC 9112 §9.6 (close).
 */
import { copy, latin1 } from "./http1/octets.ts";

export interface Answer {
  readonly status: number;
  readonly head: Uint8Array;
  readonly body: Uint8Array;
}

/** The answer for `status`, made once. */
export function answerFor(status: number): Answer {
  let answer = ANSWERS.get(status);
  if (answer === undefined) {
    answer = make(status, status === 405 ? `Allow: ${ALLOWED}\r\n` : status === 503 ? "Retry-After: 1\r\n" : "");
    ANSWERS.set(status, answer);
  }
  return answer;
}

export function redirectTo(status: number, location: string): Answer {
  return make(status, `Location: ${location}\r\n`);
}

/** Writes the answer into `out`, which has room for it; returns its length. */
export function writeAnswer(
  answer: Answer,
  date: Uint8Array,
  close: boolean,
  clientMinor: number,
  bodyless: boolean,
  out: Uint8Array,
): number {
  let at = copy(answer.head, 0, answer.head.length, out, 0);
  at = copy(date, 0, date.length, out, at);
  if (close) at = copy(CLOSE, 0, CLOSE.length, out, at);
  else if (clientMinor === 0) at = copy(KEEP, 0, KEEP.length, out, at);
  at = copy(END, 0, END.length, out, at);
  return bodyless ? at : copy(answer.body, 0, answer.body.length, out, at);
}

function make(status: number, fields: string): Answer {
  const reason = REASONS[status] ?? "Error";
  const body = latin1(`${reason}\n`);
  const head = latin1(
    `HTTP/1.1 ${status} ${reason}\r\nContent-Type: text/plain\r\nContent-Length: ${body.length}\r\n${fields}`,
  );
  return { status, head, body };
}

const ANSWERS = new Map<number, Answer>();
const ALLOWED = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";
const CLOSE = latin1("Connection: close\r\n");
const KEEP = latin1("Connection: keep-alive\r\n");
const END = latin1("\r\n");
const REASONS: Readonly<Record<number, string>> = {
  301: "Moved Permanently",
  302: "Found",
  400: "Bad Request",
  404: "Not Found",
  405: "Method Not Allowed",
  408: "Request Timeout",
  413: "Content Too Large",
  414: "URI Too Long",
  417: "Expectation Failed",
  421: "Misdirected Request",
  431: "Request Header Fields Too Large",
  500: "Internal Server Error",
  501: "Not Implemented",
  502: "Bad Gateway",
  503: "Service Unavailable",
  504: "Gateway Timeout",
  505: "HTTP Version Not Supported",
};
