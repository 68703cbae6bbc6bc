/**
 * DNS messages, as far as it takes to know which addresses a name has.  Standards: RFC 1035 §4.1, RFC 3596 (AAAA).
 * Left out on purpose: encoding, the authority and additional sections, EDNS, DNSSEC, every type of record but A, AAAA
 * and CNAME; whether an answer can be believed (sdwan/steer/learn.ts asks for the question first).
 */
import { type Ip, ipOfOctets } from "../../base/address.ts";
import { err, ok, type Result } from "../../base/result.ts";
import { Reader } from "./cursor.ts";

export interface DnsMessage {
  readonly id: number;
  readonly response: boolean;
  readonly opcode: number;
  readonly rcode: number;
  /** Cut off: what follows over TCP is not in it. */
  readonly truncated: boolean;
  readonly questions: readonly DnsQuestion[];
  readonly answers: readonly DnsRecord[];
}

export interface DnsQuestion {
  /** Lower case, without the closing dot; "" is the root. */
  readonly name: string;
  readonly type: number;
}

export type DnsRecord =
  | { readonly kind: "address"; readonly name: string; readonly ttl: number; readonly ip: Ip }
  | { readonly kind: "alias"; readonly name: string; readonly ttl: number; readonly target: string }
  | { readonly kind: "other"; readonly name: string; readonly ttl: number; readonly type: number };

export type Malformed =
  | { readonly kind: "short"; readonly have: number }
  /** A pointer that does not lead backwards, a label of a kind that nobody defined, or more than 255 octets. */
  | { readonly kind: "bad-name"; readonly at: number }
  | { readonly kind: "bad-record"; readonly at: number };

export function decodeDns(bytes: Uint8Array): Result<DnsMessage, Malformed> {
  if (bytes.length < HEADER) return err({ kind: "short", have: bytes.length });
  const reader = new Reader(bytes);
  const id = reader.u16();
  const flags = reader.u16();
  const [asked, answered] = [reader.u16(), reader.u16()];
  reader.skip(4);
  const questions: DnsQuestion[] = [];
  for (let count = 0; count < asked; count++) {
    const name = readName(bytes, reader);
    if (name === undefined) return err({ kind: "bad-name", at: reader.offset });
    const type = reader.u16();
    reader.skip(2);
    if (reader.short) return err({ kind: "short", have: bytes.length });
    questions.push({ name, type });
  }
  const answers: DnsRecord[] = [];
  for (let count = 0; count < answered; count++) {
    const record = readRecord(bytes, reader);
    if (!record.ok) return record;
    answers.push(record.value);
  }
  return ok({
    id,
    response: (flags & 0x8000) !== 0,
    opcode: (flags >> 11) & 15,
    rcode: flags & 15,
    truncated: (flags & 0x0200) !== 0,
    questions,
    answers,
  });
}

export const TYPE_A = 1;
export const TYPE_AAAA = 28;

function readRecord(bytes: Uint8Array, reader: Reader): Result<DnsRecord, Malformed> {
  const at = reader.offset;
  const name = readName(bytes, reader);
  if (name === undefined) return err({ kind: "bad-name", at });
  const type = reader.u16();
  const kind = reader.u16();
  const ttl = reader.u32();
  const data = reader.sub(reader.u16());
  if (reader.short || data.short) return err({ kind: "short", have: bytes.length });
  // RFC 2181 §8: the top bit set means zero.
  const head = { name, ttl: ttl > 0x7fff_ffff ? 0 : ttl };
  if (kind !== CLASS_IN) return ok({ kind: "other", ...head, type });
  if (type === TYPE_A || type === TYPE_AAAA) {
    if (data.remaining !== (type === TYPE_A ? 4 : 16)) return err({ kind: "bad-record", at });
    return ok({ kind: "address", ...head, ip: ipOfOctets(data.bytes(data.remaining)) });
  }
  if (type !== TYPE_CNAME) return ok({ kind: "other", ...head, type });
  const target = readName(bytes, data);
  if (target === undefined) return err({ kind: "bad-name", at });
  return data.remaining > 0 ? err({ kind: "bad-record", at }) : ok({ kind: "alias", ...head, target });
}

/** A name, its pointers followed (RFC 1035 §4.1.4); the reader stands behind it afterwards.  undefined: none. */
function readName(bytes: Uint8Array, reader: Reader): string | undefined {
  const labels: string[] = [];
  let octets = 0;
  let place = reader;
  // A pointer must lead to an earlier place than the last one did: so there is no loop, however it was built.
  let before = reader.offset;
  for (;;) {
    const length = place.u8();
    if (place.short) return undefined;
    if (length === 0) return labels.join(".");
    if (length >= POINTER) {
      const target = ((length & 0x3f) << 8) | place.u8();
      if (place.short || target >= before) return undefined;
      before = target;
      place = new Reader(bytes, target);
      continue;
    }
    octets += length + 1;
    if (length > LONGEST_LABEL || octets >= LONGEST_NAME) return undefined;
    const label = place.bytes(length);
    if (place.short) return undefined;
    labels.push(labelText(label));
  }
}

/** Case does not count in ASCII (RFC 4343); other octets, and the dot in a label, as RFC 1035 §5.1 writes them. */
function labelText(label: Uint8Array): string {
  let text = "";
  for (const octet of label) {
    const char = String.fromCharCode(octet);
    text += /[A-Za-z0-9_-]/.test(char) ? char.toLowerCase() : `\\${String(octet).padStart(3, "0")}`;
  }
  return text;
}

const HEADER = 12;
const POINTER = 0xc0;
const LONGEST_LABEL = 63;
const LONGEST_NAME = 255;
const CLASS_IN = 1;
const TYPE_CNAME = 5;
