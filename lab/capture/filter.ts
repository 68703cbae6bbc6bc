/**
 * The kernel's filter of a capture, as classic BPF: ARP, neighbour solicitations and advertisements, and packets sent from
 * the addresses in question; so a capture beside heavy traffic costs little.
 */

import { type Ip, isIpv4, octetsOfIp } from "../../base/address.ts";
import type { BpfInstruction } from "../../netstack/kernel/bpf.ts";

/** Keeps the first `kept` octets of what passes. */
export function filterFor(addresses: readonly Ip[], kept: number): readonly BpfInstruction[] {
  const code: Line[] = [
    { load: "half", at: 12 },
    { equal: 0x0806, go: "accept" },
    { equal: 0x0800, go: "ipv4" },
    { equal: 0x86dd, go: "ipv6" },
    { jump: "reject" },
    { label: "ipv4" },
    { load: "word", at: 26 },
    ...addresses.filter(isIpv4).map((ip): Line => ({ equal: ip, go: "accept" })),
    { jump: "reject" },
    { label: "ipv6" },
    { load: "byte", at: 20 },
    { equal: 58, go: "icmpv6" },
    { jump: "source" },
    { label: "icmpv6" },
    { load: "byte", at: 54 },
    { equal: 135, go: "accept" },
    { equal: 136, go: "accept" },
    { label: "source" },
    ...addresses.filter((ip) => !isIpv4(ip)).flatMap(sourceIs),
    { label: "reject" },
    { give: 0 },
    { label: "accept" },
    { give: kept },
  ];
  return assemble(code);
}

type Line =
  | { readonly load: "byte" | "half" | "word"; readonly at: number }
  | { readonly equal: number; readonly go: string; readonly otherwise?: string }
  | { readonly jump: string }
  | { readonly label: string }
  | { readonly give: number };

function sourceIs(ip: Ip, index: number): readonly Line[] {
  const octets = octetsOfIp(ip);
  const view = new DataView(octets.buffer, octets.byteOffset);
  const other = `not-${index}`;
  return [
    ...[0, 4, 8].flatMap((at): readonly Line[] => [
      { load: "word", at: 22 + at },
      { equal: view.getUint32(at), go: `${index}-${at}`, otherwise: other },
      { label: `${index}-${at}` },
    ]),
    { load: "word", at: 34 },
    { equal: view.getUint32(12), go: "accept" },
    { label: other },
  ];
}

function assemble(code: readonly Line[]): readonly BpfInstruction[] {
  const labels = new Map<string, number>();
  let place = 0;
  for (const line of code)
    if ("label" in line) labels.set(line.label, place);
    else place++;
  const target = (label: string, from: number): number => {
    const at = labels.get(label);
    if (at === undefined || at <= from) throw new TypeError(`no label ${label} ahead`);
    return at - from - 1;
  };
  const near = (label: string, from: number): number => {
    const distance = target(label, from);
    if (distance > 255) throw new TypeError("too many addresses for one filter");
    return distance;
  };
  return code
    .filter((line) => !("label" in line))
    .map((line, at): BpfInstruction => {
      if ("load" in line) return [LOAD[line.load], 0, 0, line.at];
      if ("equal" in line)
        return [JUMP_EQUAL, near(line.go, at), line.otherwise === undefined ? 0 : near(line.otherwise, at), line.equal];
      if ("jump" in line) return [JUMP, 0, 0, target(line.jump, at)];
      return [RETURN, 0, 0, "give" in line ? line.give : 0];
    });
}

const LOAD = { word: 0x20, half: 0x28, byte: 0x30 } as const; // BPF_LD | size | BPF_ABS
const JUMP = 0x05; // BPF_JMP | BPF_JA
const JUMP_EQUAL = 0x15; // BPF_JMP | BPF_JEQ | BPF_K
const RETURN = 0x06; // BPF_RET | BPF_K
