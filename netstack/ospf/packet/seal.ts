/** Datagrams: packets with their authentication, both versions.  `open` is the whole way in, `seal` the whole way out. */
import { type Ip, isIpv4 } from "../../../base/address.ts";
import { err, ok, type Result } from "../../../base/result.ts";
import type { Auth, Digests, Proven, Unproven } from "./auth.ts";
import { proveV2, sealV2, trailerV2 } from "./auth-v2.ts";
import { proveV3, sealV3, trailerV3 } from "./auth-v3.ts";
import { decode, frame, type Malformed } from "./decode.ts";
import { encode } from "./encode.ts";
import { OPTION_AT, type Version } from "./lsa.ts";
import type { Packet } from "./packet.ts";

export interface Addresses {
  readonly source: Ip;
  /** v3's checksum covers it. */
  readonly destination: Ip;
}

export interface Opened {
  readonly packet: Packet;
  readonly proven: Proven;
}

/** `datagram` without any IP header.  Nothing of the content is looked at before its authentication is right. */
export function open(
  version: Version,
  datagram: Uint8Array,
  auth: Auth,
  { source, destination }: Addresses,
  digests: Digests,
): Result<Opened, Malformed | Unproven> {
  const framed = frame(version, datagram);
  if (!framed.ok) return framed;
  const { length } = framed.value;
  let proven: Result<Proven, Unproven>;
  if (isIpv4(source)) proven = proveV2(datagram, length, auth, source, digests);
  else if (isIpv4(destination)) return err({ kind: "version", got: version });
  else proven = proveV3(datagram, length, auth, { source, destination }, digests);
  if (!proven.ok) return proven;
  const packet = decode(version, datagram);
  return packet.ok ? ok({ packet: packet.value, proven: proven.value }) : packet;
}

/** `sequence`: never the same or less, see the driver. */
export function seal(
  packet: Packet,
  auth: Auth,
  { source, destination }: Addresses,
  sequence: bigint,
  digests: Digests,
): Uint8Array {
  if (packet.version === 2) {
    if (!isIpv4(source)) throw new TypeError("version 2 from an IPv6 address");
    return sealV2(encode(packet), auth, source, sequence, digests);
  }
  if (isIpv4(source) || isIpv4(destination)) throw new TypeError("version 3 between IPv4 addresses");
  return sealV3(encode(announcing(packet, auth)), auth, { source, destination }, sequence, digests);
}

/** Octets that authentication adds: what a packet may hold is the MTU less IP's header less this. */
export function trailer(version: Version, auth: Auth): number {
  return version === 2 ? trailerV2(auth) : trailerV3(auth);
}

/** RFC 7166 §2.1: hellos and database descriptions say that a trailer follows. */
function announcing(packet: Packet, auth: Auth): Packet {
  if (auth.kind !== "cryptographic") return packet;
  if (packet.kind !== "hello" && packet.kind !== "database-description") return packet;
  return { ...packet, options: packet.options | OPTION_AT };
}
