/** Network addresses.  An Ipv4 is a u32, an Ipv6 its canonical text (RFC 5952), a Mac a u48; so each is a map key. */
import { err, ok, type Result } from "./result.ts";
import type { Unit } from "./unit.ts";

export type Ipv4 = Unit<number, "ipv4">;
export type Ipv6 = Unit<string, "ipv6">;
export type Ip = Ipv4 | Ipv6;
export type Mac = Unit<number, "mac">;
/** An address with a prefix length, host bits zero. */
export interface Prefix {
  readonly ip: Ip;
  readonly length: number;
}
export type BadAddress = { readonly kind: "bad-address"; readonly text: string };

export function isIpv4(ip: Ip): ip is Ipv4 {
  return typeof ip === "number";
}

/** RFC 4291 §2.5.6: fe80::/10.  Four digits, or 0fe8:: would be one. */
export function isLinkLocal(ip: Ip): boolean {
  return !isIpv4(ip) && /^fe[89ab][0-9a-f]:/.test(ip);
}

export function parseIp(text: string): Result<Ip, BadAddress> {
  return text.includes(":") ? parseIpv6(text) : parseIpv4(text);
}

/** Dotted quad only: no octal, no short forms, which other parsers read differently. */
export function parseIpv4(text: string): Result<Ipv4, BadAddress> {
  const parts = text.split(".");
  if (parts.length !== 4) return err({ kind: "bad-address", text });
  let value = 0;
  for (const part of parts) {
    if (!/^(0|[1-9][0-9]{0,2})$/.test(part) || Number(part) > 255) return err({ kind: "bad-address", text });
    value = value * 256 + Number(part);
  }
  return ok(value as Ipv4);
}

export function parseIpv6(text: string): Result<Ipv6, BadAddress> {
  const bad = err({ kind: "bad-address", text } as const);
  let source = text;
  const dotted = source.lastIndexOf(":") + 1;
  if (source.includes(".")) {
    const v4 = parseIpv4(source.slice(dotted));
    if (!v4.ok) return bad;
    source = `${source.slice(0, dotted)}${(v4.value >>> 16).toString(16)}:${(v4.value & 0xffff).toString(16)}`;
  }
  const halves = source.split("::");
  if (halves.length > 2) return bad;
  const group = (half: string): string[] => (half === "" ? [] : half.split(":"));
  const head = group(halves[0] ?? "");
  const tail = halves.length === 2 ? group(halves[1] ?? "") : [];
  const missing = 8 - head.length - tail.length;
  if (halves.length === 2 ? missing < 1 : missing !== 0) return bad;
  const groups = [...head, ...zeros(halves.length === 2 ? missing : 0, "0"), ...tail];
  if (!groups.every((each) => /^[0-9a-fA-F]{1,4}$/.test(each))) return bad;
  return ok(ipv6OfGroups(groups.map((each) => Number.parseInt(each, 16))));
}

export function ipv4(text: string): Ipv4 {
  const parsed = parseIpv4(text);
  if (!parsed.ok) throw new TypeError(`not an IPv4 address: ${text}`);
  return parsed.value;
}
export function ipv6(text: string): Ipv6 {
  const parsed = parseIpv6(text);
  if (!parsed.ok) throw new TypeError(`not an IPv6 address: ${text}`);
  return parsed.value;
}

/** Of text that was read before, a plan's say: what is no address is a bug of whoever wrote it. */
export function ipOf(text: string): Ip {
  const parsed = parseIp(text);
  if (!parsed.ok) throw new TypeError(`${text} where an address belongs`);
  return parsed.value;
}
export function prefixOf(text: string): Prefix {
  const parsed = parsePrefix(text);
  if (!parsed.ok) throw new TypeError(`${text} where a prefix belongs`);
  return parsed.value;
}

export function formatIp(ip: Ip): string {
  return isIpv4(ip) ? `${ip >>> 24}.${(ip >>> 16) & 255}.${(ip >>> 8) & 255}.${ip & 255}` : ip;
}

/** "192.0.2.1:80", "[2001:db8::1]:80"; a name is written as it is (RFC 3986 §3.2.2). */
export function hostAndPort(host: string, port: number): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

/** Four or sixteen octets, network order. */
export function octetsOfIp(ip: Ip): Uint8Array {
  if (isIpv4(ip)) return Uint8Array.of(ip >>> 24, (ip >>> 16) & 255, (ip >>> 8) & 255, ip & 255);
  const out = new Uint8Array(16);
  groupsOfIpv6(ip).forEach((group, index) => {
    out[index * 2] = group >>> 8;
    out[index * 2 + 1] = group & 255;
  });
  return out;
}

/** The address in exactly 4 or 16 octets; any other length is a bug of the caller. */
export function ipOfOctets(octets: Uint8Array): Ip {
  const at = (index: number): number => octets[index] ?? 0;
  if (octets.length === 4) return (at(0) * 2 ** 24 + at(1) * 2 ** 16 + at(2) * 2 ** 8 + at(3)) as Ipv4;
  if (octets.length !== 16) throw new TypeError(`an address of ${octets.length} octets`);
  return ipv6OfGroups(Array.from({ length: 8 }, (_, index) => at(index * 2) * 256 + at(index * 2 + 1)));
}

export function parseMac(text: string): Result<Mac, BadAddress> {
  if (!/^[0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){5}$/.test(text)) return err({ kind: "bad-address", text });
  return ok(Number.parseInt(text.replaceAll(":", ""), 16) as Mac);
}
export function formatMac(mac: Mac): string {
  return mac
    .toString(16)
    .padStart(12, "0")
    .replace(/..(?!$)/g, "$&:");
}
export function octetsOfMac(mac: Mac): Uint8Array {
  return Uint8Array.from({ length: 6 }, (_, index) => Math.floor(mac / 2 ** (40 - index * 8)) % 256);
}
export function macOfOctets(octets: Uint8Array): Mac {
  return octets.reduce((value, octet) => value * 256 + octet, 0) as Mac;
}

export function parsePrefix(text: string): Result<Prefix, BadAddress> {
  const slash = text.indexOf("/");
  const ip = parseIp(slash < 0 ? text : text.slice(0, slash));
  if (!ip.ok) return err({ kind: "bad-address", text });
  const most = bitsOf(ip.value);
  const digits = slash < 0 ? String(most) : text.slice(slash + 1);
  if (!/^(0|[1-9][0-9]{0,2})$/.test(digits) || Number(digits) > most) return err({ kind: "bad-address", text });
  const length = Number(digits);
  return ok({ ip: masked(ip.value, length), length });
}
export function formatPrefix(prefix: Prefix): string {
  return `${formatIp(prefix.ip)}/${prefix.length}`;
}
/** How many bits an address of its family has. */
export function bitsOf(ip: Ip): 32 | 128 {
  return isIpv4(ip) ? 32 : 128;
}
/** That of this address alone. */
export function hostPrefix(ip: Ip): Prefix {
  return { ip, length: bitsOf(ip) };
}
/** The address with all bits after `length` cleared. */
export function masked(ip: Ip, length: number): Ip {
  const octets = octetsOfIp(ip);
  for (let bit = length; bit < octets.length * 8; bit++) {
    const index = bit >>> 3;
    octets[index] = (octets[index] ?? 0) & ~(0x80 >>> (bit & 7));
  }
  return ipOfOctets(octets);
}
export function contains(prefix: Prefix, ip: Ip): boolean {
  return isIpv4(prefix.ip) === isIpv4(ip) && masked(ip, prefix.length) === prefix.ip;
}

function groupsOfIpv6(ip: Ipv6): number[] {
  const [head = "", tail] = ip.split("::");
  const group = (half: string): number[] =>
    half === "" ? [] : half.split(":").map((each) => Number.parseInt(each, 16));
  const left = group(head);
  if (tail === undefined) return left;
  const right = group(tail);
  return [...left, ...zeros(8 - left.length - right.length, 0), ...right];
}

/** RFC 5952 §4: lower case, no leading zeros, the longest run of zero groups (first of equals, at least two) as "::". */
function ipv6OfGroups(groups: readonly number[]): Ipv6 {
  let best = -1;
  let bestLength = 1;
  for (let start = 0; start < 8; ) {
    let end = start;
    while (end < 8 && groups[end] === 0) end++;
    if (end - start > bestLength) {
      best = start;
      bestLength = end - start;
    }
    start = end === start ? start + 1 : end;
  }
  const hex = groups.map((group) => group.toString(16));
  if (best < 0) return hex.join(":") as Ipv6;
  return `${hex.slice(0, best).join(":")}::${hex.slice(best + bestLength).join(":")}` as Ipv6;
}

function zeros<T>(length: number, zero: T): readonly T[] {
  return Array.from({ length }, () => zero);
}
