/** Node's own HTTP parser, llhttp in its strict mode, reading a whole stream at once: the second opinion on framing. */
import { createRequire } from "node:module";
import type { Message } from "./messages.ts";

export interface Opinion {
  readonly messages: readonly Message[];
  /** llhttp's error code, or undefined. */
  readonly error: string | undefined;
  /** A message was begun and not completed. */
  readonly open: boolean;
}

export function llhttpRequests(input: Buffer): Opinion {
  return read(input, HTTPParser.REQUEST, (method, url) => `${METHODS[method ?? -1] ?? ""} ${url ?? ""}`);
}
export function llhttpResponses(input: Buffer): Opinion {
  return read(input, HTTPParser.RESPONSE, (_method, _url, status) => String(status));
}

function read(
  input: Buffer,
  kind: number,
  what: (method: number | undefined, url: string | undefined, status: number | undefined) => string,
): Opinion {
  const messages: Message[] = [];
  let head: Omit<Message, "body"> | undefined;
  let early: string[] = [];
  let earlyUrl = "";
  let body = "";
  let open = false;
  const parser = new HTTPParser();
  parser.initialize(kind, {}, 65_536, 0);
  parser[HTTPParser.kOnMessageBegin] = () => {
    open = true;
    early = [];
    earlyUrl = "";
    body = "";
  };
  // Heads with more than 32 fields come in parts.
  parser[HTTPParser.kOnHeaders] = (fields: readonly string[], url: string) => {
    early.push(...fields);
    earlyUrl += url;
  };
  parser[HTTPParser.kOnHeadersComplete] = (
    _major: number,
    minor: number,
    fields: readonly string[] | undefined,
    method: number | undefined,
    url: string | undefined,
    status: number | undefined,
    _reason: string | undefined,
    _upgrade: boolean,
    keepAlive: boolean,
  ) => {
    const all = [...early, ...(fields ?? [])];
    const lines: string[] = [];
    for (let i = 0; i < all.length; i += 2) lines.push(`${all[i]}: ${all[i + 1]}`);
    head = { what: what(method, earlyUrl + (url ?? ""), status), minor, fields: lines, keepAlive };
    return 0;
  };
  parser[HTTPParser.kOnBody] = (octets: Buffer) => {
    body += octets.toString("latin1");
  };
  parser[HTTPParser.kOnMessageComplete] = () => {
    if (head !== undefined) messages.push({ ...head, body });
    open = false;
  };
  const result = parser.execute(input);
  parser.close();
  return { messages, error: result instanceof Error ? String(result.code) : undefined, open };
}

interface ParserError extends Error {
  readonly code: string;
}
type Callback = (...values: never[]) => unknown;
interface Parser {
  [callback: number]: Callback;
  initialize(kind: number, resource: object, maxHeaderSize: number, lenient: number): void;
  execute(input: Buffer): number | ParserError;
  close(): void;
}
interface ParserClass {
  new (): Parser;
  readonly REQUEST: number;
  readonly RESPONSE: number;
  readonly kOnMessageBegin: number;
  readonly kOnHeaders: number;
  readonly kOnHeadersComplete: number;
  readonly kOnBody: number;
  readonly kOnMessageComplete: number;
}
/** Not in the public types: the parser that node:http is made of. */
const { HTTPParser, methods: METHODS } = createRequire(import.meta.url)("node:_http_common") as {
  readonly HTTPParser: ParserClass;
  readonly methods: readonly string[];
};
