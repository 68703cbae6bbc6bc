/**
 * The access log: one line per request, JSON or common log format, gathered and written about ten times a second.  It
 * never blocks traffic: what the sink does not take waits, and beyond a bound lines are dropped and counted.
 */
import type { AccessLogConfig } from "./config.ts";
import type { RequestHead } from "./http1/head.ts";
import { KNOWN } from "./http1/names.ts";
import { textOf } from "./http1/octets.ts";

/** Takes octets without ever blocking; returns how many it took. */
export type Sink = (octets: Buffer) => number;

/** What a line needs of the request, kept until the response is over. */
export interface Entry {
  readonly time: number;
  readonly client: string;
  readonly method: string;
  readonly target: string;
  readonly minor: number;
  readonly host: string;
  readonly userAgent: string;
  readonly referer: string;
  readonly requestId: string;
}

export class AccessLog {
  dropped = 0;
  readonly #sink: Sink;
  readonly #wallClock: () => number;
  readonly #chance: () => number;
  #lines = "";
  #waiting: Buffer = NOTHING;

  /** `wallClock`: milliseconds since 1970; `chance`: uniform in [0, 1), for sampling. */
  constructor(sink: Sink, wallClock: () => number, chance: () => number) {
    this.#sink = sink;
    this.#wallClock = wallClock;
    this.#chance = chance;
  }

  /** undefined: this request is not logged. */
  begin(head: RequestHead, client: Uint8Array, requestId: Uint8Array, config: AccessLogConfig): Entry | undefined {
    if (config.sampleRate < 1 && this.#chance() >= config.sampleRate) return undefined;
    const { memory, fields } = head;
    if (config.excludePaths.length > 0) {
      const path = textOf(head.routeMemory, head.routeStart, head.routeEnd);
      if (config.excludePaths.includes(path)) return undefined;
    }
    const value = (known: number): string => {
      const line = fields.find(known);
      return line < 0 ? "" : textOf(memory, fields.valueStart(line), fields.valueEnd(line));
    };
    return {
      time: this.#wallClock(),
      client: textOf(client, 0, client.length),
      method: textOf(memory, head.start, head.methodEnd),
      target: textOf(memory, head.targetStart, head.targetEnd),
      minor: head.minor,
      host: textOf(memory, head.authorityStart, head.authorityEnd),
      userAgent: value(KNOWN["user-agent"]),
      referer: value(KNOWN.referer),
      requestId: value(KNOWN["x-request-id"]) || textOf(requestId, 0, requestId.length),
    };
  }

  end(
    entry: Entry,
    config: AccessLogConfig,
    listener: string,
    route: string | undefined,
    endpoint: string | undefined,
    status: number,
    octets: number,
    milliseconds: number,
  ): void {
    if (config.filterStatusCodes.length > 0 && !config.filterStatusCodes.includes(status)) return;
    if (this.#lines.length + this.#waiting.length > MOST_WAITING) {
      this.dropped++;
      return;
    }
    this.#lines +=
      config.format === "clf"
        ? common(entry, status, octets)
        : json(entry, listener, route, endpoint, status, octets, milliseconds);
    if (this.#lines.length > BATCH) this.flush();
  }

  /** Nothing waits to be handed on. */
  get empty(): boolean {
    return this.#lines === "" && this.#waiting.length === 0;
  }

  /** Hands on what has gathered. */
  flush(): void {
    if (this.#waiting.length === 0) {
      if (this.#lines === "") return;
      this.#waiting = Buffer.from(this.#lines, "utf8");
      this.#lines = "";
    }
    this.#waiting = this.#waiting.subarray(this.#sink(this.#waiting));
  }
}

function json(
  entry: Entry,
  listener: string,
  route: string | undefined,
  endpoint: string | undefined,
  status: number,
  octets: number,
  milliseconds: number,
): string {
  const line = {
    time: new Date(entry.time).toISOString(),
    client: entry.client,
    method: entry.method,
    target: entry.target,
    protocol: `HTTP/1.${entry.minor}`,
    host: entry.host,
    status,
    bytes: octets,
    durationMs: Math.round(milliseconds * 1000) / 1000,
    listener,
    route,
    endpoint,
    requestId: entry.requestId,
    userAgent: entry.userAgent === "" ? undefined : entry.userAgent,
    referer: entry.referer === "" ? undefined : entry.referer,
  };
  return `${JSON.stringify(line)}\n`;
}

/** host ident authuser [date] "request" status bytes */
function common(entry: Entry, status: number, octets: number): string {
  const request = quoted(`${entry.method} ${entry.target} HTTP/1.${entry.minor}`);
  return `${entry.client} - - [${clfDate(entry.time)}] "${request}" ${status} ${octets === 0 ? "-" : octets}\n`;
}

/** What a client sends must not be able to end a line or a quoted part. */
function quoted(text: string): string {
  return text.replace(/["\\]|[^\x20-\x7e]/g, (letter) =>
    letter === '"' || letter === "\\" ? `\\${letter}` : `\\x${letter.charCodeAt(0).toString(16).padStart(2, "0")}`,
  );
}

/** 10/Oct/2000:13:55:36 +0000 */
function clfDate(time: number): string {
  const [, day, month, year, clock] = new Date(time).toUTCString().split(" ");
  return `${day}/${month}/${year}:${clock} +0000`;
}

const NOTHING = Buffer.alloc(0);
const BATCH = 65_536;
const MOST_WAITING = 4_194_304;
