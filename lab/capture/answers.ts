/**
 * Who answered for an address, from captured frames.  The decoding is the observer's own: one that shared the engines'
 * codecs would share their mistakes.  Standards: RFC 826, RFC 5227 §1.1, RFC 4861 §4.4.
 */
import { formatIp, type Ip, ipOfOctets, isIpv4 } from "../../base/address.ts";
import type { Frame } from "./pcapng.ts";

export interface Answer {
  readonly port: string;
  /** Milliseconds since 1970, with fractions. */
  readonly at: number;
  /** "packet": any IP packet sent from the address.  "arp-request": one that asks for another address in this one's name,
   * which neighbours learn from, too.  Probes (sender 0.0.0.0, RFC 5227) claim nothing. */
  readonly kind: "arp-reply" | "arp-request" | "arp-announcement" | "neighbor-advertisement" | "packet";
  readonly address: string;
}

/** A stretch in which one port alone answered. */
export interface Tenure {
  readonly port: string;
  readonly from: number;
  readonly to: number;
  readonly answers: number;
}

export function answersFor(frames: readonly Frame[], address: string): readonly Answer[] {
  const answers: Answer[] = [];
  for (const frame of frames) {
    const claim = claimIn(frame.octets);
    if (claim === undefined || formatIp(claim.ip) !== address) continue;
    answers.push({ port: frame.port, at: millis(frame.stamp), kind: claim.kind, address });
  }
  return answers.sort((a, b) => a.at - b.at);
}

/**
 * A take-over shows two tenures.  Two hosts that answered at the same time show more, since their answers alternate.
 */
export function tenures(answers: readonly Answer[]): readonly Tenure[] {
  const found: Tenure[] = [];
  for (const { port, at } of answers) {
    const last = found.at(-1);
    if (last?.port === port) found[found.length - 1] = { ...last, to: at, answers: last.answers + 1 };
    else found.push({ port, from: at, to: at, answers: 1 });
  }
  return found;
}

function millis(stamp: bigint): number {
  return Number(stamp / 1000n) / 1000;
}

function claimIn(octets: Uint8Array): { readonly kind: Answer["kind"]; readonly ip: Ip } | undefined {
  const view = new DataView(octets.buffer, octets.byteOffset, octets.length);
  if (octets.length < 14) return undefined;
  switch (view.getUint16(12)) {
    case ARP: {
      if (octets.length < 42) return undefined;
      const ip = ipOfOctets(octets.subarray(28, 32));
      if (!isIpv4(ip) || ip === 0) return undefined;
      const target = ipOfOctets(octets.subarray(38, 42));
      if (ip === target) return { kind: "arp-announcement", ip };
      return { kind: view.getUint16(20) === 2 ? "arp-reply" : "arp-request", ip };
    }
    case IPV4:
      return octets.length < 34 ? undefined : { kind: "packet", ip: ipOfOctets(octets.subarray(26, 30)) };
    case IPV6: {
      if (octets.length < 54) return undefined;
      if (octets[20] === ICMPV6 && octets[54] === ADVERTISEMENT && octets.length >= 78)
        return { kind: "neighbor-advertisement", ip: ipOfOctets(octets.subarray(62, 78)) };
      return { kind: "packet", ip: ipOfOctets(octets.subarray(22, 38)) };
    }
    default:
      return undefined;
  }
}

const ARP = 0x0806;
const IPV4 = 0x0800;
const IPV6 = 0x86dd;
const ICMPV6 = 58;
const ADVERTISEMENT = 136;
