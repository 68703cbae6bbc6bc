/**
 * Captures on disk, readable by Wireshark: pcapng (draft-ietf-opsawg-pcapng) with one interface per port and stamps in
 * nanoseconds.  Left out on purpose: other block types, other byte orders; the reader reads what the writer wrote.
 */
import { err, ok, type Result } from "../../base/result.ts";

export interface Frame {
  /** Fabric interface on which the frame arrived, which names its sender: "a.eth0". */
  readonly port: string;
  /** Realtime clock, nanoseconds. */
  readonly stamp: bigint;
  /** Octets on the wire, which may be more than were kept. */
  readonly length: number;
  readonly octets: Uint8Array;
}

export function sectionHeader(): Buffer {
  const body = Buffer.alloc(16);
  body.writeUInt32LE(0x1a2b3c4d, 0); // §4.1 byte-order magic
  body.writeUInt16LE(1, 4);
  body.writeBigInt64LE(-1n, 8);
  return block(SECTION, body);
}

/** Interfaces are numbered in the order in which they are described. */
export function interfaceDescription(name: string, kept: number): Buffer {
  const text = Buffer.from(name);
  const body = Buffer.alloc(8 + 4 + padded(text.length) + 8 + 4);
  body.writeUInt16LE(1, 0); // LINKTYPE_ETHERNET
  body.writeUInt32LE(kept, 4);
  body.writeUInt16LE(2, 8); // if_name
  body.writeUInt16LE(text.length, 10);
  text.copy(body, 12);
  const next = 12 + padded(text.length);
  body.writeUInt16LE(9, next); // if_tsresol
  body.writeUInt16LE(1, next + 2);
  body.writeUInt8(9, next + 4); // 10^-9 s
  return block(INTERFACE, body);
}

export function enhancedPacket(index: number, stamp: bigint, length: number, octets: Uint8Array): Buffer {
  const body = Buffer.alloc(20 + padded(octets.length));
  body.writeUInt32LE(index, 0);
  body.writeUInt32LE(Number(stamp >> 32n), 4);
  body.writeUInt32LE(Number(stamp & 0xffffffffn), 8);
  body.writeUInt32LE(octets.length, 12);
  body.writeUInt32LE(length, 16);
  body.set(octets, 20);
  return block(PACKET, body);
}

export type Malformed = { readonly kind: "malformed"; readonly offset: number };

/** All whole blocks; a block cut short by the end of the file is left out. */
export function decode(bytes: Buffer): Result<readonly Frame[], Malformed> {
  const frames: Frame[] = [];
  const names: string[] = [];
  for (let offset = 0; offset + 12 <= bytes.length; ) {
    const length = bytes.readUInt32LE(offset + 4);
    if (length < 12 || length % 4 !== 0) return err({ kind: "malformed", offset });
    if (offset + length > bytes.length) break;
    const body = bytes.subarray(offset + 8, offset + length - 4);
    const type = bytes.readUInt32LE(offset);
    if (type === INTERFACE) {
      if (body.length < 12 || 12 + body.readUInt16LE(10) > body.length) return err({ kind: "malformed", offset });
      names.push(body.toString("utf8", 12, 12 + body.readUInt16LE(10)));
    } else if (type === PACKET) {
      const port = body.length < 20 ? undefined : names[body.readUInt32LE(0)];
      if (port === undefined || 20 + body.readUInt32LE(12) > body.length) return err({ kind: "malformed", offset });
      const stamp = (BigInt(body.readUInt32LE(4)) << 32n) | BigInt(body.readUInt32LE(8));
      const octets = body.subarray(20, 20 + body.readUInt32LE(12));
      frames.push({ port, stamp, length: body.readUInt32LE(16), octets });
    }
    offset += length;
  }
  return ok(frames);
}

function block(type: number, body: Buffer): Buffer {
  const out = Buffer.alloc(body.length + 12);
  out.writeUInt32LE(type, 0);
  out.writeUInt32LE(out.length, 4);
  body.copy(out, 8);
  out.writeUInt32LE(out.length, out.length - 4);
  return out;
}
function padded(length: number): number {
  return (length + 3) & ~3;
}

const SECTION = 0x0a0d0d0a;
const INTERFACE = 1;
const PACKET = 6;
