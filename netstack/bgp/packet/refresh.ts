/** ROUTE-REFRESH messages.  Standards: RFC 2918 §3, RFC 7313 §3.2, §5.  Left out on purpose: outbound filters (RFC 5291). */
import { err, ok, type Result } from "../../../base/result.ts";
import { afiOf, familyOf, safiOf } from "./family.ts";
import { framed, HEADER } from "./framing.ts";
import type { Agreed, Refused, RouteRefresh } from "./message.ts";

export function decodeRefresh(
  bytes: Uint8Array,
  start: number,
  end: number,
  agreed: Agreed,
): Result<RouteRefresh, Refused> {
  const at = start + HEADER;
  const family = familyOf(((bytes[at] as number) << 8) | (bytes[at + 1] as number), bytes[at + 3] as number);
  // Without RFC 7313 the octet is reserved, and ignored on receipt.
  const subtype = agreed.enhancedRouteRefresh ? (bytes[at + 2] as number) : 0;
  const what = SUBTYPES[subtype] ?? subtype;
  if ((what === "begin" || what === "end") && end - at !== BODY)
    return err({
      kind: "refresh-length",
      reason: "route-refresh/invalid-message-length",
      data: bytes.slice(start, end),
    });
  return ok({ kind: "route-refresh", family, what });
}

export function encodeRefresh(message: Omit<RouteRefresh, "kind">): Uint8Array {
  const bytes = framed("route-refresh", BODY);
  const afi = afiOf(message.family);
  const subtype = typeof message.what === "number" ? message.what : SUBTYPES.indexOf(message.what);
  bytes.set([afi >>> 8, afi & 255, subtype, safiOf(message.family)], HEADER);
  return bytes;
}

const BODY = 4;
/** RFC 7313 §3.2, wire order. */
const SUBTYPES = ["request", "begin", "end"] as const;
