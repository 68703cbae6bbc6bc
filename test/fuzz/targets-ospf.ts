/** OSPF's decoders: packets of both versions, the LSAs in them, authentication. */
import { ipv4, ipv6 } from "../../base/address.ts";
import { DIGESTS } from "../../netstack/ospf/driver/digests.ts";
import type { Auth } from "../../netstack/ospf/packet/auth.ts";
import { decode } from "../../netstack/ospf/packet/decode.ts";
import { describe } from "../../netstack/ospf/packet/describe.ts";
import { encode } from "../../netstack/ospf/packet/encode.ts";
import { TYPES, type Version } from "../../netstack/ospf/packet/lsa.ts";
import { bodyOf } from "../../netstack/ospf/packet/lsa-body.ts";
import { encodeLsa } from "../../netstack/ospf/packet/lsa-encode.ts";
import { checksumHolds } from "../../netstack/ospf/packet/lsa-header.ts";
import { open } from "../../netstack/ospf/packet/seal.ts";
import { RECORDINGS } from "../netstack/ospf/packet/recorded.ts";
import { must, type Target } from "./target.ts";

const recorded = (version: Version): readonly Uint8Array[] => {
  const all = RECORDINGS.flatMap(({ packets }) => packets).filter((each) => each.version === version);
  // Hellos are many and alike.
  return all.filter(({ datagram }, index) => datagram[1] !== 1 || index % 15 === 0).map(({ datagram }) => datagram);
};
const u16 = (value: number): Uint8Array => Uint8Array.of(value >>> 8, value & 255);
const TOKENS: readonly Uint8Array[] = [
  ...Object.values(TYPES[2]).map((type) => Uint8Array.of(type)),
  ...Object.values(TYPES[3]).map(u16),
  ...[20, 24, 36, 0xffff].map(u16),
  Uint8Array.of(0xff, 0xff, 0xff, 0),
];

function packets(version: Version): Target {
  return {
    name: `ospf-v${version}`,
    corpus: recorded(version),
    tokens: TOKENS,
    run: (memory, start, end) => {
      const found = decode(version, memory.subarray(start, end));
      if (!found.ok) return;
      const packet = found.value;
      describe(packet);
      const again = decode(version, encode(packet));
      must(
        again.ok && encode(again.value).length === encode(packet).length,
        "a packet that is not read as it is written",
      );
      if (packet.kind !== "update") return;
      for (const lsa of packet.lsas) {
        checksumHolds(lsa.raw);
        const body = bodyOf(lsa);
        if (!body.ok) continue;
        const written = encodeLsa(version, lsa.header, body.value);
        must(checksumHolds(written.raw), "an LSA of ours whose checksum does not hold");
        must(bodyOf(written).ok, "a body that is not read as it is written");
      }
    },
  };
}

const KEYS: Auth = {
  kind: "cryptographic",
  extended: false,
  keys: [
    { id: 7, algorithm: "md5", secret: Buffer.from("secret") },
    { id: 9, algorithm: "sha256", secret: Buffer.from("secret6") },
  ],
};
const AUTHS: readonly Auth[] = [{ kind: "none" }, KEYS, { ...KEYS, extended: true }];
const ENDS = {
  2: { source: ipv4("10.0.0.1"), destination: ipv4("224.0.0.5") },
  3: { source: ipv6("fe80::1"), destination: ipv6("ff02::5") },
};

/** Nothing that was not signed by the key's holder is taken for his. */
const AUTHENTICATION: Target = {
  name: "ospf-auth",
  corpus: [...recorded(2), ...recorded(3)],
  tokens: [...TOKENS, Uint8Array.of(7, 16), Uint8Array.of(9, 32), Uint8Array.of(0, 1, 0, 48)],
  run: (memory, start, end, random) => {
    const version: Version = memory[start] === 3 ? 3 : 2;
    const auth = AUTHS[random.u32() % AUTHS.length] ?? KEYS;
    const opened = open(version, memory.subarray(start, end), auth, ENDS[version], DIGESTS);
    // Source addresses differ from the recorded ones, and MD5 and SHA do not collide by chance.
    if (auth.kind === "cryptographic" && (auth.extended || version === 3)) must(!opened.ok, "a forgery was believed");
  },
};

export const OSPF: readonly Target[] = [packets(2), packets(3), AUTHENTICATION];
