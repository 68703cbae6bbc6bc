/** The configuration protocol of wireguard.com/xplatform. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { decodeGetAnswer, decodeSetAnswer, encodeSet } from "../../../../netstack/kernel/wireguard/uapi.ts";

const hex = (fill: number): string => Buffer.alloc(32, fill).toString("hex");
const key = (fill: number): string => Buffer.alloc(32, fill).toString("base64");

const ANSWER = [
  `private_key=${hex(1)}`,
  "listen_port=12912",
  "fwmark=83886080",
  `public_key=${hex(2)}`,
  `preshared_key=${hex(3)}`,
  "protocol_version=1",
  "endpoint=[abcd:23::33%2]:51820",
  "last_handshake_time_sec=1700000000",
  "last_handshake_time_nsec=12345678",
  "tx_bytes=38333",
  "rx_bytes=2224",
  "persistent_keepalive_interval=111",
  "allowed_ip=192.168.4.4/32",
  `public_key=${hex(4)}`,
  `preshared_key=${hex(0)}`,
  "last_handshake_time_sec=0",
  "last_handshake_time_nsec=0",
  "allowed_ip=fd00:0:0::/64",
  "a_name_of_tomorrow=1",
  "errno=0",
];

describe("get", () => {
  test("a device with two peers", () => {
    expect(decodeGetAnswer(`${ANSWER.join("\n")}\n\n`)).toEqual({
      ok: true,
      value: {
        privateKey: key(1),
        listenPort: 12912,
        mark: 0x05000000,
        peers: [
          {
            publicKey: key(2),
            presharedKey: key(3),
            endpoint: "[abcd:23::33]:51820",
            keepalive: 111,
            lastHandshake: 1_700_000_000_012,
            received: 2224,
            sent: 38333,
            allowedIps: ["192.168.4.4/32"],
          },
          {
            publicKey: key(4),
            presharedKey: undefined,
            endpoint: undefined,
            keepalive: 0,
            lastHandshake: undefined,
            received: 0,
            sent: 0,
            allowedIps: ["fd00::/64"],
          },
        ],
      },
    });
  });

  test.each([
    ["errno=-5\n\n", { kind: "errno", errno: 5 }],
    ["errno=0\n", { kind: "no-end" }],
    ["listen_port=1\n\n", { kind: "no-end" }],
    ["\n\n", { kind: "bad-line", line: 1 }],
    [`public_key=${"0".repeat(63)}g\nerrno=0\n\n`, { kind: "bad-line", name: "public_key" }],
    [`public_key=${hex(0)}\nerrno=0\n\n`, { kind: "bad-line", name: "public_key" }],
    ["rx_bytes=1\nerrno=0\n\n", { kind: "bad-line", name: "rx_bytes" }],
    [`public_key=${hex(2)}\nrx_bytes=-1\nerrno=0\n\n`, { kind: "bad-line", name: "rx_bytes" }],
    [`public_key=${hex(2)}\nallowed_ip=1.2.3.4/33\nerrno=0\n\n`, { kind: "bad-line", name: "allowed_ip" }],
    [`public_key=${hex(2)}\nendpoint=nowhere:1\nerrno=0\n\n`, { kind: "bad-line", name: "endpoint" }],
    ["private_key=\nerrno=0\n\n", { kind: "bad-line", name: "private_key" }],
    ["errno=\n\n", { kind: "bad-line", name: "errno" }],
  ])("%j is refused", (answer, error) => {
    expect(decodeGetAnswer(answer)).toMatchObject({ ok: false, error });
  });

  test("a right answer with anything changed is understood or refused, never thrown at", () => {
    const whole = `${ANSWER.join("\n")}\n\n`;
    fc.assert(
      fc.property(fc.nat(whole.length), fc.nat(12), fc.string({ maxLength: 12 }), (at, cut, more) => {
        const broken = whole.slice(0, at) + more + whole.slice(at + cut);
        expect(typeof decodeGetAnswer(broken).ok).toBe("boolean");
        expect(typeof decodeSetAnswer(broken).ok).toBe("boolean");
      }),
      { numRuns: 3_000 },
    );
  });
});

describe("set", () => {
  test("is written with addresses before the keepalive, which sends at once", () => {
    const text = encodeSet({
      privateKey: key(1),
      listenPort: 1,
      mark: 2,
      peers: [
        {
          kind: "set",
          publicKey: key(2),
          presharedKey: "none",
          endpoint: "192.0.2.1:5",
          keepalive: 25,
          allowedIps: ["10.0.0.0/8"],
        },
        { kind: "remove", publicKey: key(3) },
      ],
    });
    expect(text).toBe(
      `set=1\nprivate_key=${hex(1)}\nlisten_port=1\nfwmark=2\npublic_key=${hex(2)}\npreshared_key=${hex(0)}\n` +
        `endpoint=192.0.2.1:5\nallowed_ip=10.0.0.0/8\npersistent_keepalive_interval=25\npublic_key=${hex(3)}\nremove=true\n\n`,
    );
  });

  test("a key that is none is our bug", () => {
    expect(() => encodeSet({ privateKey: "x", peers: [] })).toThrow(TypeError);
  });

  test.each([
    ["errno=0\n\n", { ok: true }],
    ["errno=-22\n\n", { error: { kind: "errno", errno: 22 } }],
    ["errno=22\n\n", { error: { kind: "errno", errno: 22 } }],
    ["\n\n", { error: { kind: "bad-line" } }],
    ["", { error: { kind: "no-end" } }],
    ["hello=1\n\n", { error: { kind: "no-end" } }],
  ])("the answer %j", (answer, expected) => {
    expect(decodeSetAnswer(answer)).toMatchObject(expected);
  });
});
