/**
 * Netlink attributes: length, type, value, padded to four octets; values may nest.  Standards: RFC 3549 §2.2 (headers),
 * include/uapi/linux/netlink.h (struct nlattr).  Left out on purpose: policies; each object's decoder checks lengths.
 */

import { join } from "../../../base/octets.ts";
import { err, ok, type Result } from "../../../base/result.ts";
import { aligned, i32Of, text, textOf, u8, u16, u16Of, u32, u32Of, view } from "./octets.ts";

export type Malformed =
  | { readonly kind: "short"; readonly what: string; readonly have: number; readonly need: number }
  | { readonly kind: "bad-length"; readonly what: string; readonly length: number; readonly room: number }
  | { readonly kind: "bad-value"; readonly what: string; readonly length: number };

export interface Attribute {
  /** Without the NLA_F_NESTED and NLA_F_NET_BYTEORDER bits. */
  readonly type: number;
  readonly value: Uint8Array;
}

export function decodeAttributes(bytes: Uint8Array): Result<readonly Attribute[], Malformed> {
  const out: Attribute[] = [];
  let at = 0;
  // Fewer than four octets at the end are padding: the kernel itself ignores them.
  while (bytes.length - at >= HEADER) {
    const length = u16Of(bytes, at);
    const room = bytes.length - at;
    if (length < HEADER || length > room) return err({ kind: "bad-length", what: "attribute", length, room });
    out.push({ type: u16Of(bytes, at + 2) & TYPE_MASK, value: bytes.subarray(at + HEADER, at + length) });
    at += aligned(length);
  }
  return ok(out);
}

/** Attributes by type; of equal types the last counts, as in the kernel's nla_parse. */
export class Attributes {
  readonly #byType: ReadonlyMap<number, Uint8Array>;
  #refused: Malformed | undefined;
  constructor(list: readonly Attribute[]) {
    this.#byType = new Map(list.map((each) => [each.type, each.value]));
  }

  static of(bytes: Uint8Array): Result<Attributes, Malformed> {
    const list = decodeAttributes(bytes);
    return list.ok ? ok(new Attributes(list.value)) : list;
  }

  /** The first value that had a wrong length, if any: to be asked once, after everything was read. */
  get refused(): Malformed | undefined {
    return this.#refused;
  }
  octets(type: number): Uint8Array | undefined {
    return this.#byType.get(type);
  }
  u8(type: number): number | undefined {
    return this.#sized(type, 1)?.[0];
  }
  u16(type: number): number | undefined {
    const value = this.#sized(type, 2);
    return value && u16Of(value);
  }
  u32(type: number): number | undefined {
    const value = this.#sized(type, 4);
    return value && u32Of(value);
  }
  i32(type: number): number | undefined {
    const value = this.#sized(type, 4);
    return value && i32Of(value);
  }
  u32be(type: number): number | undefined {
    const value = this.#sized(type, 4);
    return value && view(value).getUint32(0, false);
  }
  u64be(type: number): number | undefined {
    const value = this.#sized(type, 8);
    return value && Number(view(value).getBigUint64(0, false));
  }
  text(type: number): string | undefined {
    const value = this.#byType.get(type);
    return value && textOf(value);
  }
  nested(type: number): Attributes | undefined {
    const value = this.#byType.get(type);
    if (value === undefined) return undefined;
    const inner = decodeAttributes(value);
    if (inner.ok) return new Attributes(inner.value);
    this.refuse(inner.error);
    return undefined;
  }
  refuse(why: Malformed): void {
    this.#refused ??= why;
  }

  #sized(type: number, size: number): Uint8Array | undefined {
    const value = this.#byType.get(type);
    if (value === undefined) return undefined;
    if (value.length >= size) return value;
    this.refuse({ kind: "bad-value", what: `attribute ${type}`, length: value.length });
    return undefined;
  }
}

export function attribute(type: number, value: Uint8Array): Uint8Array {
  const length = HEADER + value.length;
  if (length > 0xffff) throw new TypeError(`a netlink attribute of ${length} octets`);
  const out = new Uint8Array(aligned(length));
  out.set(u16(length), 0);
  out.set(u16(type), 2);
  out.set(value, HEADER);
  return out;
}
export function attributeU8(type: number, value: number): Uint8Array {
  return attribute(type, u8(value));
}
export function attributeU32(type: number, value: number): Uint8Array {
  return attribute(type, u32(value));
}
export function attributeText(type: number, value: string): Uint8Array {
  return attribute(type, text(value));
}
export function nested(type: number, ...parts: readonly Uint8Array[]): Uint8Array {
  return attribute(type | NLA_F_NESTED, join(parts));
}

const HEADER = 4;
const NLA_F_NESTED = 0x8000;
const TYPE_MASK = 0x3fff;
