/**
 * How a head is forwarded: what the writers need beside the head.  Plain mutable objects that a worker fills again for
 * each message; octets are latin1.  write-request.ts and write-response.ts say what becomes of every field.
 */
import type { Edits } from "./edits.ts";

/** The writers' answer when the output buffer is too small for the head. */
export const FULL = -1;

export interface RequestForward {
  /** Filters of the rule; NO_EDITS when there are none. */
  edits: Edits;
  /** Text form of the client's address, without brackets. */
  client: Uint8Array;
  /** "http" or "https" */
  scheme: Uint8Array;
  /** For requests that carry no X-Request-ID: request-id.ts. */
  requestId: Uint8Array;
  /** Host for requests without one (HTTP/1.0): the endpoint, "address:port". */
  fallbackHost: Uint8Array;
}

export interface ResponseForward {
  edits: Edits;
  /** Of the request: 0 or 1. A chunked body for an HTTP/1.0 client must be sent without its chunks, then closed. */
  clientMinor: number;
  /** The client's connection is closed after this response. */
  close: boolean;
  /** "Date: …\r\n", added when the upstream sent none (RFC 9110 §6.6.1). */
  date: Uint8Array;
}
