/** Classic BPF programs for sockets and seccomp: operations and places by their names in <linux/filter.h>. */

/** [code, jump if true, jump if false, k] */
export type BpfInstruction = readonly [number, number, number, number];

export const LOAD_WORD = 0x20;
export const LOAD_HALF = 0x28;
export const LOAD_OCTET = 0x30;
/** X = 4 × (octet & 15): the length of an IPv4 header */
export const LOAD_HEADER_LENGTH = 0xb1;
export const LOAD_HALF_AT_X = 0x48;
export const LOAD_WORD_AT_X = 0x40;
/** Octets of the packet. */
export const LOAD_LENGTH = 0x80;
export const AND = 0x54;
export const JUMP_EQUAL = 0x15;
export const JUMP_AT_LEAST = 0x35;
export const RETURN = 0x06;

/** SKF_NET_OFF: offsets from here on count from the network header. */
export const NETWORK = -0x100000;
/** SKF_AD_OFF + SKF_AD_PKTTYPE */
export const PACKET_TYPE = 0xffff_f004;
/** SKF_AD_OFF + SKF_AD_RANDOM */
export const RANDOM = -0x1000 + 56;

export const PASS: BpfInstruction = [RETURN, 0, 0, 0xffff_ffff];
export const DROP: BpfInstruction = [RETURN, 0, 0, 0];
