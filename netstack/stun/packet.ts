/**
 * STUN messages.  Standards: RFC 8489 §5 (header), §14 (attributes), §7.3 (FINGERPRINT), RFC 5780 §7 (behaviour
 * discovery).  Left out on purpose: authentication (§9: a public server that tells addresses has nobody to know), the
 * methods of TURN and ICE, and what RFC 3489 had.
 */
import { type Ip, ipOfOctets, isIpv4, octetsOfIp } from "../../base/address.ts";
import { err, ok, type Result } from "../../base/result.ts";
import { Reader, Writer } from "../wire/cursor.ts";

export interface StunMessage {
  readonly class: StunClass;
  /** 0–0xfff; 1 is Binding. */
  readonly method: number;
  /** 12 octets. */
  readonly transaction: Uint8Array;
  /** XOR-MAPPED-ADDRESS, or MAPPED-ADDRESS of a server that knows no better. */
  readonly mapped: StunAddress | undefined;
  /** RFC 5780 §7.4: another address and port of the same server. */
  readonly other: StunAddress | undefined;
  /** RFC 5780 §7.3: where the response came from. */
  readonly origin: StunAddress | undefined;
  /** RFC 5780 §7.2. */
  readonly change: StunChange | undefined;
  readonly error: StunError | undefined;
  /** Text of SOFTWARE, at most 128 characters. */
  readonly software: string | undefined;
  /** Our own attribute: a request or answer between two sites that share a key. */
  readonly proof: StunProof | undefined;
}

export type StunClass = "request" | "indication" | "success" | "error";
export interface StunAddress {
  readonly ip: Ip;
  readonly port: number;
}
/** Which key (0–0xffffffff), and 16 octets that only who has it can make. */
export interface StunProof {
  readonly keyId: number;
  readonly mac: Uint8Array;
}
export interface StunChange {
  readonly ip: boolean;
  readonly port: boolean;
}
export interface StunError {
  /** 300–699 */
  readonly code: number;
  readonly reason: string;
}

export type StunMalformed =
  | { readonly kind: "short"; readonly have: number }
  /** The two leading bits, or the magic cookie: some other protocol (§6.3). */
  | { readonly kind: "not-stun" }
  | { readonly kind: "length"; readonly says: number; readonly have: number }
  | { readonly kind: "attribute"; readonly type: number; readonly why: string }
  | { readonly kind: "fingerprint" }
  /** Comprehension-required attributes that are not known here (§14: 0x0000–0x7fff). */
  | { readonly kind: "unknown-attributes"; readonly types: readonly number[] };

export function decodeStun(bytes: Uint8Array): Result<StunMessage, StunMalformed> {
  if (bytes.length < HEADER) return err({ kind: "short", have: bytes.length });
  const header = new Reader(bytes);
  const [type, length, cookie] = [header.u16(), header.u16(), header.u32()];
  if (type >= 0x4000 || cookie !== MAGIC_COOKIE) return err({ kind: "not-stun" });
  if (length % 4 !== 0 || HEADER + length !== bytes.length)
    return err({ kind: "length", says: length, have: bytes.length - HEADER });
  // A copy: what is given may be a Buffer, whose slices are not, in memory that is used again.
  const transaction = Uint8Array.from(header.bytes(12));
  const found = attributesOf(bytes, transaction);
  if (!found.ok) return found;
  const { mapped, xorMapped, ...rest } = found.value;
  return ok({
    class: CLASSES[classBits(type)],
    method: (type & 0xf) | ((type & 0xe0) >> 1) | ((type & 0x3e00) >> 2),
    transaction,
    mapped: xorMapped ?? mapped,
    ...rest,
  });
}

/** A Binding request with FINGERPRINT, so that the receiver can tell it from what else comes to that port. */
export function encodeBindingRequest(
  transaction: Uint8Array,
  { change, proof }: { readonly change?: StunChange | undefined; readonly proof?: StunProof } = {},
): Uint8Array {
  const w = begin(BINDING, transaction);
  if (change !== undefined)
    w.u16(CHANGE_REQUEST)
      .u16(4)
      .u32((change.ip ? CHANGE_IP : 0) | (change.port ? CHANGE_PORT : 0));
  return finish(w, proof);
}

/** A Binding success response: where the request was seen to come from. */
export function encodeBindingSuccess(transaction: Uint8Array, mapped: StunAddress, proof?: StunProof): Uint8Array {
  const octets = octetsOfIp(mapped.ip);
  const w = begin(BINDING | SUCCESS, transaction);
  w.u16(XOR_MAPPED_ADDRESS)
    .u16(octets.length + 4)
    .u16(isIpv4(mapped.ip) ? 1 : 2)
    .u16(mapped.port ^ (MAGIC_COOKIE >>> 16))
    .put(octets.map((octet, index) => octet ^ maskAt(transaction, index)));
  return finish(w, proof);
}

function begin(type: number, transaction: Uint8Array): Writer {
  if (transaction.length !== 12) throw new TypeError(`a transaction id of ${transaction.length} octets`);
  return new Writer(new Uint8Array(LONGEST)).u16(type).u16(0).u32(MAGIC_COOKIE).put(transaction);
}

function finish(w: Writer, proof: StunProof | undefined): Uint8Array {
  if (proof !== undefined)
    w.u16(PROOF)
      .u16(4 + MAC)
      .u32(proof.keyId)
      .put(proof.mac.subarray(0, MAC));
  const covered = w.written();
  new DataView(covered.buffer).setUint16(2, covered.length + 8 - HEADER);
  return w.u16(FINGERPRINT).u16(4).u32(fingerprint(covered)).written();
}

export const MAGIC_COOKIE = 0x2112_a442;
export const BINDING = 0x0001;

type Attributes = {
  -readonly [K in Exclude<keyof StunMessage, "class" | "method" | "transaction">]: StunMessage[K];
} & {
  xorMapped: StunAddress | undefined;
};

function attributesOf(bytes: Uint8Array, transaction: Uint8Array): Result<Attributes, StunMalformed> {
  const found: Attributes = {
    mapped: undefined,
    xorMapped: undefined,
    other: undefined,
    origin: undefined,
    change: undefined,
    error: undefined,
    software: undefined,
    proof: undefined,
  };
  const unknown: number[] = [];
  const r = new Reader(bytes, HEADER);
  while (r.remaining > 0) {
    const at = r.offset;
    const [type, length] = [r.u16(), r.u16()];
    const value = r.bytes(length);
    r.skip((4 - (length % 4)) % 4);
    if (r.short) return err({ kind: "attribute", type, why: "runs past the end" });
    const refused = (why: string) => err({ kind: "attribute", type, why } as const);
    switch (type) {
      case MAPPED_ADDRESS:
      case RESPONSE_ORIGIN:
      case OTHER_ADDRESS:
      case XOR_MAPPED_ADDRESS: {
        const address = addressOf(value, type === XOR_MAPPED_ADDRESS ? transaction : undefined);
        if (address === undefined) return refused("no address");
        // §14: of several the first counts.
        if (type === MAPPED_ADDRESS) found.mapped ??= address;
        else if (type === XOR_MAPPED_ADDRESS) found.xorMapped ??= address;
        else if (type === OTHER_ADDRESS) found.other ??= address;
        else found.origin ??= address;
        break;
      }
      case CHANGE_REQUEST: {
        if (length !== 4) return refused("length");
        const flags = new Reader(value).u32();
        found.change ??= { ip: (flags & CHANGE_IP) !== 0, port: (flags & CHANGE_PORT) !== 0 };
        break;
      }
      case ERROR_CODE: {
        const error = errorOf(value);
        if (error === undefined) return refused("no error code");
        found.error ??= error;
        break;
      }
      case SOFTWARE:
        found.software ??= textOf(value, 128);
        break;
      case PROOF: {
        if (length !== 4 + MAC) return refused("length");
        found.proof ??= { keyId: new Reader(value).u32(), mac: Uint8Array.from(value.subarray(4)) };
        break;
      }
      case FINGERPRINT: {
        // §14.7: the last attribute, or none.
        if (length !== 4 || r.remaining > 0) return err({ kind: "fingerprint" });
        if (new Reader(value).u32() !== fingerprint(bytes.subarray(0, at))) return err({ kind: "fingerprint" });
        break;
      }
      default:
        if (type < 0x8000 && !IGNORED.has(type)) unknown.push(type);
    }
  }
  return unknown.length > 0 ? err({ kind: "unknown-attributes", types: unknown }) : ok(found);
}

/** §14.1, §14.2. */
function addressOf(value: Uint8Array, transaction: Uint8Array | undefined): StunAddress | undefined {
  const r = new Reader(value);
  r.skip(1);
  const family = r.u8();
  const length = family === 1 ? 4 : family === 2 ? 16 : 0;
  if (length === 0 || value.length !== 4 + length) return undefined;
  const port = r.u16();
  const octets = r.bytes(length);
  const plain = transaction === undefined ? octets : octets.map((octet, index) => octet ^ maskAt(transaction, index));
  return { ip: ipOfOctets(plain), port: transaction === undefined ? port : port ^ (MAGIC_COOKIE >>> 16) };
}

/** The cookie, then the transaction id. */
function maskAt(transaction: Uint8Array, index: number): number {
  return index < 4 ? (MAGIC_COOKIE >>> (24 - index * 8)) & 0xff : (transaction[index - 4] ?? 0);
}

/** §14.8. */
function errorOf(value: Uint8Array): StunError | undefined {
  const r = new Reader(value);
  r.skip(2);
  const code = (r.u8() & 7) * 100 + r.u8();
  if (r.short || code < 300 || code > 699) return undefined;
  return { code, reason: textOf(r.bytes(r.remaining), 128) };
}

/** For people to read: what is not printable ASCII is a dot. */
function textOf(bytes: Uint8Array, most: number): string {
  return Array.from(bytes.subarray(0, most), (octet) =>
    octet >= 0x20 && octet < 0x7f ? String.fromCharCode(octet) : ".",
  ).join("");
}

function classBits(type: number): 0 | 1 | 2 | 3 {
  return (((type & 0x100) >> 7) | ((type & 0x10) >> 4)) as 0 | 1 | 2 | 3;
}
const CLASSES = ["request", "indication", "success", "error"] as const;

/** §14.7: CRC-32 of what is before, its length field counting FINGERPRINT itself. */
function fingerprint(bytes: Uint8Array): number {
  let crc = 0xffff_ffff;
  for (const octet of bytes) crc = (CRC[(crc ^ octet) & 0xff] ?? 0) ^ (crc >>> 8);
  return (crc ^ 0xffff_ffff ^ FINGERPRINT_XOR) >>> 0;
}
const CRC = Uint32Array.from({ length: 256 }, (_, index) => {
  let value = index;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0xedb8_8320 : value >>> 1;
  return value;
});

const HEADER = 20;
/** Room for all that is ever said here. */
const LONGEST = 128;
const SUCCESS = 0x0100;
const MAPPED_ADDRESS = 0x0001;
const CHANGE_REQUEST = 0x0003;
const ERROR_CODE = 0x0009;
const XOR_MAPPED_ADDRESS = 0x0020;
const SOFTWARE = 0x8022;
const FINGERPRINT = 0x8028;
const RESPONSE_ORIGIN = 0x802b;
const OTHER_ADDRESS = 0x802c;
/** Not registered: of the range in which what is not understood is passed over. */
const PROOF = 0xfe4e;
const MAC = 16;
/**
 * Known and of no use here: SOURCE-ADDRESS and CHANGED-ADDRESS of RFC 3489, which servers of today still send, USERNAME,
 * MESSAGE-INTEGRITY (also -SHA256), UNKNOWN-ATTRIBUTES, REALM, NONCE.
 */
const IGNORED = new Set([0x0004, 0x0005, 0x0006, 0x0008, 0x000a, 0x0014, 0x0015, 0x001c]);
const CHANGE_IP = 4;
const CHANGE_PORT = 2;
const FINGERPRINT_XOR = 0x5354_554e;
