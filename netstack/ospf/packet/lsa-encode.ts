/** LSAs of our own: body and header to octets, with length and checksum.  Standards: RFC 2328 §12.4, A.4, RFC 5340 A.4. */
import { isIpv4, octetsOfIp, type Prefix } from "../../../base/address.ts";
import { unreachable } from "../../../base/result.ts";
import { Writer } from "../../wire/cursor.ts";
import type { ExternalBody, GraceBody, Lsa, LsaBody, LsaKey, RouterBody, Version } from "./lsa.ts";
import { linkCode, reasonCode, typeOf } from "./lsa-body.ts";
import { checksumOf, lsaOf } from "./lsa-header.ts";
import { maskOfLength } from "./mask.ts";
import { LSA_HEADER_OCTETS } from "./packet.ts";

/** What the originator chooses; the type follows from the body, except for opaque and unknown ones, which must name it. */
export interface NewLsa extends Omit<LsaKey, "type"> {
  readonly type?: number;
  readonly age?: number;
  /** v2 only. */
  readonly options: number;
  readonly sequence: number;
}

export function encodeLsa(version: Version, header: NewLsa, body: LsaBody): Lsa {
  const type = header.type ?? typeOf(version, body.kind);
  if (type === undefined) throw new TypeError(`an LSA of kind ${body.kind} in version ${version} without a type`);
  const writer = new Writer(new Uint8Array(LSA_HEADER_OCTETS + sizeOf(version, body)));
  writer.u16(header.age ?? 0);
  if (version === 2) writer.u8(header.options).u8(type);
  else writer.u16(type);
  writer
    .u32(header.id)
    .u32(header.advertisingRouter)
    .u32(header.sequence >>> 0)
    .u16(0)
    .u16(writer.bytes.length);
  if (version === 2) writeV2(writer, body);
  else writeV3(writer, body);
  const raw = writer.written();
  if (raw.length !== writer.bytes.length) throw new TypeError(`an LSA of ${raw.length} octets, not as computed`);
  const sum = checksumOf(raw);
  raw[16] = sum >>> 8;
  raw[17] = sum & 0xff;
  return lsaOf(version, raw);
}

function sizeOf(version: Version, body: LsaBody): number {
  const v2 = version === 2;
  switch (body.kind) {
    case "router":
      return 4 + body.links.length * (v2 ? 12 : 16);
    case "network":
      return 4 + body.routers.length * 4;
    case "inter-area-prefix":
      return v2 ? 8 : 4 + prefixSize(body.prefix);
    case "inter-area-router":
      return v2 ? 8 : 12;
    case "external":
    case "nssa": {
      if (v2) return 16;
      const optional = (body.forwarding === undefined ? 0 : 16) + (body.tag === 0 ? 0 : 4);
      return 4 + prefixSize(body.prefix) + optional + (body.referenced === undefined ? 0 : 4);
    }
    case "link":
      return 24 + body.prefixes.reduce((sum, each) => sum + prefixSize(each.prefix), 0);
    case "intra-area-prefix":
      return 12 + body.prefixes.reduce((sum, each) => sum + prefixSize(each.prefix), 0);
    case "grace":
      return body.address === undefined ? 16 : 24;
    case "opaque":
    case "unknown":
      return body.octets.length;
    default:
      return unreachable(body);
  }
}

function writeV2(writer: Writer, body: LsaBody): void {
  switch (body.kind) {
    case "router":
      writer.u8(flagsOf(body)).u8(0).u16(body.links.length);
      for (const each of body.links) writer.u32(each.id).u32(each.data).u8(linkCode(each.type)).u8(0).u16(each.metric);
      return;
    case "network":
      if (body.prefix === undefined) throw new TypeError("a network LSA of version 2 without its mask");
      writer.u32(maskOfLength(body.prefix.length));
      for (const each of body.routers) writer.u32(each);
      return;
    case "inter-area-prefix":
      writer.u32(maskOfLength(body.prefix.length)).u32(body.metric);
      return;
    case "inter-area-router":
      writer.u32(0).u32(body.metric);
      return;
    case "external":
    case "nssa":
      writer.u32(maskOfLength(body.prefix.length)).u32((body.metricType === 2 ? 0x80000000 : 0) + body.metric);
      return void writer.u32(address4(body)).u32(body.tag);
    case "link":
    case "intra-area-prefix":
      throw new TypeError(`an LSA of kind ${body.kind} in version 2`);
    case "grace":
      return writeGrace(writer, body);
    case "opaque":
    case "unknown":
      return void writer.put(body.octets);
    default:
      return unreachable(body);
  }
}

function writeV3(writer: Writer, body: LsaBody): void {
  switch (body.kind) {
    case "router":
      writer.u32(flagsOf(body) * 0x1000000 + body.options);
      for (const each of body.links) {
        writer.u8(linkCode(each.type)).u8(0).u16(each.metric).u32(each.data);
        writer.u32(each.neighborInterfaceId).u32(each.id);
      }
      return;
    case "network":
      writer.u32(body.options);
      for (const each of body.routers) writer.u32(each);
      return;
    case "inter-area-prefix":
      writer.u32(body.metric);
      return writePrefix(writer, body.prefix, body.prefixOptions, 0);
    case "inter-area-router":
      return void writer.u32(body.options).u32(body.metric).u32(body.router);
    case "external":
    case "nssa":
      return writeExternalV3(writer, body);
    case "link":
      writer
        .u32(body.priority * 0x1000000 + body.options)
        .put(octetsOfIp(body.address))
        .u32(body.prefixes.length);
      for (const each of body.prefixes) writePrefix(writer, each.prefix, each.prefixOptions, 0);
      return;
    case "intra-area-prefix": {
      const { type, id, advertisingRouter } = body.referenced;
      writer.u16(body.prefixes.length).u16(type).u32(id).u32(advertisingRouter);
      for (const each of body.prefixes) writePrefix(writer, each.prefix, each.prefixOptions, each.metric);
      return;
    }
    case "grace":
      return writeGrace(writer, body);
    case "opaque":
    case "unknown":
      return void writer.put(body.octets);
    default:
      return unreachable(body);
  }
}

function writeExternalV3(writer: Writer, body: ExternalBody): void {
  const { forwarding, tag, referenced } = body;
  const flags = (body.metricType === 2 ? 4 : 0) | (forwarding === undefined ? 0 : 2) | (tag === 0 ? 0 : 1);
  writer.u32(flags * 0x1000000 + body.metric);
  writePrefix(writer, body.prefix, body.prefixOptions, referenced?.type ?? 0);
  if (forwarding !== undefined) writer.put(octetsOfIp(forwarding));
  if (tag !== 0) writer.u32(tag);
  if (referenced !== undefined) writer.u32(referenced.id);
}

function writeGrace(writer: Writer, body: GraceBody): void {
  writer.u16(1).u16(4).u32(body.period);
  writer.u16(2).u16(1).u8(reasonCode(body.reason)).zeros(3);
  if (body.address !== undefined) writer.u16(3).u16(4).u32(body.address);
}

/** Length, options, 16 bits that depend on where it stands, the address's words. */
function writePrefix(writer: Writer, prefix: Prefix, options: number, extra: number): void {
  if (isIpv4(prefix.ip)) throw new TypeError("an IPv4 prefix in version 3");
  writer.u8(prefix.length).u8(options).u16(extra);
  writer.put(octetsOfIp(prefix.ip).subarray(0, Math.ceil(prefix.length / 32) * 4));
}

function prefixSize(prefix: Prefix): number {
  return 4 + Math.ceil(prefix.length / 32) * 4;
}

function address4(body: ExternalBody): number {
  if (body.forwarding === undefined) return 0;
  if (!isIpv4(body.forwarding)) throw new TypeError("a forwarding address of another family");
  return body.forwarding;
}

function flagsOf(body: RouterBody): number {
  return (body.border ? 1 : 0) | (body.external ? 2 : 0) | (body.virtual ? 4 : 0) | (body.translator ? 0x10 : 0);
}
