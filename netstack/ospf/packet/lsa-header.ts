/** The 20 octets before every LSA, and its checksum.  Standards: RFC 2328 §12.1, A.4.1, RFC 5340 A.4.2, RFC 905 Annex B. */
import { Reader, type Writer } from "../../wire/cursor.ts";
import { type Lsa, type LsaHeader, type LsaKey, type Version } from "./lsa.ts";
import { LSA_HEADER_OCTETS } from "./packet.ts";

export function readHeader(reader: Reader, version: Version): LsaHeader {
  const age = reader.u16();
  const options = version === 2 ? reader.u8() : 0;
  const type = version === 2 ? reader.u8() : reader.u16();
  const [id, advertisingRouter, sequence] = [reader.u32(), reader.u32(), reader.u32() | 0];
  return { age, options, type, id, advertisingRouter, sequence, checksum: reader.u16(), length: reader.u16() };
}

export function writeHeader(writer: Writer, version: Version, header: LsaHeader): void {
  writer.u16(header.age);
  if (version === 2) writer.u8(header.options).u8(header.type);
  else writer.u16(header.type);
  writer
    .u32(header.id)
    .u32(header.advertisingRouter)
    .u32(header.sequence >>> 0);
  writer.u16(header.checksum).u16(header.length);
}

/** An LSA from octets that are exactly one, as `readLsa` of a packet or `encodeLsa` made them. */
export function lsaOf(version: Version, raw: Uint8Array): Lsa {
  return { version, header: readHeader(new Reader(raw), version), raw };
}

/** The same LSA with another age, which the checksum leaves out (§12.1.7). */
export function aged(lsa: Lsa, age: number): Lsa {
  const raw = lsa.raw.slice();
  raw[0] = age >>> 8;
  raw[1] = age & 0xff;
  return { version: lsa.version, header: { ...lsa.header, age }, raw };
}

export function keyText(key: LsaKey): string {
  return `${key.type}/${key.id}/${key.advertisingRouter}`;
}

/** §12.1.7: over everything but the age; a field of zero is never right. */
export function checksumHolds(raw: Uint8Array): boolean {
  if (raw.length < LSA_HEADER_OCTETS) return false;
  const [c0, c1] = fletcher(raw, false);
  return c0 === 0 && c1 === 0 && ((raw[FIELD] ?? 0) | (raw[FIELD + 1] ?? 0)) !== 0;
}

/** What the checksum field shall be, whatever it is now. */
export function checksumOf(raw: Uint8Array): number {
  const [c0, c1] = fletcher(raw, true);
  let x = ((raw.length - FIELD - 1) * c0 - c1) % 255;
  if (x <= 0) x += 255;
  let y = 510 - c0 - x;
  if (y > 255) y -= 255;
  return x * 256 + y;
}

function fletcher(raw: Uint8Array, zeroed: boolean): readonly [number, number] {
  let c0 = 0;
  let c1 = 0;
  for (let index = AGE; index < raw.length; index++) {
    const octet = zeroed && (index === FIELD || index === FIELD + 1) ? 0 : (raw[index] ?? 0);
    c0 = (c0 + octet) % 255;
    c1 = (c1 + c0) % 255;
  }
  return [c0, c1];
}

const AGE = 2;
const FIELD = 16;
