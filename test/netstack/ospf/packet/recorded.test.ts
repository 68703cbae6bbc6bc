/** Every packet that FRR and BIRD sent: authentic, read, written again octet for octet; every LSA likewise. */
import { describe, expect, test } from "vitest";
import { DIGESTS, utf8 } from "../../../../netstack/ospf/driver/digests.ts";
import { type Auth, authOf } from "../../../../netstack/ospf/packet/auth.ts";
import { describe as text } from "../../../../netstack/ospf/packet/describe.ts";
import type { Lsa } from "../../../../netstack/ospf/packet/lsa.ts";
import { bodyOf } from "../../../../netstack/ospf/packet/lsa-body.ts";
import { encodeLsa } from "../../../../netstack/ospf/packet/lsa-encode.ts";
import { checksumHolds, checksumOf } from "../../../../netstack/ospf/packet/lsa-header.ts";
import { open, seal } from "../../../../netstack/ospf/packet/seal.ts";
import { RECORDINGS, type Recording } from "./recorded.ts";

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

function authFor(recording: Recording, version: 2 | 3): Auth {
  const auth = authOf(version, recording.auth[version], utf8);
  if (!auth.ok) throw new TypeError(auth.error.kind);
  return auth.value;
}

describe.each(RECORDINGS.map((each) => [each.file, each] as const))("recorded: %s", (_file, recording) => {
  const opened = recording.packets.map((each) => {
    const found = open(each.version, each.datagram, authFor(recording, each.version), each, DIGESTS);
    return { recorded: each, found };
  });

  test("RFC 2328 D.5, RFC 5709, RFC 7166 §4.6: each is authentic and decodes", () => {
    expect(opened.filter(({ found }) => !found.ok).map(({ found }) => found)).toEqual([]);
    const kinds = new Set(
      opened.map(({ found }) => (found.ok ? `${found.value.packet.version} ${found.value.packet.kind}` : "")),
    );
    expect(kinds.size).toBe(10); // five kinds in two versions
  });

  test("sealed again with the same sequence number, each is what was on the wire", () => {
    for (const { recorded, found } of opened) {
      if (!found.ok) throw new TypeError("refused");
      const { packet, proven } = found.value;
      const sequence = proven.kind === "cryptographic" ? proven.sequence : 0n;
      const again = seal(packet, authFor(recording, recorded.version), recorded, sequence, DIGESTS);
      expect(`${text(packet)} ${hex(again)}`).toBe(
        `${text(packet)} ${hex(recorded.datagram.subarray(0, again.length))}`,
      );
    }
  });

  test("RFC 2328 §12.1.7: the checksum of each LSA holds, and is what we compute; bodies are written as they were read", () => {
    const lsas = opened.flatMap(({ found }): readonly Lsa[] =>
      found.ok && found.value.packet.kind === "update" ? found.value.packet.lsas : [],
    );
    expect(lsas.length).toBeGreaterThan(10);
    for (const lsa of lsas) {
      expect(checksumHolds(lsa.raw)).toBe(true);
      expect(checksumOf(lsa.raw)).toBe(lsa.header.checksum);
      const body = bodyOf(lsa);
      if (!body.ok) throw new TypeError(body.error.kind);
      expect(hex(encodeLsa(lsa.version, lsa.header, body.value).raw)).toBe(hex(lsa.raw));
    }
  });
});

test("all LSA types that are not opaque are among the recorded ones", () => {
  const types = new Set<string>();
  for (const recording of RECORDINGS) {
    for (const each of recording.packets) {
      const found = open(each.version, each.datagram, authFor(recording, each.version), each, DIGESTS);
      if (!found.ok || found.value.packet.kind !== "update") continue;
      for (const lsa of found.value.packet.lsas) {
        const body = bodyOf(lsa);
        if (body.ok) types.add(`${lsa.version} ${body.value.kind}`);
      }
    }
  }
  expect([...types].sort()).toEqual([
    "2 external",
    "2 inter-area-prefix",
    "2 inter-area-router",
    "2 network",
    "2 nssa",
    "2 router",
    "3 external",
    "3 inter-area-prefix",
    "3 inter-area-router",
    "3 intra-area-prefix",
    "3 link",
    "3 network",
    "3 nssa",
    "3 router",
  ]);
});
