/** RFC 1035 §4.1: messages that may come from anybody. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ipv4, ipv6 } from "../../../base/address.ts";
import { join } from "../../../base/octets.ts";
import { decodeDns } from "../../../netstack/wire/dns.ts";
import { dnsMessage } from "../../sdwan/steer/dns-messages.ts";

/** RFC 1035 §4.1.4's way of writing an answer: names are pointers to the question's. */
const COMPRESSED = join([
  Uint8Array.of(0x12, 0x34, 0x81, 0x80, 0, 1, 0, 2, 0, 0, 0, 0),
  Uint8Array.of(3, 0x77, 0x57, 0x57, 7, ...Buffer.from("example"), 3, ...Buffer.from("com"), 0, 0, 1, 0, 1),
  Uint8Array.of(0xc0, 12, 0, 5, 0, 1, 0, 0, 0, 60, 0, 6, 3, ...Buffer.from("cdn"), 0xc0, 16),
  Uint8Array.of(0xc0, 45, 0, 1, 0, 1, 0, 0, 1, 0, 0, 4, 192, 0, 2, 7),
]);

describe("RFC 1035 §4.1: reading", () => {
  test("§4.1.4: names that point to names before; lower case", () => {
    expect(decodeDns(COMPRESSED)).toMatchObject({
      ok: true,
      value: {
        id: 0x1234,
        response: true,
        rcode: 0,
        truncated: false,
        questions: [{ name: "www.example.com", type: 1 }],
        answers: [
          { kind: "alias", name: "www.example.com", ttl: 60, target: "cdn.example.com" },
          { kind: "address", name: "cdn.example.com", ttl: 256, ip: ipv4("192.0.2.7") },
        ],
      },
    });
  });

  test("RFC 3596: AAAA; other types are passed over; RFC 2181 §8: a TTL with its top bit set is none", () => {
    const answers = [
      { name: "a.b", type: 28, ttl: 5, data: "2001:db8::1" },
      { name: "a.b", type: 16, ttl: 0x8000_0000, data: "text" },
    ];
    const decoded = decodeDns(dnsMessage({ id: 1, name: "a.b", type: 28, response: true, answers }));
    expect(decoded).toMatchObject({
      ok: true,
      value: {
        answers: [
          { kind: "address", ip: ipv6("2001:db8::1"), ttl: 5 },
          { kind: "other", type: 16, ttl: 0 },
        ],
      },
    });
  });

  const head = (questions: number, answers: number): Uint8Array =>
    Uint8Array.of(0, 1, 0x81, 0x80, 0, questions, 0, answers, 0, 0, 0, 0);
  test.each([
    ["short", "a header cut off", Uint8Array.of(1, 2, 3)],
    ["bad-name", "a pointer to itself", join([head(1, 0), Uint8Array.of(0xc0, 12, 0, 1, 0, 1)])],
    ["bad-name", "a pointer forwards", join([head(1, 0), Uint8Array.of(0xc0, 20, 0, 1, 0, 1, 0, 0, 0, 0)])],
    ["bad-name", "two that point to each other", join([head(1, 0), Uint8Array.of(1, 0x61, 0xc0, 12, 0, 1, 0, 1)])],
    [
      "bad-name",
      "a label kind of §4.1.4 that is not used",
      join([head(1, 0), Uint8Array.of(0x41, 0x61, 0, 0, 1, 0, 1)]),
    ],
    [
      "bad-name",
      "over 255 octets",
      join([
        head(1, 0),
        ...Array.from({ length: 5 }, () => Uint8Array.of(63, ...Buffer.alloc(63, 97))),
        Uint8Array.of(0, 0, 1, 0, 1),
      ]),
    ],
    [
      "short",
      "more questions than there are",
      head(2, 0).length === 12 ? join([head(2, 0), Uint8Array.of(0, 0, 1, 0, 1, 0, 0)]) : head(0, 0),
    ],
    [
      "bad-record",
      "an A record of three octets",
      join([head(0, 1), Uint8Array.of(0, 0, 1, 0, 1, 0, 0, 0, 1, 0, 3, 1, 2, 3)]),
    ],
    ["short", "data beyond the end", join([head(0, 1), Uint8Array.of(0, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4, 1)])],
    [
      "bad-record",
      "something behind an alias",
      join([head(0, 1), Uint8Array.of(0, 0, 5, 0, 1, 0, 0, 0, 1, 0, 2, 0, 9)]),
    ],
  ])("%s: %s", (kind, _what, bytes) => {
    expect(decodeDns(bytes)).toMatchObject({ ok: false, error: { kind } });
  });

  test("a name that is not one by RFC 1035 §2.3.1 cannot be taken for one", () => {
    const decoded = decodeDns(join([head(1, 0), Uint8Array.of(3, 0x61, 0x2e, 0x62, 1, 0xff, 0, 0, 1, 0, 1)]));
    expect(decoded).toMatchObject({ ok: true, value: { questions: [{ name: "a\\046b.\\255" }] } });
  });

  test("any octets leave either a message or a reason", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        const decoded = decodeDns(bytes);
        expect(decoded.ok || decoded.error.kind.length > 0).toBe(true);
      }),
    );
  });
});
