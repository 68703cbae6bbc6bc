/**
 * GET to third parties, once per connection.  Standards: RFC 9112 §3, §4 (status line).  Any answer of HTTP shows that the
 * path works, except 511 (RFC 6585 §6): that is a captive portal in between.
 */
import { err, ok, type Result } from "../../base/result.ts";

export type NoAnswer =
  | { readonly kind: "more" }
  | { readonly kind: "not-http" }
  | { readonly kind: "captive"; readonly status: number };

export function requestOf({ host, path }: { readonly host: string; readonly path: string }): Uint8Array {
  const lines = [
    `GET ${path} HTTP/1.1`,
    `Host: ${host}`,
    "User-Agent: novaedge",
    "Accept: */*",
    "Connection: close",
    "",
    "",
  ];
  return Uint8Array.from(lines.join("\r\n"), (character) => character.charCodeAt(0) & 0xff);
}

/** The status of an answer that begins with these octets. */
export function statusOf(head: Uint8Array): Result<number, NoAnswer> {
  const text = String.fromCharCode(...head.subarray(0, LINE));
  if (!PREFIX.startsWith(text.slice(0, PREFIX.length))) return err({ kind: "not-http" });
  if (text.length < LINE) return err({ kind: "more" });
  const found = /^HTTP\/1\.[01] ([1-5][0-9]{2})[ \r]/.exec(text);
  if (found === null) return err({ kind: "not-http" });
  const status = Number(found[1]);
  return status === 511 ? err({ kind: "captive", status }) : ok(status);
}

/** Octets that decide. */
export const LINE = 13;
const PREFIX = "HTTP/1.";
