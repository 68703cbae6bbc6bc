/** Packets recorded from FRR and BIRD; recorded/README.md says where and how. */
import { readFileSync } from "node:fs";
import { type Ip, ipOfOctets } from "../../../../base/address.ts";
import type { OspfAuth } from "../../../../netstack/ospf/plan.ts";

export interface Recorded {
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly version: 2 | 3;
  readonly source: Ip;
  readonly destination: Ip;
  /** Without the IP header. */
  readonly datagram: Uint8Array;
}

export interface Recording {
  readonly file: string;
  readonly auth: Readonly<Record<2 | 3, OspfAuth | undefined>>;
  readonly packets: readonly Recorded[];
}

const key = (id: number, algorithm: "md5" | "hmac-sha256", secret: string): OspfAuth => ({
  kind: "cryptographic",
  keys: [{ id, algorithm, secret }],
});

export const RECORDINGS: readonly Recording[] = [
  recording("frr-bird", { 2: key(7, "md5", "secret"), 3: undefined }),
  recording("bird-simple", { 2: { kind: "simple", password: "plain" }, 3: undefined }),
  recording("bird-bird", { 2: key(3, "hmac-sha256", "secret"), 3: key(9, "hmac-sha256", "secret6") }),
];

function recording(file: string, auth: Recording["auth"]): Recording {
  const bytes = readFileSync(new URL(`recorded/${file}.pcap`, import.meta.url));
  const packets: Recorded[] = [];
  for (let at = 24; at < bytes.length; ) {
    const length = bytes.readUInt32LE(at + 8);
    const frame = new Uint8Array(bytes.subarray(at + 16, at + 16 + length));
    packets.push({ ...packetOf(frame), at: bytes.readUInt32LE(at) * 1000 + bytes.readUInt32LE(at + 4) / 1000 });
    at += 16 + length;
  }
  return { file, auth, packets };
}

function packetOf(frame: Uint8Array): Omit<Recorded, "at"> {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
  const ip = 14;
  if (view.getUint16(12) === 0x0800) {
    const start = ip + ((frame[ip] ?? 0) & 15) * 4;
    return {
      version: 2,
      source: ipOfOctets(frame.subarray(ip + 12, ip + 16)),
      destination: ipOfOctets(frame.subarray(ip + 16, ip + 20)),
      datagram: frame.subarray(start, ip + view.getUint16(ip + 2)),
    };
  }
  return {
    version: 3,
    source: ipOfOctets(frame.subarray(ip + 8, ip + 24)),
    destination: ipOfOctets(frame.subarray(ip + 24, ip + 40)),
    datagram: frame.subarray(ip + 40, ip + 40 + view.getUint16(ip + 4)),
  };
}
