/**
 * What the kernel keeps from us (RFC 5082): packets that came too far, and those of sources that nobody asked for.  A
 * flood of them must not cost this process its time, yet an operator must see them in the counters: one in SAMPLE,
 * chosen at random, gets through and is refused by name.
 */
import { type Ip, isIpv4, octetsOfIp } from "../../../base/address.ts";
import {
  AND,
  type BpfInstruction,
  JUMP_AT_LEAST,
  JUMP_EQUAL,
  LOAD_OCTET,
  LOAD_WORD,
  NETWORK,
  PASS,
  RANDOM,
  RETURN,
} from "../../kernel/bpf.ts";

export interface Welcome {
  readonly family: 4 | 6;
  /** TTL or hop limit. */
  readonly least: number;
  /** undefined = anybody. */
  readonly sources: readonly Ip[] | undefined;
}

export function controlFilter({ family, least, sources }: Welcome): readonly BpfInstruction[] {
  const head: readonly BpfInstruction[] = [
    [LOAD_OCTET, 0, 0, NETWORK + (family === 4 ? 8 : 7)],
    [JUMP_AT_LEAST, SAMPLED.length, 0, least],
    ...SAMPLED,
  ];
  const known = sources?.filter((ip) => isIpv4(ip) === (family === 4));
  const from = known?.flatMap((ip) => (isIpv4(ip) ? from4(ip) : from6(ip)));
  // The kernel takes 4096 instructions at most; who has more peers than that does without.
  if (from === undefined || head.length + from.length + SAMPLED.length > 4096) return [...head, PASS];
  return [...head, ...from, ...SAMPLED];
}

function from4(ip: Ip): readonly BpfInstruction[] {
  return [[LOAD_WORD, 0, 0, NETWORK + 12], [JUMP_EQUAL, 0, 1, word(ip, 0)], PASS];
}

function from6(ip: Ip): readonly BpfInstruction[] {
  const compare = [0, 1, 2, 3].flatMap((index): readonly BpfInstruction[] => [
    [LOAD_WORD, 0, 0, NETWORK + 8 + index * 4],
    [JUMP_EQUAL, 0, 7 - index * 2, word(ip, index)],
  ]);
  return [...compare, PASS];
}

function word(ip: Ip, index: number): number {
  const octets = octetsOfIp(ip);
  return new DataView(octets.buffer, octets.byteOffset).getUint32(index * 4);
}

const SAMPLE = 16;
const SAMPLED: readonly BpfInstruction[] = [
  [LOAD_WORD, 0, 0, RANDOM],
  [AND, 0, 0, SAMPLE - 1],
  [JUMP_EQUAL, 0, 1, 0],
  PASS,
  [RETURN, 0, 0, 0],
];
