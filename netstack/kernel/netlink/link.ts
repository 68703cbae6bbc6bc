/**
 * Links: network interfaces.  Standards: rtnetlink(7), include/uapi/linux/if_link.h, RFC 2863 (operational states).
 * Left out on purpose: statistics, per-family settings, queue counts, every kind's own data except what veth needs.
 */
import { type Mac, macOfOctets } from "../../../base/address.ts";
import { join } from "../../../base/octets.ts";
import { err, ok, type Result } from "../../../base/result.ts";
import { Attributes, attribute, attributeText, attributeU32, type Malformed, nested } from "./attribute.ts";
import { i32Of, u16, u16Of, u32, u32Of } from "./octets.ts";

export type OperState = "unknown" | "not-present" | "down" | "lower-layer-down" | "testing" | "dormant" | "up";

export interface Link {
  readonly index: number;
  readonly name: string;
  /** undefined where the medium has none (tunnels) or another length than 48 bits. */
  readonly mac: Mac | undefined;
  /** Set up by the administrator: IFF_UP. */
  readonly up: boolean;
  /** The medium is there: IFF_LOWER_UP. */
  readonly carrier: boolean;
  readonly loopback: boolean;
  /** IFF_*, as in include/uapi/linux/if.h. */
  readonly flags: number;
  readonly operState: OperState;
  readonly mtu: number;
  readonly alias: string | undefined;
  /** Index of the bridge, bond or VRF it is in. */
  readonly master: number | undefined;
  /** "veth", "bridge", "vlan", …; undefined for hardware. */
  readonly kind: string | undefined;
}

export function decodeLink(payload: Uint8Array): Result<Link, Malformed> {
  if (payload.length < IFINFOMSG) {
    return err({ kind: "short", what: "ifinfomsg", have: payload.length, need: IFINFOMSG });
  }
  const parsed = Attributes.of(payload.subarray(IFINFOMSG));
  if (!parsed.ok) return parsed;
  const attributes = parsed.value;
  const flags = u32Of(payload, 8);
  const hardware = attributes.octets(IFLA_ADDRESS);
  const link: Link = {
    index: i32Of(payload, 4),
    name: attributes.text(IFLA_IFNAME) ?? "",
    mac: hardware?.length === 6 && u16Of(payload, 2) !== ARPHRD_LOOPBACK ? macOfOctets(hardware) : undefined,
    up: (flags & IFF_UP) !== 0,
    carrier: (flags & IFF_LOWER_UP) !== 0,
    loopback: (flags & IFF_LOOPBACK) !== 0,
    flags,
    operState: OPER_STATES[attributes.u8(IFLA_OPERSTATE) ?? 0] ?? "unknown",
    mtu: attributes.u32(IFLA_MTU) ?? 0,
    alias: attributes.text(IFLA_IFALIAS),
    master: attributes.u32(IFLA_MASTER),
    kind: attributes.nested(IFLA_LINKINFO)?.text(IFLA_INFO_KIND),
  };
  return attributes.refused === undefined ? ok(link) : err(attributes.refused);
}

/** What a request may change; what is absent stays as it is. */
export interface LinkChange {
  readonly name?: string;
  readonly up?: boolean;
  readonly alias?: string;
  readonly mac?: Uint8Array;
  readonly mtu?: number;
  /** Index of the new master; 0 takes it out. */
  readonly master?: number;
  /** An open file descriptor of the network namespace that it moves to. */
  readonly namespaceFd?: number;
}

export type LinkKind =
  | { readonly kind: "bridge" }
  | { readonly kind: "wireguard" }
  | { readonly kind: "veth"; readonly peer: LinkChange & { readonly name: string } };

export function encodeLinkChange(index: number, change: LinkChange): Uint8Array {
  const bits = change.up === undefined ? 0 : IFF_UP;
  const parts = [u16(0), u16(0), u32(index), u32(change.up === true ? IFF_UP : 0), u32(bits)];
  if (change.name !== undefined) parts.push(attributeText(IFLA_IFNAME, change.name));
  if (change.alias !== undefined) parts.push(attribute(IFLA_IFALIAS, new TextEncoder().encode(change.alias)));
  if (change.mac !== undefined) parts.push(attribute(IFLA_ADDRESS, change.mac));
  if (change.mtu !== undefined) parts.push(attributeU32(IFLA_MTU, change.mtu));
  if (change.master !== undefined) parts.push(attributeU32(IFLA_MASTER, change.master));
  if (change.namespaceFd !== undefined) parts.push(attributeU32(IFLA_NET_NS_FD, change.namespaceFd));
  return join(parts);
}

export function encodeNewLink(change: LinkChange & { readonly name: string }, kind: LinkKind): Uint8Array {
  const info = [attributeText(IFLA_INFO_KIND, kind.kind)];
  if (kind.kind === "veth") {
    info.push(nested(IFLA_INFO_DATA, attribute(VETH_INFO_PEER, encodeLinkChange(0, kind.peer))));
  }
  return join([encodeLinkChange(0, change), nested(IFLA_LINKINFO, ...info)]);
}

/** By index, or by name when `index` is 0. */
export function encodeGetLink(index: number, name?: string): Uint8Array {
  const head = encodeLinkChange(index, {});
  return name === undefined ? head : join([head, attributeText(IFLA_IFNAME, name)]);
}

export const RTM_NEWLINK = 16;
export const RTM_DELLINK = 17;
export const RTM_GETLINK = 18;
export const RTM_SETLINK = 19;
const IFINFOMSG = 16;
const ARPHRD_LOOPBACK = 772;
const IFF_UP = 0x1;
const IFF_LOOPBACK = 0x8;
const IFF_LOWER_UP = 0x10000;
const IFLA_ADDRESS = 1;
const IFLA_IFNAME = 3;
const IFLA_MTU = 4;
const IFLA_MASTER = 10;
const IFLA_OPERSTATE = 16;
const IFLA_LINKINFO = 18;
const IFLA_IFALIAS = 20;
const IFLA_NET_NS_FD = 28;
const IFLA_INFO_KIND = 1;
const IFLA_INFO_DATA = 2;
const VETH_INFO_PEER = 1;
const OPER_STATES = ["unknown", "not-present", "down", "lower-layer-down", "testing", "dormant", "up"] as const;
