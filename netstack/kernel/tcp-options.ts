/**
 * What a routing session asks of TCP: signatures of its segments, and how far its packets may travel.
 * Standards: RFC 2385 (TCP MD5), RFC 5925 and RFC 5926 (TCP-AO), RFC 5082 (GTSM), RFC 5482 (user timeout).
 * Left out on purpose: keys of one VRF only, AO's statistics.
 *
 * A key belongs to a socket and the addresses of peers: a listener needs those of all, and connections that it accepts
 * take theirs along.  The kernel drops what is signed wrongly, or not at all where there is a key, without a word: a peer
 * with another key looks like one that is not there.
 */
import { bitsOf, formatPrefix, type Prefix } from "../../base/address.ts";
import { Fault } from "../../base/fault.ts";
import { ENOENT, ENOPROTOOPT, errnoName } from "./errno.ts";
import * as libc from "./libc.ts";
import type { Fd } from "./loop.ts";
import { encodeInet } from "./sockaddr.ts";
import * as so from "./socket-options.ts";

export type TcpKey =
  /** 1–80 octets. */
  | { readonly kind: "md5"; readonly peer: Prefix; readonly key: Uint8Array }
  | {
      readonly kind: "ao";
      readonly peer: Prefix;
      /** 0–255, the same both ways. */
      readonly keyId: number;
      readonly algorithm: "hmac-sha1-96" | "aes-128-cmac-96" | "hmac-sha256";
      /** 1–80 octets. */
      readonly key: Uint8Array;
    };

/** Adds it, or changes it where TCP can; connections that exist keep theirs. */
export function addTcpKey(fd: Fd, key: TcpKey): void {
  if (key.kind === "md5") setMd5(fd, key.peer, key.key);
  else addAo(fd, key);
}

/** Takes it away again; one that is not there is as good. */
export function removeTcpKey(fd: Fd, key: TcpKey): void {
  if (key.kind === "md5") {
    const errno = md5(fd, key.peer, new Uint8Array(0));
    if (errno !== 0 && errno !== ENOENT) throw refused("TCP_MD5SIG", errno, key.peer);
  } else {
    const errno = option(fd, TCP_AO_DEL_KEY, aoDelete(key));
    if (errno !== 0 && errno !== ENOENT) throw refused("TCP_AO_DEL_KEY", errno, key.peer);
  }
}

export interface Hops {
  /** Sent: 1–255. */
  readonly ttl: number;
  /** GTSM: the kernel drops what arrives with less; 0 = off. */
  readonly minTtl: number;
}

/** `v6`: the family of the socket. */
export function setHops(fd: Fd, v6: boolean, { ttl, minTtl }: Hops): void {
  if (v6) {
    so.setInt(fd, so.IPPROTO_IPV6, so.IPV6_UNICAST_HOPS, ttl, "IPV6_UNICAST_HOPS");
    so.setInt(fd, so.IPPROTO_IPV6, so.IPV6_MINHOPCOUNT, minTtl, "IPV6_MINHOPCOUNT");
  } else {
    so.setInt(fd, so.IPPROTO_IP, so.IP_TTL, ttl, "IP_TTL");
    so.setInt(fd, so.IPPROTO_IP, so.IP_MINTTL, minTtl, "IP_MINTTL");
  }
}

/** Milliseconds that sent octets may stay unacknowledged, a closed window included, before the connection fails; 0 = the system's. */
export function setUserTimeout(fd: Fd, span: number): void {
  so.setInt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, span, "TCP_USER_TIMEOUT");
}

function setMd5(fd: Fd, peer: Prefix, key: Uint8Array): void {
  if (key.length === 0 || key.length > KEY_MAX) throw new TypeError(`a TCP MD5 key of ${key.length} octets`);
  const errno = md5(fd, peer, key);
  if (errno === ENOPROTOOPT) throw new Fault("KERNEL_MISSING", { feature: "TCP MD5 signatures (CONFIG_TCP_MD5SIG)" });
  if (errno !== 0) throw refused("TCP_MD5SIG", errno, peer);
}

/** struct tcp_md5sig {address, flags, prefix length, key length, ifindex, key}. */
function md5(fd: Fd, { ip, length }: Prefix, key: Uint8Array): number {
  const whole = length === bitsOf(ip);
  const value = new Uint8Array(STORAGE + 8 + KEY_MAX);
  value.set(encodeInet({ ip, port: 0 }, 0));
  if (!whole) {
    value[STORAGE] = TCP_MD5SIG_FLAG_PREFIX;
    value[STORAGE + 1] = length;
  }
  new DataView(value.buffer).setUint16(STORAGE + 2, key.length, true);
  value.set(key, STORAGE + 8);
  return option(fd, whole ? TCP_MD5SIG : TCP_MD5SIG_EXT, value);
}

function addAo(fd: Fd, key: TcpKey & { readonly kind: "ao" }): void {
  if (key.key.length === 0 || key.key.length > KEY_MAX) throw new TypeError(`a TCP-AO key of ${key.key.length} octets`);
  const errno = option(fd, TCP_AO_ADD_KEY, aoAdd(key));
  if (errno === ENOPROTOOPT)
    throw new Fault("KERNEL_MISSING", { feature: "TCP-AO", needs: "Linux 6.7 with CONFIG_TCP_AO" });
  if (errno !== 0) throw refused("TCP_AO_ADD_KEY", errno, key.peer);
}

/** struct tcp_ao_add.  It names no current key: listeners may not, and a connection takes the first that fits its peer. */
export function aoAdd({ peer, keyId, algorithm, key }: TcpKey & { readonly kind: "ao" }): Uint8Array {
  const value = new Uint8Array(STORAGE + 80 + KEY_MAX);
  value.set(encodeInet({ ip: peer.ip, port: 0 }, 0));
  value.set(new TextEncoder().encode(AO_NAMES[algorithm]), STORAGE);
  value.set([peer.length, keyId, keyId, AO_MAC, 0, key.length], STORAGE + 74);
  value.set(key, STORAGE + 80);
  return value;
}

/** struct tcp_ao_del. */
function aoDelete({ peer, keyId }: TcpKey & { readonly kind: "ao" }): Uint8Array {
  const value = new Uint8Array(STORAGE + 16);
  value.set(encodeInet({ ip: peer.ip, port: 0 }, 0));
  value.set([peer.length, keyId, keyId], STORAGE + 10);
  return value;
}

function option(fd: Fd, name: number, value: Uint8Array): number {
  return libc.setsockopt(fd, IPPROTO_TCP, name, value, value.length) < 0 ? libc.errno() : 0;
}

function refused(name: string, errno: number, peer: Prefix): Fault {
  return new Fault("KERNEL_CALL", {
    call: "setsockopt",
    option: name,
    errno: errnoName(errno),
    peer: formatPrefix(peer),
  });
}

/** <linux/tcp.h> */
const IPPROTO_TCP = 6;
const TCP_MD5SIG = 14;
const TCP_USER_TIMEOUT = 18;
const TCP_MD5SIG_EXT = 32;
const TCP_MD5SIG_FLAG_PREFIX = 1;
const TCP_AO_ADD_KEY = 38;
const TCP_AO_DEL_KEY = 39;
/** RFC 5926 §3.2: both of its algorithms are cut to 96 bits; the third is treated alike. */
const AO_MAC = 12;
const AO_NAMES = {
  "hmac-sha1-96": "hmac(sha1)",
  "aes-128-cmac-96": "cmac(aes128)",
  "hmac-sha256": "hmac(sha256)",
} as const;
/** struct sockaddr_storage */
const STORAGE = 128;
const KEY_MAX = 80;
