/**
 * What a BGP session asks of its TCP sockets.  Standards: RFC 2385, RFC 5925 (keys), RFC 5082 (GTSM), RFC 4271 §8.2.1
 * (external peers are on the link unless multihop says otherwise), RFC 4594 §3.1 (CS6).
 */
import type { Prefix } from "../../../base/address.ts";
import { type Ms, ms } from "../../../base/unit.ts";
import type { Hops, TcpKey } from "../../kernel/tcp-options.ts";
import type { BgpAuth, BgpPlan, BgpSession } from "../plan.ts";

/** DSCP CS6: network control. */
export const NETWORK_CONTROL = 48 << 2;

export function hopsOf(session: BgpSession, plan: BgpPlan): Hops {
  if (session.ttlSecurity !== undefined) return { ttl: 255, minTtl: 256 - session.ttlSecurity }; // RFC 5082 §3
  if (session.multihop !== undefined) return { ttl: session.multihop, minTtl: 0 };
  const own = session.localAsn ?? plan.asn;
  const internal = session.asn === "internal" || session.asn === own;
  return { ttl: internal ? 255 : 1, minTtl: 0 };
}

export function keyOf(auth: BgpAuth | undefined, peer: Prefix): TcpKey | undefined {
  if (auth === undefined) return undefined;
  if (auth.kind === "md5") return { kind: "md5", peer, key: octets(auth.password) };
  return { kind: "ao", peer, keyId: auth.keyId, algorithm: auth.algorithm, key: octets(auth.key) };
}

/** While connecting: a peer that says nothing is given up before the speaker calls again, so that there is a reason to tell. */
export function connectPatience(session: BgpSession): Ms {
  // The speaker's timer has a jitter of a quarter (RFC 4271 §10).
  return ms(Math.floor(session.connectRetry * 0.7));
}

/** RFC 9687 §4: what the kernel holds counts as well: a window that stays closed ends the connection. */
export function sendPatience(session: BgpSession): Ms {
  return ms(Math.max(480_000, session.holdTime * 2));
}

function octets(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}
