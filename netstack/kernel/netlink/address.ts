/**
 * Addresses of interfaces.  Standards: rtnetlink(7), include/uapi/linux/if_addr.h; RFC 4862 §5.4 (duplicate address
 * detection).  Left out on purpose: lifetimes (ours are permanent), anycast and multicast memberships.
 */
import { type Ip, ipOfOctets, isIpv4, octetsOfIp } from "../../../base/address.ts";
import { join } from "../../../base/octets.ts";
import { err, ok, type Result } from "../../../base/result.ts";
import { AF_INET, AF_INET6 } from "../sockaddr.ts";
import { Attributes, attribute, attributeText, attributeU8, attributeU32, type Malformed } from "./attribute.ts";
import { u8, u8Of, u32, u32Of } from "./octets.ts";

export interface Address {
  readonly ip: Ip;
  readonly prefixLength: number;
  /** Point-to-point addressing only: the other end, to which the prefix length belongs. */
  readonly peer?: Ip;
  readonly index: number;
  readonly scope: number;
  /** IPv4 only: the old-style alias name, "eth0" or "eth0:something". */
  readonly label: string | undefined;
  /** Who added it (IFA_PROTO, Linux 5.18): 0 when nobody said; see marks.ts for ours. */
  readonly protocol: number;
  readonly flags: number;
  /** IPv6: being checked for a duplicate; does not answer yet. */
  readonly tentative: boolean;
  /** IPv6: a duplicate was found; never answers. */
  readonly dadFailed: boolean;
  readonly noPrefixRoute: boolean;
  /** Not the first of its subnet on the interface. */
  readonly secondary: boolean;
}

export function decodeAddress(payload: Uint8Array): Result<Address, Malformed> {
  if (payload.length < IFADDRMSG) {
    return err({ kind: "short", what: "ifaddrmsg", have: payload.length, need: IFADDRMSG });
  }
  const parsed = Attributes.of(payload.subarray(IFADDRMSG));
  if (!parsed.ok) return parsed;
  const attributes = parsed.value;
  // On a point-to-point link IFA_ADDRESS is the other end; IFA_LOCAL, where present, is always ours.
  const octets = attributes.octets(IFA_LOCAL) ?? attributes.octets(IFA_ADDRESS);
  const size = u8Of(payload, 0) === AF_INET ? 4 : 16;
  if (octets === undefined || octets.length !== size || ![AF_INET, AF_INET6].includes(u8Of(payload, 0))) {
    return err({ kind: "bad-value", what: "address", length: octets?.length ?? 0 });
  }
  const other = attributes.octets(IFA_ADDRESS);
  const peer = other === undefined || other.length !== size ? undefined : ipOfOctets(other);
  const flags = attributes.u32(IFA_FLAGS) ?? u8Of(payload, 2);
  const address: Address = {
    ip: ipOfOctets(octets),
    prefixLength: u8Of(payload, 1),
    ...(peer === undefined || peer === ipOfOctets(octets) ? {} : { peer }),
    index: u32Of(payload, 4),
    scope: u8Of(payload, 3),
    label: attributes.text(IFA_LABEL),
    protocol: attributes.u8(IFA_PROTO) ?? 0,
    flags,
    tentative: (flags & IFA_F_TENTATIVE) !== 0,
    dadFailed: (flags & IFA_F_DADFAILED) !== 0,
    noPrefixRoute: (flags & IFA_F_NOPREFIXROUTE) !== 0,
    secondary: (flags & IFA_F_SECONDARY) !== 0,
  };
  return attributes.refused === undefined ? ok(address) : err(attributes.refused);
}

export interface NewAddress {
  readonly ip: Ip;
  readonly prefixLength: number;
  readonly index: number;
  readonly label?: string;
  readonly protocol?: number;
  /** IPv6: answer at once, without the kernel's own duplicate address detection. */
  readonly noDad?: boolean;
  /** Do not add the route to the subnet that comes with the prefix length. */
  readonly noPrefixRoute?: boolean;
  readonly scope?: number;
}

export function encodeAddress(address: NewAddress): Uint8Array {
  const { ip, prefixLength, index } = address;
  const octets = octetsOfIp(ip);
  const flags = (address.noDad === true ? IFA_F_NODAD : 0) | (address.noPrefixRoute === true ? IFA_F_NOPREFIXROUTE : 0);
  const parts = [
    u8(isIpv4(ip) ? AF_INET : AF_INET6),
    u8(prefixLength),
    u8(flags & 0xff),
    u8(address.scope ?? 0),
    u32(index),
    attribute(IFA_LOCAL, octets),
    attribute(IFA_ADDRESS, octets),
  ];
  if (flags > 0xff) parts.push(attributeU32(IFA_FLAGS, flags));
  if (address.label !== undefined) parts.push(attributeText(IFA_LABEL, address.label));
  if (address.protocol !== undefined) parts.push(attributeU8(IFA_PROTO, address.protocol));
  return join(parts);
}

/** Dump of one family (0 = both), of one interface when `index` is not 0 (strict checking filters it in the kernel). */
export function encodeGetAddresses(family: number, index = 0): Uint8Array {
  return join([u8(family), u8(0), u8(0), u8(0), u32(index)]);
}

export const RTM_NEWADDR = 20;
export const RTM_DELADDR = 21;
export const RTM_GETADDR = 22;
const IFADDRMSG = 8;
const IFA_ADDRESS = 1;
const IFA_LOCAL = 2;
const IFA_LABEL = 3;
const IFA_FLAGS = 8;
const IFA_PROTO = 11;
const IFA_F_SECONDARY = 0x1;
const IFA_F_NODAD = 0x2;
const IFA_F_DADFAILED = 0x8;
const IFA_F_TENTATIVE = 0x40;
const IFA_F_NOPREFIXROUTE = 0x200;
