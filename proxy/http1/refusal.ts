/**
 * Why a message is refused.  Parsers return a number: an offset (≥ 0), INCOMPLETE, or a refusal below it, so that the hot
 * path allocates nothing; `refusalOf` turns the number into its name and status.  Standards: RFC 9112 §2.2, §3, §5–7,
 * RFC 9110 §15.  What an upstream does wrong is always a 502 for the client: the status here is for requests.
 */
export interface Refusal {
  readonly name: RefusalName;
  readonly status: number;
}
export type RefusalName = keyof typeof STATUS;

/** More octets are needed; nothing was wrong so far. */
export const INCOMPLETE = -1;

export function refusalOf(code: number): Refusal {
  const refusal = REFUSALS[-2 - code];
  if (refusal === undefined) throw new TypeError(`not a refusal: ${code}`);
  return refusal;
}

/** The number that a parser returns for `name`. */
export function refusal(name: RefusalName): number {
  return -2 - NAMES.indexOf(name);
}

/** Name → status.  A name is API: it is logged and counted. */
const STATUS = {
  "leading-junk": 400, // RFC 9112 §2.2
  "bare-cr": 400, // §2.2
  "bare-lf": 400, // §2.2: we do not accept it as a line end
  "line-fold": 400, // §5.2: obs-fold
  "method-invalid": 400,
  "method-too-long": 501, // §3
  "method-connect": 501, // no tunnels
  "target-invalid": 400, // §3.2
  "target-too-long": 414, // §3
  "target-form": 400, // §3.2: a form that does not fit the method
  "path-encoding": 400, // RFC 3986 §2.1: bad percent-encoding, an encoded NUL, an overlong dot or slash
  "path-traversal": 400, // above the root, or dot segments behind separators that only some servers see
  "scheme-unknown": 400,
  "scheme-misdirected": 421, // RFC 9110 §7.4
  "version-missing": 400, // HTTP/0.9
  "version-invalid": 400,
  "version-unsupported": 505,
  "head-too-large": 431, // RFC 6585 §5
  "too-many-fields": 431,
  "field-name-missing": 400,
  "field-name-invalid": 400, // also white space before the colon, RFC 9112 §5.1
  "field-value-invalid": 400, // RFC 9110 §5.5: NUL and other controls
  "host-missing": 400, // RFC 9112 §3.2
  "host-repeated": 400,
  "host-invalid": 400,
  "length-invalid": 400, // RFC 9112 §6.3
  "length-repeated": 400, // also when all say the same, also as a list
  "length-and-coding": 400, // §6.3: Content-Length and Transfer-Encoding
  "coding-repeated": 400,
  "coding-unknown": 501, // §6.1: anything but exactly "chunked"
  "coding-in-1.0": 400, // §6.1
  "connection-invalid": 400,
  "expectation-unknown": 417, // RFC 9110 §10.1.1
  "body-on-trace": 400, // RFC 9110 §9.3.8
  "body-too-large": 413,
  "head-timeout": 408,
  "chunk-size-invalid": 400, // RFC 9112 §7.1
  "chunk-size-overflow": 400,
  "chunk-line-end": 400, // also data that does not end where its size said
  "chunk-extension-invalid": 400,
  "chunk-extension-too-long": 400,
  "trailer-too-large": 431,
  "trailer-forbidden": 400, // RFC 9110 §6.5.1: framing, routing or connection fields in a trailer
  "status-invalid": 502, // RFC 9112 §4
  "switching-unasked": 502, // 101 although nobody asked
  "body-on-bodyless": 502, // RFC 9112 §6.1, RFC 9110 §8.6: Transfer-Encoding in 1xx or 204
} as const;
const NAMES = Object.keys(STATUS) as readonly RefusalName[];
const REFUSALS: readonly Refusal[] = NAMES.map((name) => ({ name, status: STATUS[name] }));
