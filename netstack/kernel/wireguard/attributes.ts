/**
 * WireGuard in the kernel, its part of the messages: attributes of WG_CMD_GET_DEVICE and WG_CMD_SET_DEVICE.  Standards:
 * include/uapi/linux/wireguard.h.  Left out on purpose: replacing all peers or all allowed addresses at once, which would
 * leave a moment without (an address leaves a peer by being given to another).
 *
 * A device with many peers does not fit one message, either way: a dump comes in several, of which a peer's list of
 * addresses may go on in the next one; a change is written in several that do no harm when only the first ones arrive.
 */
import { formatPrefix, type Ip, ipOfOctets, isIpv4, masked, octetsOfIp, parsePrefix } from "../../../base/address.ts";
import { formatEndpoint, parseEndpoint } from "../../../base/endpoint.ts";
import { join } from "../../../base/octets.ts";
import { err, ok, type Result } from "../../../base/result.ts";
import type { WireguardChange, WireguardPeer, WireguardPeerChange, WireguardState } from "../../../base/wireguard.ts";
import {
  Attributes,
  attribute,
  attributeText,
  attributeU8,
  attributeU32,
  decodeAttributes,
  type Malformed,
  nested,
} from "../netlink/attribute.ts";
import { LITTLE, u16, view } from "../netlink/octets.ts";
import { AF_INET, AF_INET6, decodeInet, encodeInet } from "../sockaddr.ts";
import { KEY_LENGTH, keyOfOctets, octetsOfKey } from "./key.ts";

/** For a dump of one device. */
export function encodeGetDevice(ifname: string): Uint8Array {
  return attributeText(WGDEVICE_A_IFNAME, ifname);
}

/** Payloads of WG_CMD_SET_DEVICE messages, to be sent in this order; none is longer than `most` and one peer's entry. */
export function encodeSetDevice(ifname: string, change: WireguardChange, most: number = MOST): readonly Uint8Array[] {
  const name = attributeText(WGDEVICE_A_IFNAME, ifname);
  const own = [name];
  if (change.privateKey !== undefined) own.push(attribute(WGDEVICE_A_PRIVATE_KEY, octetsOfKey(change.privateKey)));
  if (change.listenPort !== undefined) own.push(attribute(WGDEVICE_A_LISTEN_PORT, u16(change.listenPort)));
  if (change.mark !== undefined) own.push(attributeU32(WGDEVICE_A_FWMARK, change.mark));
  const payloads: Uint8Array[] = [];
  let head: readonly Uint8Array[] = own;
  let peers: Uint8Array[] = [];
  let length = 0;
  const flush = (): void => {
    payloads.push(join(peers.length === 0 ? head : [...head, nested(WGDEVICE_A_PEERS, ...peers)]));
    head = [name];
    peers = [];
    length = 0;
  };
  for (const peer of change.peers) {
    for (const entry of encodePeer(peer, most)) {
      if (length + entry.length > most && peers.length > 0) flush();
      peers.push(entry);
      length += entry.length;
    }
  }
  if (peers.length > 0 || payloads.length === 0) flush();
  return payloads;
}

/** The entries of one peer: more than one when its addresses are many; the later ones only add. */
function encodePeer(peer: WireguardPeerChange, most: number): readonly Uint8Array[] {
  const key = attribute(WGPEER_A_PUBLIC_KEY, octetsOfKey(peer.publicKey));
  if (peer.kind === "remove") return [nested(0, key, attributeU32(WGPEER_A_FLAGS, WGPEER_F_REMOVE_ME))];
  const parts = [key];
  if (peer.presharedKey !== undefined) {
    const octets = peer.presharedKey === "none" ? new Uint8Array(KEY_LENGTH) : octetsOfKey(peer.presharedKey);
    parts.push(attribute(WGPEER_A_PRESHARED_KEY, octets));
  }
  if (peer.endpoint !== undefined) {
    const endpoint = parseEndpoint(peer.endpoint);
    if (!endpoint.ok) throw new TypeError(`not an endpoint: ${peer.endpoint}`);
    parts.push(attribute(WGPEER_A_ENDPOINT, encodeInet(endpoint.value)));
  }
  if (peer.keepalive !== undefined) parts.push(attribute(WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL, u16(peer.keepalive)));
  const allowed = (peer.allowedIps ?? []).map(encodeAllowed);
  const perEntry = Math.max(1, Math.floor(most / ALLOWED_MOST));
  const entries: Uint8Array[] = [];
  for (let from = 0; from === 0 || from < allowed.length; from += perEntry) {
    const some = allowed.slice(from, from + perEntry);
    const list = some.length === 0 ? [] : [nested(WGPEER_A_ALLOWEDIPS, ...some)];
    entries.push(nested(0, ...(from === 0 ? parts : [key]), ...list));
  }
  return entries;
}

function encodeAllowed(text: string): Uint8Array {
  const prefix = parsePrefix(text);
  if (!prefix.ok) throw new TypeError(`not a prefix: ${text}`);
  const { ip, length } = prefix.value;
  return nested(
    0,
    attribute(WGALLOWEDIP_A_FAMILY, u16(isIpv4(ip) ? AF_INET : AF_INET6)),
    attribute(WGALLOWEDIP_A_IPADDR, octetsOfIp(ip)),
    attributeU8(WGALLOWEDIP_A_CIDR_MASK, length),
  );
}

/** The device out of all messages of a dump. */
export function decodeGetDevice(payloads: readonly Uint8Array[]): Result<WireguardState, Malformed> {
  let state: WireguardState = { privateKey: undefined, listenPort: 0, mark: 0, peers: [] };
  const peers: WireguardPeer[] = [];
  for (const [index, payload] of payloads.entries()) {
    const parsed = Attributes.of(payload);
    if (!parsed.ok) return parsed;
    const attributes = parsed.value;
    if (index === 0) {
      const key = attributes.octets(WGDEVICE_A_PRIVATE_KEY);
      state = {
        ...state,
        privateKey: key === undefined ? undefined : keyOfOctets(key),
        listenPort: attributes.u16(WGDEVICE_A_LISTEN_PORT) ?? 0,
        mark: attributes.u32(WGDEVICE_A_FWMARK) ?? 0,
      };
    }
    if (attributes.refused !== undefined) return err(attributes.refused);
    const list = decodeAttributes(attributes.octets(WGDEVICE_A_PEERS) ?? NOTHING);
    if (!list.ok) return list;
    for (const { value } of list.value) {
      const peer = decodePeer(value);
      if (!peer.ok) return peer;
      const last = peers.at(-1);
      if (last?.publicKey !== peer.value.publicKey) peers.push(peer.value);
      // The rest of its addresses: such an entry has the key and nothing else.
      else peers[peers.length - 1] = { ...last, allowedIps: [...last.allowedIps, ...peer.value.allowedIps] };
    }
  }
  return ok({ ...state, peers });
}

function decodePeer(bytes: Uint8Array): Result<WireguardPeer, Malformed> {
  const parsed = Attributes.of(bytes);
  if (!parsed.ok) return parsed;
  const attributes = parsed.value;
  const publicKey = keyOfOctets(attributes.octets(WGPEER_A_PUBLIC_KEY) ?? NOTHING);
  if (publicKey === undefined) return err({ kind: "bad-value", what: "public key of a peer", length: bytes.length });
  const list = decodeAttributes(attributes.octets(WGPEER_A_ALLOWEDIPS) ?? NOTHING);
  if (!list.ok) return list;
  const allowedIps: string[] = [];
  for (const { value } of list.value) {
    const allowed = decodeAllowed(value);
    if (!allowed.ok) return allowed;
    allowedIps.push(allowed.value);
  }
  const endpoint = decodeInet(attributes.octets(WGPEER_A_ENDPOINT) ?? NOTHING);
  const time = timeOf(attributes.octets(WGPEER_A_LAST_HANDSHAKE_TIME));
  const peer = {
    publicKey,
    presharedKey: keyOfOctets(attributes.octets(WGPEER_A_PRESHARED_KEY) ?? NOTHING),
    endpoint: endpoint === undefined || endpoint.port === 0 ? undefined : formatEndpoint(endpoint),
    keepalive: attributes.u16(WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL) ?? 0,
    lastHandshake: time,
    received: counterOf(attributes.octets(WGPEER_A_RX_BYTES)),
    sent: counterOf(attributes.octets(WGPEER_A_TX_BYTES)),
    allowedIps,
  };
  return attributes.refused === undefined ? ok(peer) : err(attributes.refused);
}

function decodeAllowed(bytes: Uint8Array): Result<string, Malformed> {
  const parsed = Attributes.of(bytes);
  if (!parsed.ok) return parsed;
  const family = parsed.value.u16(WGALLOWEDIP_A_FAMILY);
  const octets = parsed.value.octets(WGALLOWEDIP_A_IPADDR) ?? NOTHING;
  const length = parsed.value.u8(WGALLOWEDIP_A_CIDR_MASK);
  const size = family === AF_INET ? 4 : 16;
  const known = family === AF_INET || family === AF_INET6;
  if (!known || octets.length !== size || length === undefined || length > size * 8)
    return err({ kind: "bad-value", what: "allowed address", length: octets.length });
  const ip: Ip = ipOfOctets(octets);
  return ok(formatPrefix({ ip: masked(ip, length), length }));
}

/** struct __kernel_timespec: 64-bit seconds and nanoseconds since the epoch, zeros before the first handshake. */
function timeOf(octets: Uint8Array | undefined): number | undefined {
  if (octets === undefined || octets.length < 16) return undefined;
  const at = Number(view(octets).getBigInt64(0, LITTLE)) * 1000;
  const ns = Number(view(octets).getBigInt64(8, LITTLE));
  return at <= 0 ? undefined : at + Math.floor(ns / 1e6);
}

function counterOf(octets: Uint8Array | undefined): number {
  return octets === undefined || octets.length < 8 ? 0 : Number(view(octets).getBigUint64(0, LITTLE));
}

const NOTHING = new Uint8Array(0);
/** Half of what the 16-bit length of a nested attribute could hold. */
const MOST = 32_768;
/** An IPv6 entry with all its headers. */
const ALLOWED_MOST = 40;
const WGDEVICE_A_IFNAME = 2;
const WGDEVICE_A_PRIVATE_KEY = 3;
const WGDEVICE_A_LISTEN_PORT = 6;
const WGDEVICE_A_FWMARK = 7;
const WGDEVICE_A_PEERS = 8;
const WGPEER_F_REMOVE_ME = 1;
const WGPEER_A_PUBLIC_KEY = 1;
const WGPEER_A_PRESHARED_KEY = 2;
const WGPEER_A_FLAGS = 3;
const WGPEER_A_ENDPOINT = 4;
const WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL = 5;
const WGPEER_A_LAST_HANDSHAKE_TIME = 6;
const WGPEER_A_RX_BYTES = 7;
const WGPEER_A_TX_BYTES = 8;
const WGPEER_A_ALLOWEDIPS = 9;
const WGALLOWEDIP_A_FAMILY = 1;
const WGALLOWEDIP_A_IPADDR = 2;
const WGALLOWEDIP_A_CIDR_MASK = 3;
