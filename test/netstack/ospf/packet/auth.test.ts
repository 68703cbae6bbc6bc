import { createHash, createHmac } from "node:crypto";
import { describe, expect, test } from "vitest";
import { type Ip, ipv4, ipv6 } from "../../../../base/address.ts";
import { DIGESTS, Sequences, utf8 } from "../../../../netstack/ospf/driver/digests.ts";
import { type Auth, authOf, type Unproven } from "../../../../netstack/ospf/packet/auth.ts";
import { encode } from "../../../../netstack/ospf/packet/encode.ts";
import { OPTION_AT } from "../../../../netstack/ospf/packet/lsa.ts";
import type { Packet } from "../../../../netstack/ospf/packet/packet.ts";
import { type Addresses, open, seal, trailer } from "../../../../netstack/ospf/packet/seal.ts";
import type { OspfAuth } from "../../../../netstack/ospf/plan.ts";

type Algorithm = (OspfAuth & { readonly kind: "cryptographic" })["keys"][number]["algorithm"];
const ALGORITHMS: readonly Algorithm[] = ["md5", "hmac-sha1", "hmac-sha256", "hmac-sha384", "hmac-sha512"];
const ENDS = {
  2: { source: ipv4("10.0.0.1"), destination: ipv4("224.0.0.5") },
  3: { source: ipv6("fe80::1"), destination: ipv6("ff02::5") },
} satisfies Record<2 | 3, Addresses>;
const hello = (version: 2 | 3): Packet => ({
  kind: "hello",
  version,
  routerId: 0x0a000001,
  areaId: 0,
  instanceId: 0,
  maskLength: version === 2 ? 24 : undefined,
  interfaceId: 0,
  options: 2,
  helloInterval: 1,
  deadInterval: 4,
  priority: 1,
  dr: 0,
  bdr: 0,
  neighbors: [],
});
const request = (version: 2 | 3): Packet => ({
  kind: "request",
  version,
  routerId: 0x0a000001,
  areaId: 0,
  instanceId: 0,
  wanted: [{ type: 1, id: 1, advertisingRouter: 1 }],
});

function ready(version: 2 | 3, auth: OspfAuth | undefined): Auth {
  const made = authOf(version, auth, utf8);
  if (!made.ok) throw new TypeError(made.error.kind);
  return made.value;
}
const keyed = (algorithm: Algorithm, secret = "secret", id = 1, extended = false): OspfAuth => ({
  kind: "cryptographic",
  extended,
  keys: [{ id, algorithm, secret }],
});
const SIMPLE = ready(2, { kind: "simple", password: "plain" });
const NONE: Auth = { kind: "none" };
const flip = (bytes: Uint8Array, at: number): Uint8Array => {
  const out = bytes.slice();
  out[at] = (out[at] ?? 0) ^ 1;
  return out;
};

const forms: readonly (readonly [string, 2 | 3, Auth])[] = [
  ["v2 null (RFC 2328 D.4.1)", 2, NONE],
  ["v2 simple (RFC 2328 D.4.2)", 2, SIMPLE],
  ["v3 null (RFC 5340 A.3.1)", 3, NONE],
  ...ALGORITHMS.flatMap((algorithm): (readonly [string, 2 | 3, Auth])[] => [
    [`v2 ${algorithm} (RFC 2328 D.4.3, RFC 5709)`, 2, ready(2, keyed(algorithm))],
    [`v2 ${algorithm} extended (RFC 7474)`, 2, ready(2, keyed(algorithm, "secret", 70_000, true))],
    [`v3 ${algorithm} (RFC 7166)`, 3, ready(3, keyed(algorithm, "secret", 300))],
  ]),
];

describe.each(forms)("%s", (_name, version, auth) => {
  const sealed = seal(request(version), auth, ENDS[version], 0x1_0000_0007n, DIGESTS);

  test("what we seal opens, with key and sequence", () => {
    const opened = open(version, sealed, auth, ENDS[version], DIGESTS);
    if (!opened.ok) throw new TypeError(opened.error.kind);
    expect(opened.value.packet).toEqual(request(version));
    const { proven } = opened.value;
    if (auth.kind !== "cryptographic") expect(proven).toEqual({ kind: auth.kind });
    else {
      const sequence = auth.extended ? 0x1_0000_0007n : 7n; // RFC 2328 D.3 has 32 bits
      expect(proven).toEqual({ kind: "cryptographic", keyId: auth.keys[0].id, sequence });
    }
    expect(sealed.length).toBe(encode(request(version)).length + trailer(version, auth));
  });

  test("any octet changed: refused", () => {
    for (let at = 0; at < sealed.length; at++) {
      if (version === 2 && auth.kind === "none" && at >= 16 && at < 24) continue; // D.4.1: not examined
      const opened = open(version, flip(sealed, at), auth, ENDS[version], DIGESTS);
      expect(opened.ok, `octet ${at}`).toBe(false);
    }
  });

  test("any octet missing: refused", () => {
    for (let length = 0; length < sealed.length; length++)
      expect(open(version, sealed.subarray(0, length), auth, ENDS[version], DIGESTS).ok).toBe(false);
  });
});

describe("what is refused, by name", () => {
  const md5 = ready(2, keyed("md5"));
  const signed = seal(hello(2), md5, ENDS[2], 5n, DIGESTS);
  const v3 = ready(3, keyed("hmac-sha256"));
  const signed3 = seal(hello(3), v3, ENDS[3], 5n, DIGESTS);
  const plain = seal(hello(2), NONE, ENDS[2], 0n, DIGESTS);
  const elsewhere: Ip = ipv6("fe80::2");
  test.each<readonly [Unproven["kind"], 2 | 3, Uint8Array, Auth, Addresses]>([
    ["checksum", 2, flip(plain, 40), NONE, ENDS[2]],
    ["checksum", 3, seal(hello(3), NONE, ENDS[3], 0n, DIGESTS), NONE, { ...ENDS[3], source: elsewhere }],
    ["auth-type", 2, plain, md5, ENDS[2]],
    ["auth-type", 2, signed, NONE, ENDS[2]],
    ["auth-type", 2, signed, ready(2, keyed("md5", "secret", 1, true)), ENDS[2]],
    ["auth-type", 3, flip(signed3, encode(hello(3)).length + 1), v3, ENDS[3]],
    [
      "auth-password",
      2,
      seal(hello(2), SIMPLE, ENDS[2], 0n, DIGESTS),
      ready(2, { kind: "simple", password: "other" }),
      ENDS[2],
    ],
    ["auth-key", 2, signed, ready(2, keyed("md5", "secret", 2)), ENDS[2]],
    ["auth-key", 3, signed3, ready(3, keyed("hmac-sha256", "secret", 2)), ENDS[3]],
    ["auth-length", 2, signed, ready(2, keyed("hmac-sha1")), ENDS[2]],
    ["auth-length", 3, signed3, ready(3, keyed("hmac-sha512")), ENDS[3]],
    ["auth-missing", 2, signed.subarray(0, signed.length - 1), md5, ENDS[2]],
    ["auth-missing", 3, signed3.subarray(0, signed3.length - 1), v3, ENDS[3]],
    ["auth-missing", 3, encode(hello(3)), v3, ENDS[3]],
    ["auth-digest", 2, signed, ready(2, keyed("md5", "Secret")), ENDS[2]],
    ["auth-digest", 3, signed3, v3, { ...ENDS[3], source: elsewhere }],
  ])("%s (v%i)", (kind, version, datagram, auth, ends) => {
    const opened = open(version, datagram, auth, ends, DIGESTS);
    expect(opened.ok ? "accepted" : opened.error.kind).toBe(kind);
  });

  test("RFC 7474 §5: a packet replayed from another source address", () => {
    const auth = ready(2, keyed("hmac-sha256", "secret", 1, true));
    const sealed = seal(hello(2), auth, ENDS[2], 1n, DIGESTS);
    const opened = open(2, sealed, auth, { ...ENDS[2], source: ipv4("10.0.0.2") }, DIGESTS);
    expect(opened).toEqual({ ok: false, error: { kind: "auth-digest" } });
  });
});

describe("keys", () => {
  test.each<readonly [string, 2 | 3, OspfAuth]>([
    ["password-length", 2, { kind: "simple", password: "" }],
    ["password-length", 2, { kind: "simple", password: "ninechars" }],
    ["simple-in-v3", 3, { kind: "simple", password: "plain" }],
    ["key-id", 2, keyed("md5", "s", 256)],
    ["key-id", 3, keyed("hmac-sha1", "s", 65_536)],
    ["key-id", 2, keyed("md5", "s", -1)],
    ["no-keys", 2, { kind: "cryptographic", keys: [] }],
    ["key-twice", 2, { kind: "cryptographic", keys: [1, 1].map((id) => ({ id, algorithm: "md5", secret: "s" })) }],
  ])("%s (v%i)", (kind, version, auth) => {
    const made = authOf(version, auth, utf8);
    expect(made.ok ? "accepted" : made.error.kind).toBe(kind);
  });

  test("the first key sends, all are accepted: a key changes by overlap", () => {
    const [old, fresh] = [
      { id: 1, algorithm: "md5", secret: "old" },
      { id: 2, algorithm: "hmac-sha256", secret: "new" },
    ] as const;
    const before = ready(2, { kind: "cryptographic", keys: [old] });
    const between = ready(2, { kind: "cryptographic", keys: [old, fresh] });
    const then = ready(2, { kind: "cryptographic", keys: [fresh, old] });
    const passes = (from: Auth, to: Auth): boolean =>
      open(2, seal(hello(2), from, ENDS[2], 1n, DIGESTS), to, ENDS[2], DIGESTS).ok;
    expect([passes(before, between), passes(between, before), passes(then, between), passes(between, then)]).toEqual([
      true,
      true,
      true,
      true,
    ]);
    expect(passes(then, before)).toBe(false);
  });

  test("RFC 2328 D.4.3: an MD5 key is 16 octets, padded with zeros or cut", () => {
    const packet = seal(request(2), ready(2, keyed("md5", "12345678901234567")), ENDS[2], 1n, DIGESTS);
    const content = packet.subarray(0, packet.length - 16);
    const right = createHash("md5").update(content).update("1234567890123456").digest();
    expect(Buffer.from(packet.subarray(content.length))).toEqual(right);
  });

  test("RFC 5709 §3.3: a key longer than the hash is hashed first", () => {
    const secret = "k".repeat(40); // longer than SHA-256's output, shorter than its block
    const packet = seal(request(2), ready(2, keyed("hmac-sha256", secret)), ENDS[2], 1n, DIGESTS);
    const content = packet.subarray(0, packet.length - 32);
    const apad = Buffer.from("878fe1f3".repeat(8), "hex");
    const key = createHash("sha256").update(secret).digest();
    expect(Buffer.from(packet.subarray(content.length))).toEqual(
      createHmac("sha256", key).update(content).update(apad).digest(),
    );
  });
});

describe("RFC 7166", () => {
  const auth = ready(3, keyed("hmac-sha256"));
  test("§2.1: hellos and database descriptions say that a trailer follows; §4.2: the checksum is omitted", () => {
    const sealed = seal(hello(3), auth, ENDS[3], 1n, DIGESTS);
    const opened = open(3, sealed, auth, ENDS[3], DIGESTS);
    expect(opened.ok && opened.value.packet.kind === "hello" && opened.value.packet.options).toBe(2 | OPTION_AT);
    expect(sealed.subarray(12, 14)).toEqual(Uint8Array.of(0, 0));
  });

  test("§4.6: a link-local signalling block between packet and trailer is skipped, and authentic", () => {
    const options = 2 | OPTION_AT | 0x200;
    const packet = encode({ ...hello(3), options } as Packet);
    const block = Uint8Array.of(0, 0, 0, 3, 0, 1, 0, 4, 0, 0, 0, 1);
    const head = Uint8Array.from([...packet, ...block, 0, 1, 0, 48, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 9]);
    const apad = Buffer.concat([
      Buffer.from("fe800000000000000000000000000001", "hex"),
      Buffer.from("878fe1f3".repeat(4), "hex"),
    ]);
    const mac = createHmac("sha256", Buffer.from("secret\0\x01")).update(head).update(apad).digest();
    const sealed = Uint8Array.from([...head, ...mac]);
    expect(open(3, sealed, auth, ENDS[3], DIGESTS)).toMatchObject({
      ok: true,
      value: { proven: { keyId: 1, sequence: 9n } },
    });
    expect(open(3, flip(sealed, packet.length + 11), auth, ENDS[3], DIGESTS)).toMatchObject({
      ok: false,
      error: { kind: "auth-digest" },
    });
  });
});

describe("RFC 2328 D.3, RFC 7474 §2: sequence numbers only grow", () => {
  test("32 bits: seconds of the clock, not less when it goes back", () => {
    let now = 1_700_000_000_000;
    const sequences = new Sequences(() => now);
    expect(sequences.next(false)).toBe(1_700_000_000n);
    now += 1500;
    expect(sequences.next(false)).toBe(1_700_000_001n);
    now -= 60_000;
    expect(sequences.next(false)).toBe(1_700_000_001n);
  });

  test("64 bits: each is larger than the last, and a later life's than any before", () => {
    let now = 1_700_000_000_000;
    const first = new Sequences(() => now);
    const [a, b] = [first.next(true), first.next(true)];
    now += 1000;
    const c = new Sequences(() => now).next(true);
    expect(a < b && b < c).toBe(true);
  });
});
