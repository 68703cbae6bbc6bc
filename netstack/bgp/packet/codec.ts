/**
 * The door to the messages: octets to values, and back.  Standards: RFC 4271 §4, §6.  What a message says depends on
 * what was agreed; before the OPENs, nothing is.  UPDATE messages are written by packing.ts.
 */
import { err, ok, type Result, unreachable } from "../../../base/result.ts";
import { checkHeader, framed, HEADER, kindAt, MOST } from "./framing.ts";
import type { Interner } from "./interner.ts";
import type { Agreed, Message, Refused, Update } from "./message.ts";
import { decodeNotification, encodeNotification } from "./notification.ts";
import { decodeOpen, encodeOpen } from "./open.ts";
import { decodeRefresh, encodeRefresh } from "./refresh.ts";
import { decodeUpdate } from "./update.ts";

/** One whole message, as a Framer hands it on. */
export function decode(
  bytes: Uint8Array,
  start: number,
  end: number,
  agreed: Agreed,
  interner: Interner,
): Result<Message, Refused> {
  const length = ((bytes[start + 16] ?? 0) << 8) | (bytes[start + 17] ?? 0);
  if (end - start < HEADER || length !== end - start)
    return err({
      kind: "length",
      reason: "message-header/bad-message-length",
      data: Uint8Array.of(length >>> 8, length),
    });
  const bad = checkHeader(bytes, start, agreed.mostIn);
  if (bad !== undefined) return err(bad);
  const kind = kindAt(bytes, start);
  switch (kind) {
    case "open":
      return decodeOpen(bytes, start, end);
    case "update":
      return decodeUpdate(bytes, start, end, agreed, interner);
    case "notification":
      return ok(decodeNotification(bytes, start, end));
    case "route-refresh":
      return decodeRefresh(bytes, start, end, agreed);
    case "keepalive":
    case undefined: // checkHeader has refused it
      return ok({ kind: "keepalive" });
    default:
      return unreachable(kind);
  }
}

export function encode(message: Exclude<Message, Update>, agreed: Agreed): Uint8Array {
  switch (message.kind) {
    case "open":
      return encodeOpen(message);
    case "notification":
      return encodeNotification(message, agreed.mostOut);
    case "keepalive":
      return framed("keepalive", 0);
    case "route-refresh":
      return encodeRefresh(message);
    default:
      return unreachable(message);
  }
}

/** Until both OPENs are known. */
export const BEFORE_OPEN: Agreed = {
  fourOctetAsn: false,
  mostIn: MOST,
  mostOut: MOST,
  routeRefresh: false,
  enhancedRouteRefresh: false,
  families: ["ipv4"],
  extendedNextHop: false,
  addPathReceive: [],
  addPathSend: [],
  peer: "external",
  firstAsn: undefined,
  unreadable: "session-reset",
};
