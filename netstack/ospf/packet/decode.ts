/**
 * Octets to packets.  Standards: RFC 2328 A.3, 8.2 (v2), RFC 5340 A.3, 4.2.2 (v3).  Nothing is thrown; what is wrong has
 * a name.  Authentication and the packet checksum come before (auth-v2.ts, auth-v3.ts); whether a packet fits the interface
 * (area, intervals, options) comes after, in the machines.  Octets after the packet's length belong to authentication
 * and link-local signalling (RFC 5613) and are not looked at.
 */
import { err, ok, type Result } from "../../../base/result.ts";
import { Reader } from "../../wire/cursor.ts";
import type { Lsa, LsaHeader, LsaKey, Version } from "./lsa.ts";
import { readHeader } from "./lsa-header.ts";
import { lengthOfMask } from "./mask.ts";
import { HEAD_OCTETS, KEY_OCTETS, LSA_HEADER_OCTETS, type Packet, type PacketHead } from "./packet.ts";

export type Malformed =
  | { readonly kind: "short"; readonly have: number }
  | { readonly kind: "version"; readonly got: number }
  | { readonly kind: "packet-length"; readonly claimed: number; readonly have: number }
  | { readonly kind: "packet-type"; readonly got: number }
  | { readonly kind: "router-id-zero" }
  | { readonly kind: "mask"; readonly got: number }
  | { readonly kind: "ragged"; readonly octets: number }
  | { readonly kind: "lsa-length"; readonly claimed: number; readonly room: number }
  | { readonly kind: "lsa-count"; readonly claimed: number; readonly found: number };

export function decode(version: Version, bytes: Uint8Array): Result<Packet, Malformed> {
  const framed = frame(version, bytes);
  if (!framed.ok) return framed;
  const { type, length } = framed.value;
  const reader = new Reader(bytes, 4, length);
  const [routerId, areaId] = [reader.u32(), reader.u32()];
  reader.skip(2);
  const instanceId = version === 3 ? reader.u8() : 0;
  reader.skip(version === 3 ? 1 : 10);
  if (routerId === 0) return err({ kind: "router-id-zero" });
  const packet = body(type, { version, routerId, areaId, instanceId }, reader, bytes);
  if (!packet.ok) return packet;
  if (reader.short) return err({ kind: "short", have: length });
  return reader.remaining === 0 ? packet : err({ kind: "ragged", octets: reader.remaining });
}

/** What can be said before authentication: that it is a whole packet of this version. */
export function frame(
  version: Version,
  bytes: Uint8Array,
): Result<{ readonly type: number; readonly length: number }, Malformed> {
  const reader = new Reader(bytes);
  const [got, type, length] = [reader.u8(), reader.u8(), reader.u16()];
  if (reader.short) return err({ kind: "short", have: bytes.length });
  if (got !== version) return err({ kind: "version", got });
  if (bytes.length < HEAD_OCTETS[version]) return err({ kind: "short", have: bytes.length });
  if (length < HEAD_OCTETS[version] || length > bytes.length)
    return err({ kind: "packet-length", claimed: length, have: bytes.length });
  return ok({ type, length });
}

function body(type: number, head: PacketHead, reader: Reader, bytes: Uint8Array): Result<Packet, Malformed> {
  switch (type) {
    case 1:
      return hello(head, reader);
    case 2:
      return description(head, reader);
    case 3:
      return ok({ kind: "request", ...head, wanted: all(reader, KEY_OCTETS, () => key(head.version, reader)) });
    case 4:
      return update(head, reader, bytes);
    case 5:
      return ok({ kind: "acknowledgement", ...head, headers: headers(head.version, reader) });
    default:
      return err({ kind: "packet-type", got: type });
  }
}

function hello(head: PacketHead, reader: Reader): Result<Packet, Malformed> {
  const v2 = head.version === 2;
  const first = reader.u32();
  const maskLength = v2 ? lengthOfMask(first) : undefined;
  let [helloInterval, options, priority, deadInterval] = [0, 0, 0, 0];
  if (v2) {
    [helloInterval, options, priority, deadInterval] = [reader.u16(), reader.u8(), reader.u8(), reader.u32()];
  } else {
    [priority, options, helloInterval, deadInterval] = [reader.u8(), u24(reader), reader.u16(), reader.u16()];
  }
  const [dr, bdr] = [reader.u32(), reader.u32()];
  if (reader.short) return err({ kind: "short", have: reader.offset });
  if (v2 && maskLength === undefined) return err({ kind: "mask", got: first });
  const neighbors = all(reader, 4, () => reader.u32());
  const interfaceId = v2 ? 0 : first;
  const timing = { options, helloInterval, deadInterval, priority };
  return ok({ kind: "hello", ...head, maskLength, interfaceId, ...timing, dr, bdr, neighbors });
}

function description(head: PacketHead, reader: Reader): Result<Packet, Malformed> {
  let [mtu, options] = [0, 0];
  if (head.version === 2) [mtu, options] = [reader.u16(), reader.u8()];
  else {
    reader.skip(1);
    [options, mtu] = [u24(reader), reader.u16()];
    reader.skip(1);
  }
  const [flags, sequence] = [reader.u8(), reader.u32()];
  return ok({
    kind: "database-description",
    ...head,
    mtu,
    options,
    init: (flags & DD_INIT) !== 0,
    more: (flags & DD_MORE) !== 0,
    master: (flags & DD_MASTER) !== 0,
    sequence,
    headers: headers(head.version, reader),
  });
}

function update(head: PacketHead, reader: Reader, bytes: Uint8Array): Result<Packet, Malformed> {
  const claimed = reader.u32();
  const lsas: Lsa[] = [];
  while (lsas.length < claimed && reader.remaining > 0) {
    const room = reader.remaining;
    const start = reader.offset;
    const header = readHeader(reader, head.version);
    if (reader.short || header.length < LSA_HEADER_OCTETS || header.length > room)
      return err({ kind: "lsa-length", claimed: reader.short ? 0 : header.length, room });
    reader.skip(header.length - LSA_HEADER_OCTETS);
    // A copy: the octets of a datagram are the loop's and live no longer than the call.
    lsas.push({ version: head.version, header, raw: bytes.slice(start, reader.offset) });
  }
  if (lsas.length !== claimed) return err({ kind: "lsa-count", claimed, found: lsas.length });
  return ok({ kind: "update", ...head, lsas });
}

function headers(version: Version, reader: Reader): readonly LsaHeader[] {
  return all(reader, LSA_HEADER_OCTETS, () => readHeader(reader, version));
}

function key(version: Version, reader: Reader): LsaKey {
  const word = reader.u32();
  return { type: version === 2 ? word : word & 0xffff, id: reader.u32(), advertisingRouter: reader.u32() };
}

/** As many as there are; a ragged end stays in the reader and is refused by `decode`. */
function all<T>(reader: Reader, size: number, read: () => T): readonly T[] {
  const found: T[] = [];
  while (reader.remaining >= size) found.push(read());
  return found;
}

export function u24(reader: Reader): number {
  return reader.u8() * 0x10000 + reader.u16();
}

export const DD_INIT = 4;
export const DD_MORE = 2;
export const DD_MASTER = 1;
