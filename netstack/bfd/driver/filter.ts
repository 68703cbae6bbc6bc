/**
 * What the kernel keeps from us (RFC 5082): packets that came too far, and those of sources that nobody asked for.  A
 * flood of them must not cost this process its time, yet an operator must see them in the counters: one in SAMPLE,
 * chosen at random, gets through and is refused by name.
 */
import { type Ip, isIpv4, octetsOfIp } from "../../../base/address.ts";
import type { BpfInstruction } from "../../kernel/sockets.ts";

export interface Welcome {
  readonly family: 4 | 6;
  /** TTL or hop limit. */
  readonly least: number;
  /** undefined = anybody. */
  readonly sources: readonly Ip[] | undefined;
}

export function controlFilter({ family, least, sources }: Welcome): readonly BpfInstruction[] {
  const head: readonly BpfInstruction[] = [
    [LOAD_OCTET, 0, 0, SKF_NET_OFF + (family === 4 ? 8 : 7)],
    [JUMP_AT_LEAST, SAMPLED.length, 0, least],
    ...SAMPLED,
  ];
  const known = sources?.filter((ip) => isIpv4(ip) === (family === 4));
  const from = known?.flatMap((ip) => (isIpv4(ip) ? from4(ip) : from6(ip)));
  // The kernel takes 4096 instructions at most; who has more peers than that does without.
  if (from === undefined || head.length + from.length + SAMPLED.length > 4096) return [...head, ACCEPT];
  return [...head, ...from, ...SAMPLED];
}

function from4(ip: Ip): readonly BpfInstruction[] {
  return [[LOAD_WORD, 0, 0, SKF_NET_OFF + 12], [JUMP_EQUAL, 0, 1, word(ip, 0)], ACCEPT];
}

function from6(ip: Ip): readonly BpfInstruction[] {
  const compare = [0, 1, 2, 3].flatMap((index): readonly BpfInstruction[] => [
    [LOAD_WORD, 0, 0, SKF_NET_OFF + 8 + index * 4],
    [JUMP_EQUAL, 0, 7 - index * 2, word(ip, index)],
  ]);
  return [...compare, ACCEPT];
}

function word(ip: Ip, index: number): number {
  const octets = octetsOfIp(ip);
  return new DataView(octets.buffer, octets.byteOffset).getUint32(index * 4);
}

const SAMPLE = 16;
const SKF_NET_OFF = -0x100000;
const SKF_AD_RANDOM = -0x1000 + 56;
const LOAD_OCTET = 0x30;
const LOAD_WORD = 0x20;
const JUMP_EQUAL = 0x15;
const JUMP_AT_LEAST = 0x35;
const AND = 0x54;
const RETURN = 0x06;
const ACCEPT: BpfInstruction = [RETURN, 0, 0, 0xffff_ffff];
const SAMPLED: readonly BpfInstruction[] = [
  [LOAD_WORD, 0, 0, SKF_AD_RANDOM],
  [AND, 0, 0, SAMPLE - 1],
  [JUMP_EQUAL, 0, 1, 0],
  ACCEPT,
  [RETURN, 0, 0, 0],
];
