/**
 * Parsed heads.  One RequestHead and one ResponseHead serve a whole worker: parsing fills them again and again, so all
 * they say is true only until the next parse, and offsets point into `memory`, which must not change meanwhile.
 * Standards: RFC 9112 §3–6, RFC 9110 §5–7.
 *
 *   parseRequestHead(head, memory, start, end): number            request.ts
 *   parseResponseHead(head, memory, start, end, method): number   response.ts
 *     ≥ 0: the offset after the head (first octet of the body); INCOMPLETE; or a refusal (refusal.ts)
 *   writeRequestHead(head, forward, out, at): number               write-request.ts
 *   writeResponseHead(head, forward, out, at): number              write-response.ts
 *     ≥ 0: the offset after what was written; FULL: `out` is too small
 */
import { Fields } from "./fields.ts";
import type { Limits } from "./limits.ts";
import { LIMITS } from "./limits.ts";

/** How the end of a body is found. RFC 9112 §6.3 */
export type Framing = typeof NO_BODY | typeof SIZED | typeof CHUNKED | typeof UNTIL_CLOSE;
export const NO_BODY = 0;
/** `contentLength` octets follow. */
export const SIZED = 1;
/** A chunked body follows: chunked.ts. */
export const CHUNKED = 2;
/** Responses only: the body ends with the connection. */
export const UNTIL_CLOSE = 3;

export type TargetForm = typeof ORIGIN | typeof ABSOLUTE | typeof ASTERISK;
export const ORIGIN = 0;
export const ABSOLUTE = 1;
export const ASTERISK = 2;

/** What both heads have. */
export abstract class Head {
  readonly limits: Limits;
  readonly fields: Fields;
  memory: Uint8Array = NOTHING;
  /** The same octets four at a time, for scanning; undefined when `memory` is not aligned. */
  words: Int32Array | undefined = undefined;
  /** First octet of the request or status line (empty lines before it are skipped). */
  start = 0;
  /** First octet after the head. */
  end = 0;
  /** HTTP/1.`minor` */
  minor: number = 1;
  framing: Framing = NO_BODY;
  /** Octets, when framing is SIZED; for a response to HEAD and for 304 what the field says, otherwise 0. */
  contentLength = 0;
  /** The sender may use this connection again after this message. RFC 9112 §9.3 */
  keepAlive = true;
  constructor(limits: Limits) {
    this.limits = limits;
    this.fields = new Fields(limits.fields);
  }
  /** Parsers call this first: a worker reads from few memories, mostly from the loop's pool. */
  bind(memory: Uint8Array): void {
    if (memory === this.memory) return;
    this.memory = memory;
    const { buffer, byteOffset, byteLength } = memory;
    this.words = LITTLE && byteOffset % 4 === 0 ? new Int32Array(buffer, byteOffset, byteLength >> 2) : undefined;
  }
}

export class RequestHead extends Head {
  /** method.ts; OTHER_METHOD when not in the table: [start, methodEnd) has it. */
  method = 0;
  methodEnd = 0;
  form: TargetForm = ORIGIN;
  /** The target as it came. */
  targetStart = 0;
  targetEnd = 0;
  /**
   * The path as it is forwarded, octets of `pathMemory`: of the target itself, or of `scratch` when it had to be
   * normalised (target.ts says how and why).  "*" for the asterisk form.
   */
  pathMemory: Uint8Array = NOTHING;
  pathStart = 0;
  pathEnd = 0;
  /** The path as the router sees it: the same, with empty segments ("//") left out. */
  routeMemory: Uint8Array = NOTHING;
  routeStart = 0;
  routeEnd = 0;
  /** From "?" (included) to the end of the target, as it came; empty when there is none. */
  queryStart = 0;
  queryEnd = 0;
  /** Host without port and trailing dot, in the case it came in; empty for HTTP/1.0 without Host. */
  hostStart = 0;
  hostEnd = 0;
  /** The target names the authority: absolute form. */
  hasAuthority = false;
  /** Host with its port: what is forwarded. From the target in absolute form (RFC 9112 §3.2.2), else the Host field. */
  authorityStart = 0;
  authorityEnd = 0;
  /** Expect: 100-continue, HTTP/1.1 */
  expectsContinue = false;
  /** Upgrade was asked for. It is not forwarded: RFC 9110 §7.8 lets a server ignore it. */
  upgrade = false;
  /** TE named "trailers". */
  trailers = false;
  /** "https" targets are refused on a listener without TLS and the other way round. RFC 9110 §7.4 */
  readonly secure: boolean;
  readonly scratch: Uint8Array;
  constructor(limits: Limits = LIMITS, secure = false) {
    super(limits);
    this.secure = secure;
    this.scratch = new Uint8Array(limits.target * 2);
  }
}

export class ResponseHead extends Head {
  status = 0;
  reasonStart = 0;
  reasonEnd = 0;
  /** 100–199 without 101: another head follows for the same request. RFC 9110 §15.2 */
  interim = false;
  constructor(limits: Limits = LIMITS) {
    super(limits);
  }
}

/** Scanning by words counts octets from the lowest. */
const LITTLE = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;
const NOTHING = new Uint8Array(0);
