/**
 * Packets to octets.  Standards: RFC 2328 A.3, RFC 5340 A.3.  The checksum and the authentication fields are zero:
 * `seal` of auth-v2.ts and auth-v3.ts fills them in.
 */
import { unreachable } from "../../../base/result.ts";
import { Writer } from "../../wire/cursor.ts";
import { DD_INIT, DD_MASTER, DD_MORE } from "./decode.ts";
import { writeHeader } from "./lsa-header.ts";
import { maskOfLength } from "./mask.ts";
import {
  DESCRIPTION_OCTETS,
  HEAD_OCTETS,
  type Hello,
  KEY_OCTETS,
  LSA_HEADER_OCTETS,
  type Packet,
  UPDATE_OCTETS,
} from "./packet.ts";

export function encode(packet: Packet): Uint8Array {
  const { version } = packet;
  const size = HEAD_OCTETS[version] + bodySize(packet);
  const writer = new Writer(new Uint8Array(size));
  writer.u8(version).u8(NUMBERS[packet.kind]).u16(size).u32(packet.routerId).u32(packet.areaId).u16(0);
  if (version === 3) writer.u8(packet.instanceId).u8(0);
  else writer.zeros(10);
  writeBody(writer, packet);
  return writer.written();
}

function bodySize(packet: Packet): number {
  switch (packet.kind) {
    case "hello":
      return 20 + packet.neighbors.length * 4;
    case "database-description":
      return DESCRIPTION_OCTETS[packet.version] + packet.headers.length * LSA_HEADER_OCTETS;
    case "request":
      return packet.wanted.length * KEY_OCTETS;
    case "update":
      return packet.lsas.reduce((sum, each) => sum + each.raw.length, UPDATE_OCTETS);
    case "acknowledgement":
      return packet.headers.length * LSA_HEADER_OCTETS;
    default:
      return unreachable(packet);
  }
}

function writeBody(writer: Writer, packet: Packet): void {
  const { version } = packet;
  switch (packet.kind) {
    case "hello":
      return writeHello(writer, packet);
    case "database-description": {
      const { init, more, master } = packet;
      const flags = (init ? DD_INIT : 0) | (more ? DD_MORE : 0) | (master ? DD_MASTER : 0);
      if (version === 2) writer.u16(packet.mtu).u8(packet.options).u8(flags);
      else writer.u32(packet.options).u16(packet.mtu).u8(0).u8(flags);
      writer.u32(packet.sequence);
      for (const each of packet.headers) writeHeader(writer, version, each);
      return;
    }
    case "request":
      for (const each of packet.wanted) writer.u32(each.type).u32(each.id).u32(each.advertisingRouter);
      return;
    case "update":
      writer.u32(packet.lsas.length);
      for (const each of packet.lsas) writer.put(each.raw);
      return;
    case "acknowledgement":
      for (const each of packet.headers) writeHeader(writer, version, each);
      return;
    default:
      unreachable(packet);
  }
}

function writeHello(writer: Writer, packet: Hello): void {
  const { options, helloInterval, deadInterval, priority } = packet;
  if (packet.version === 2) {
    writer
      .u32(maskOfLength(packet.maskLength ?? 0))
      .u16(helloInterval)
      .u8(options)
      .u8(priority)
      .u32(deadInterval);
  } else {
    writer
      .u32(packet.interfaceId)
      .u8(priority)
      .u8(options >>> 16)
      .u16(options & 0xffff);
    writer.u16(helloInterval).u16(deadInterval);
  }
  writer.u32(packet.dr).u32(packet.bdr);
  for (const each of packet.neighbors) writer.u32(each);
}

const NUMBERS = { hello: 1, "database-description": 2, request: 3, update: 4, acknowledgement: 5 } as const;
