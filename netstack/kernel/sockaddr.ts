/**
 * struct sockaddr of the families we use, as octets: sockaddr_in, sockaddr_in6 (with scope), sockaddr_ll, sockaddr_un,
 * sockaddr_nl.  Families, protocols and lengths are those of Linux; fields that are big-endian there are so here.
 */
import { type Ip, ipOfOctets, isIpv4, type Mac, octetsOfIp, octetsOfMac } from "../../base/address.ts";
import type { Endpoint } from "./loop.ts";

export type SocketAddress =
  | { readonly kind: "ip"; readonly ip: Ip; readonly port: number; readonly scope: number }
  | { readonly kind: "link"; readonly ifindex: number; readonly ethertype: number; readonly mac: Uint8Array }
  | { readonly kind: "unix"; readonly path: string }
  | { readonly kind: "netlink"; readonly port: number; readonly groups: number }
  | { readonly kind: "other"; readonly family: number };

export const AF_UNSPEC = 0;
export const AF_UNIX = 1;
export const AF_INET = 2;
export const AF_INET6 = 10;
export const AF_NETLINK = 16;
export const AF_PACKET = 17;
/** struct sockaddr_storage */
export const SOCKADDR_MAX = 128;

export function encodeInet(endpoint: Endpoint, scope = endpoint.scope ?? 0): Uint8Array {
  const v4 = isIpv4(endpoint.ip);
  const out = new Uint8Array(v4 ? 16 : 28);
  const view = new DataView(out.buffer);
  view.setUint16(0, v4 ? AF_INET : AF_INET6, true);
  view.setUint16(2, endpoint.port);
  out.set(octetsOfIp(endpoint.ip), v4 ? 4 : 8);
  if (!v4) view.setUint32(24, scope, true);
  return out;
}

/** `mac` undefined binds only; with it the address is a destination. */
export function encodeLink(ifindex: number, ethertype: number, mac?: Mac): Uint8Array {
  const out = new Uint8Array(20);
  const view = new DataView(out.buffer);
  view.setUint16(0, AF_PACKET, true);
  view.setUint16(2, ethertype);
  view.setInt32(4, ifindex, true);
  if (mac !== undefined) {
    out[11] = 6;
    out.set(octetsOfMac(mac), 12);
  }
  return out;
}

/** A path, or an abstract name when it starts with "\0". */
export function encodeUnix(path: string): Uint8Array {
  const name = Buffer.from(path);
  if (name.length === 0 || name.length > 107) throw new TypeError(`a Unix socket path of ${name.length} octets`);
  const out = new Uint8Array(2 + name.length + (name[0] === 0 ? 0 : 1));
  out[0] = AF_UNIX;
  out.set(name, 2);
  return out;
}

export function encodeNetlink(port: number, groups: number): Uint8Array {
  const out = new Uint8Array(12);
  const view = new DataView(out.buffer);
  view.setUint16(0, AF_NETLINK, true);
  view.setUint32(4, port, true);
  view.setUint32(8, groups, true);
  return out;
}

export function decodeSocketAddress(bytes: Uint8Array): SocketAddress {
  const { length } = bytes;
  if (length < 2) return { kind: "other", family: AF_UNSPEC };
  const view = new DataView(bytes.buffer, bytes.byteOffset, length);
  const family = view.getUint16(0, true);
  if (family === AF_INET && length >= 8)
    return { kind: "ip", ip: ipOfOctets(bytes.subarray(4, 8)), port: view.getUint16(2), scope: 0 };
  if (family === AF_INET6 && length >= 24) {
    const scope = length >= 28 ? view.getUint32(24, true) : 0;
    return { kind: "ip", ip: ipOfOctets(bytes.subarray(8, 24)), port: view.getUint16(2), scope };
  }
  if (family === AF_PACKET && length >= 12) {
    const mac = bytes.slice(12, Math.min(length, 12 + (bytes[11] ?? 0)));
    return { kind: "link", ifindex: view.getInt32(4, true), ethertype: view.getUint16(2), mac };
  }
  if (family === AF_UNIX) return { kind: "unix", path: unixPath(bytes.subarray(2)) };
  if (family === AF_NETLINK && length >= 12)
    return { kind: "netlink", port: view.getUint32(4, true), groups: view.getUint32(8, true) };
  return { kind: "other", family };
}

/** The endpoint of an internet address; undefined for any other family. */
export function decodeInet(bytes: Uint8Array): Endpoint | undefined {
  const address = decodeSocketAddress(bytes);
  if (address.kind !== "ip") return undefined;
  const { ip, port, scope } = address;
  return scope === 0 ? { ip, port } : { ip, port, scope };
}

function unixPath(name: Uint8Array): string {
  const end = name[0] === 0 ? -1 : name.indexOf(0);
  return Buffer.from(end < 0 ? name : name.subarray(0, end)).toString();
}
