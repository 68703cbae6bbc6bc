/**
 * Bodies of LSAs, parsed when wanted.  Standards: RFC 2328 A.4, RFC 5340 A.4, RFC 3101, RFC 3623 B, RFC 5187.
 * The header's length was checked when the packet was decoded.  Per-TOS metrics of RFC 1583 are skipped.
 */
import { type Ipv4, type Ipv6, ipOfOctets, masked, type Prefix } from "../../../base/address.ts";
import { err, ok, type Result } from "../../../base/result.ts";
import { Reader } from "../../wire/cursor.ts";
import { u24 } from "./decode.ts";
import {
  GRACE_ID,
  type GraceBody,
  type Lsa,
  type LsaBody,
  type PrefixEntry,
  type RouterLink,
  TYPES,
  type Version,
} from "./lsa.ts";
import { lengthOfMask } from "./mask.ts";
import { LSA_HEADER_OCTETS } from "./packet.ts";

export type MalformedBody =
  | { readonly kind: "body-short"; readonly have: number }
  | { readonly kind: "body-ragged"; readonly octets: number }
  | { readonly kind: "body-mask"; readonly got: number }
  | { readonly kind: "link-type"; readonly got: number }
  | { readonly kind: "prefix-length"; readonly got: number }
  | { readonly kind: "grace-tlv"; readonly type: number; readonly length: number }
  | { readonly kind: "grace-missing"; readonly what: "period" | "reason" };

export function bodyOf(lsa: Lsa): Result<LsaBody, MalformedBody> {
  const reader = new Reader(lsa.raw, LSA_HEADER_OCTETS, lsa.header.length);
  const body = lsa.version === 2 ? bodyV2(lsa, reader) : bodyV3(lsa, reader);
  if (body.ok && reader.short) return err({ kind: "body-short", have: lsa.header.length });
  return body;
}

function bodyV2(lsa: Lsa, reader: Reader): Result<LsaBody, MalformedBody> {
  const { type, id } = lsa.header;
  switch (type) {
    case V2.router:
      return routerV2(reader);
    case V2.network: {
      const prefix = network(id, reader.u32());
      return prefix.ok ? routers(reader, prefix.value, 0) : prefix;
    }
    case V2["inter-area-prefix"]: {
      const prefix = network(id, reader.u32());
      if (!prefix.ok) return prefix;
      return ok({ kind: "inter-area-prefix", prefix: prefix.value, prefixOptions: 0, metric: metric24(reader) });
    }
    case V2["inter-area-router"]:
      reader.skip(4);
      return ok({ kind: "inter-area-router", router: id, metric: metric24(reader), options: 0 });
    case V2.external:
    case V2.nssa: {
      const prefix = network(id, reader.u32());
      if (!prefix.ok) return prefix;
      const [flags, metric, forwarding, tag] = [reader.u8(), u24(reader), reader.u32(), reader.u32()];
      return ok({
        kind: type === V2.external ? "external" : "nssa",
        prefix: prefix.value,
        prefixOptions: 0,
        metricType: (flags & 0x80) === 0 ? 1 : 2,
        metric,
        forwarding: forwarding === 0 ? undefined : (forwarding as Ipv4),
        tag,
        referenced: undefined,
      });
    }
    case V2["opaque-link"]:
      return id === GRACE_ID ? grace(reader) : ok({ kind: "opaque", octets: reader.bytes(reader.remaining) });
    case V2["opaque-area"]:
    case V2["opaque-as"]:
      return ok({ kind: "opaque", octets: reader.bytes(reader.remaining) });
    default:
      return ok({ kind: "unknown", octets: reader.bytes(reader.remaining) });
  }
}

function bodyV3(lsa: Lsa, reader: Reader): Result<LsaBody, MalformedBody> {
  switch (lsa.header.type) {
    case V3.router:
      return routerV3(reader);
    case V3.network:
      return routers(reader, undefined, reader.u32() % 0x1000000);
    case V3["inter-area-prefix"]: {
      const metric = metric24(reader);
      const [length, prefixOptions] = [reader.u8(), reader.u8()];
      reader.skip(2);
      const prefix = prefix6(reader, length);
      return prefix.ok ? ok({ kind: "inter-area-prefix", prefix: prefix.value, prefixOptions, metric }) : prefix;
    }
    case V3["inter-area-router"]: {
      const [options, metric] = [metric24(reader), metric24(reader)];
      return ok({ kind: "inter-area-router", options, metric, router: reader.u32() });
    }
    case V3.external:
    case V3.nssa:
      return externalV3(reader, lsa.header.type === V3.external ? "external" : "nssa");
    case V3.link: {
      const [priority, options] = [reader.u8(), u24(reader)];
      const address = address6(reader);
      const prefixes = entries(reader, reader.u32());
      return prefixes.ok ? ok({ kind: "link", priority, options, address, prefixes: prefixes.value }) : prefixes;
    }
    case V3["intra-area-prefix"]: {
      const count = reader.u16();
      const referenced = { type: reader.u16(), id: reader.u32(), advertisingRouter: reader.u32() };
      const prefixes = entries(reader, count);
      return prefixes.ok ? ok({ kind: "intra-area-prefix", referenced, prefixes: prefixes.value }) : prefixes;
    }
    case V3.grace:
      return grace(reader);
    default:
      return ok({ kind: "unknown", octets: reader.bytes(reader.remaining) });
  }
}

function routerV2(reader: Reader): Result<LsaBody, MalformedBody> {
  const flags = reader.u8();
  reader.skip(1);
  const links: RouterLink[] = [];
  for (let left = reader.u16(); left > 0 && !reader.short; left--) {
    const [id, data, code, others, metric] = [reader.u32(), reader.u32(), reader.u8(), reader.u8(), reader.u16()];
    reader.skip(others * 4);
    if (reader.short) break;
    const type = LINK_TYPES[code];
    if (type === undefined) return err({ kind: "link-type", got: code });
    links.push({ type, metric, id, data, neighborInterfaceId: 0 });
  }
  return ok({ kind: "router", ...routerFlags(flags), options: 0, links });
}

function routerV3(reader: Reader): Result<LsaBody, MalformedBody> {
  const [flags, options] = [reader.u8(), u24(reader)];
  const links: RouterLink[] = [];
  while (reader.remaining >= 16) {
    const code = reader.u8();
    reader.skip(1);
    const [metric, data, neighborInterfaceId, id] = [reader.u16(), reader.u32(), reader.u32(), reader.u32()];
    const type = LINK_TYPES[code];
    if (type === undefined || type === "stub") return err({ kind: "link-type", got: code });
    links.push({ type, metric, id, data, neighborInterfaceId });
  }
  if (reader.remaining > 0) return err({ kind: "body-ragged", octets: reader.remaining });
  return ok({ kind: "router", ...routerFlags(flags), options, links });
}

function routerFlags(flags: number): {
  readonly border: boolean;
  readonly external: boolean;
  readonly virtual: boolean;
  readonly translator: boolean;
} {
  return {
    border: (flags & 1) !== 0,
    external: (flags & 2) !== 0,
    virtual: (flags & 4) !== 0,
    translator: (flags & 0x10) !== 0,
  };
}

function routers(reader: Reader, prefix: Prefix | undefined, options: number): Result<LsaBody, MalformedBody> {
  const found: number[] = [];
  while (reader.remaining >= 4) found.push(reader.u32());
  if (reader.remaining > 0) return err({ kind: "body-ragged", octets: reader.remaining });
  return ok({ kind: "network", prefix, options, routers: found });
}

function externalV3(reader: Reader, kind: "external" | "nssa"): Result<LsaBody, MalformedBody> {
  const [flags, metric, length, prefixOptions] = [reader.u8(), u24(reader), reader.u8(), reader.u8()];
  const referencedType = reader.u16();
  const prefix = prefix6(reader, length);
  if (!prefix.ok) return prefix;
  const forwarding = (flags & 2) === 0 ? undefined : address6(reader);
  const tag = (flags & 1) === 0 ? 0 : reader.u32();
  const referenced = referencedType === 0 ? undefined : { type: referencedType, id: reader.u32() };
  const metricType = (flags & 4) === 0 ? 1 : 2;
  return ok({ kind, prefix: prefix.value, prefixOptions, metricType, metric, forwarding, tag, referenced });
}

/** TLVs of RFC 3623 B; unknown ones are ignored. */
function grace(reader: Reader): Result<LsaBody, MalformedBody> {
  let period: number | undefined;
  let reason: GraceBody["reason"] | undefined;
  let address: Ipv4 | undefined;
  while (reader.remaining > 0) {
    const [type, length] = [reader.u16(), reader.u16()];
    const value = reader.sub(length);
    // The last one may come without its padding.
    reader.skip(Math.min(-length & 3, reader.remaining));
    if (reader.short || value.short) return err({ kind: "grace-tlv", type, length });
    const wanted = GRACE_LENGTHS[type];
    if (wanted !== undefined && wanted !== length) return err({ kind: "grace-tlv", type, length });
    if (type === 1) period = value.u32();
    else if (type === 2) reason = REASONS[value.u8()] ?? "unknown";
    else if (type === 3) address = value.u32() as Ipv4;
  }
  if (period === undefined) return err({ kind: "grace-missing", what: "period" });
  if (reason === undefined) return err({ kind: "grace-missing", what: "reason" });
  return ok({ kind: "grace", period, reason, address });
}

function network(id: number, mask: number): Result<Prefix, MalformedBody> {
  const length = lengthOfMask(mask);
  if (length === undefined) return err({ kind: "body-mask", got: mask });
  return ok({ ip: masked(id as Ipv4, length), length });
}

function entries(reader: Reader, count: number): Result<readonly PrefixEntry[], MalformedBody> {
  const found: PrefixEntry[] = [];
  for (let left = count; left > 0 && !reader.short; left--) {
    const [length, prefixOptions, metric] = [reader.u8(), reader.u8(), reader.u16()];
    const prefix = prefix6(reader, length);
    if (!prefix.ok) return prefix;
    found.push({ prefix: prefix.value, prefixOptions, metric });
  }
  return ok(found);
}

/** RFC 5340 A.4.1: as many 32-bit words as the length needs. */
function prefix6(reader: Reader, length: number): Result<Prefix, MalformedBody> {
  if (length > 128) return err({ kind: "prefix-length", got: length });
  const octets = new Uint8Array(16);
  octets.set(reader.bytes(Math.ceil(length / 32) * 4));
  return ok({ ip: masked(ipOfOctets(octets), length), length });
}

function address6(reader: Reader): Ipv6 {
  const octets = reader.bytes(16);
  return ipOfOctets(octets.length === 16 ? octets : new Uint8Array(16)) as Ipv6;
}

/** A reserved octet and a number of 24 bits. */
function metric24(reader: Reader): number {
  return reader.u32() % 0x1000000;
}

export function linkCode(type: RouterLink["type"]): number {
  return LINK_TYPES.indexOf(type);
}
export function reasonCode(reason: GraceBody["reason"]): number {
  return REASONS.indexOf(reason);
}
export function typeOf(version: Version, kind: LsaBody["kind"]): number | undefined {
  if (version === 2) return kind === "grace" ? V2["opaque-link"] : (V2 as Partial<Record<string, number>>)[kind];
  return (V3 as Partial<Record<string, number>>)[kind];
}

const V2 = TYPES[2];
const V3 = TYPES[3];
const LINK_TYPES: readonly (RouterLink["type"] | undefined)[] = [
  undefined,
  "point-to-point",
  "transit",
  "stub",
  "virtual",
];
const REASONS: readonly GraceBody["reason"][] = [
  "unknown",
  "software-restart",
  "software-upgrade",
  "switch-to-redundant",
];
const GRACE_LENGTHS: readonly (number | undefined)[] = [undefined, 4, 1, 4];
