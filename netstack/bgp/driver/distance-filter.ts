/**
 * GTSM for those who call (RFC 5082 §3): a listener serves peers near and far, so it cannot ask all of them for one TTL,
 * and what a caller sends before his connection is accepted would come in whatever its TTL.  A filter in the kernel
 * looks at the source and the TTL of each packet to the listener instead.
 */
import { isIpv4, octetsOfIp, type Prefix } from "../../../base/address.ts";
import {
  AND,
  type BpfInstruction,
  DROP,
  JUMP_AT_LEAST,
  JUMP_EQUAL,
  LOAD_OCTET,
  LOAD_WORD,
  NETWORK,
  PASS,
} from "../../kernel/bpf.ts";

export interface Distance {
  readonly peer: Prefix;
  readonly minTtl: number;
}

/** undefined: nobody of this family is to be looked at, or there are too many for a filter (4096 instructions). */
export function distanceFilter(v6: boolean, all: readonly Distance[]): readonly BpfInstruction[] | undefined {
  const rules = all.filter(({ peer }) => isIpv4(peer.ip) !== v6);
  const program: readonly BpfInstruction[] = [...rules.flatMap((each) => rule(v6, each)), PASS];
  return rules.length === 0 || program.length > INSTRUCTIONS_MAX ? undefined : program;
}

/** For packets from `peer`: their TTL decides, and nothing after; others go on to the next rule. */
function rule(v6: boolean, { peer, minTtl }: Distance): readonly BpfInstruction[] {
  const octets = octetsOfIp(peer.ip);
  const words = Array.from({ length: octets.length / 4 }, (_, index) => ({
    offset: NETWORK + (v6 ? 8 : 12) + index * 4,
    value: new DataView(octets.buffer, octets.byteOffset).getUint32(index * 4),
    mask: maskOf(peer.length - index * 32),
  })).filter(({ mask }) => mask !== 0);
  const steps = words.map(({ mask }) => (mask === WHOLE ? 2 : 3));
  let left = steps.reduce((sum, count) => sum + count, DECISION);
  const match = words.flatMap(({ offset, value, mask }, index): readonly BpfInstruction[] => {
    left -= steps[index] ?? 0;
    const masked: readonly BpfInstruction[] = mask === WHOLE ? [] : [[AND, 0, 0, mask]];
    return [[LOAD_WORD, 0, 0, offset], ...masked, [JUMP_EQUAL, 0, left, value]];
  });
  return [...match, [LOAD_OCTET, 0, 0, NETWORK + (v6 ? 7 : 8)], [JUMP_AT_LEAST, 1, 0, minTtl], DROP, PASS];
}

function maskOf(length: number): number {
  if (length <= 0) return 0;
  return length >= 32 ? WHOLE : (WHOLE << (32 - length)) >>> 0;
}

/** Instructions of a rule behind its match. */
const DECISION = 4;
const WHOLE = 0xffff_ffff;
const INSTRUCTIONS_MAX = 4096;
