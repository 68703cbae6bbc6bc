/** The reflector: whom it answers, what it counts, and that strangers, replays and floods change nothing else. */
import { describe, expect, test } from "vitest";
import { after, instant, ms } from "../../../base/unit.ts";
import { BASE, decodeReflected, encodeSender, OWN_ESTIMATE, type Seal } from "../../../sdwan/probe/packet.ts";
import { type Arrival, Reflector, reply } from "../../../sdwan/probe/reflector.ts";
import { ReplayWindow } from "../../../sdwan/probe/replay.ts";
import { encodeCounters } from "../../../sdwan/probe/tlv.ts";
import { KEY, PEER, seal } from "./world.ts";

const T = 1.79e12;
const arrival: Arrival = { address: PEER, port: 50_000, ttl: 254, receivedAt: T + 5 };
const NOW = instant(1000);
const OTHER: Seal = (bytes) => seal(Uint8Array.from([1, ...bytes]));

function probe(sequence: number, { at = T, session = 7, by = seal } = {}): Uint8Array {
  const tlvs = encodeCounters({ senderTx: 100, reflectorRx: 0, reflectorTx: 0 }, sequence, by);
  return encodeSender({ sequence, at, estimate: OWN_ESTIMATE, session }, by, tlvs);
}
function ready(): Reflector {
  const reflector = new Reflector();
  reflector.configure(new Map([[PEER, [{ id: KEY, seal }]]]));
  return reflector;
}
function kindOf(result: ReturnType<Reflector["receive"]>): string {
  return result.ok ? "accepted" : result.error.kind;
}

describe("answers", () => {
  test("with its own sequence, as many octets, and the times and counters it is given", () => {
    const reflector = ready();
    for (const [sequence, reflected] of [
      [5, 0],
      [6, 1],
      [9, 2],
    ] as const) {
      const request = probe(sequence);
      const accepted = reflector.receive(request, arrival, NOW);
      if (!accepted.ok) throw new Error(accepted.error.kind);
      const answer = reply(accepted.value, T + 6, { received: 2 ** 32 + 40, sent: 50 });
      expect(answer.length).toBe(request.length);
      expect(decodeReflected(answer, seal)).toMatchObject({
        ok: true,
        value: {
          sequence: reflected,
          senderSequence: sequence,
          receivedAt: T + 5,
          at: T + 6,
          senderTtl: 254,
          session: 7,
        },
      });
    }
  });

  test("sessions count for themselves, by port and by session identifier", () => {
    const reflector = ready();
    const reflected = (session: number, port: number): number => {
      const accepted = reflector.receive(probe(1, { session }), { ...arrival, port }, NOW);
      return accepted.ok ? accepted.value.reflected : -1;
    };
    expect([reflected(7, 1), reflected(8, 1), reflected(7, 2)]).toEqual([0, 0, 0]);
    expect(reflector.sessions).toBe(3);
  });
});

describe("refusals", () => {
  test("stranger, short, bad-hmac", () => {
    const reflector = ready();
    expect(kindOf(reflector.receive(probe(1), { ...arrival, address: "10.255.9.9" }, NOW))).toBe("stranger");
    expect(kindOf(reflector.receive(probe(1).subarray(0, 80), arrival, NOW))).toBe("short");
    expect(kindOf(reflector.receive(probe(1, { by: OTHER }), arrival, NOW))).toBe("bad-hmac");
    expect(reflector.sessions).toBe(0);
  });

  test("replayed and too-old probes leave the count as it was", () => {
    const reflector = ready();
    for (const sequence of [1, 2, 3]) expect(kindOf(reflector.receive(probe(sequence), arrival, NOW))).toBe("accepted");
    for (const sequence of [3, 1, 2]) expect(kindOf(reflector.receive(probe(sequence), arrival, NOW))).toBe("replayed");
    expect(kindOf(reflector.receive(probe(1000), arrival, NOW))).toBe("accepted");
    expect(kindOf(reflector.receive(probe(4), arrival, NOW))).toBe("too-old");
    const next = reflector.receive(probe(1001), arrival, NOW);
    expect(next.ok && next.value.reflected).toBe(4);
  });

  test("stale: a recording of an earlier session, while the peer's own is alive", () => {
    const reflector = ready();
    reflector.receive(probe(1, { at: T }), arrival, NOW);
    const old = probe(1, { at: T - 60_000, session: 3 });
    expect(kindOf(reflector.receive(old, arrival, NOW))).toBe("stale");
    expect(reflector.sessions).toBe(1);
    // A peer that came back with its clock set back is believed once its former session is silent.
    expect(kindOf(reflector.receive(old, arrival, after(NOW, ms(20_000))))).toBe("accepted");
  });

  test("sessions of a peer are bounded; the one that speaks stays", () => {
    const reflector = ready();
    for (let session = 1; session <= 1000; session++) {
      const now = after(NOW, ms(session));
      reflector.receive(probe(session), arrival, now);
      reflector.receive(probe(1, { session: session + 100 }), arrival, now);
    }
    expect(reflector.sessions).toBeLessThanOrEqual(16);
    const own = reflector.receive(probe(1001), arrival, after(NOW, ms(2000)));
    expect(own.ok && own.value.reflected).toBe(1000);
  });

  test("another key ends the sessions of the former", () => {
    const reflector = ready();
    reflector.receive(probe(1), arrival, NOW);
    reflector.configure(new Map([[PEER, [{ id: "other", seal: OTHER }]]]));
    expect(reflector.sessions).toBe(0);
    expect(kindOf(reflector.receive(probe(2), arrival, NOW))).toBe("bad-hmac");
    expect(kindOf(reflector.receive(probe(2, { by: OTHER }), arrival, NOW))).toBe("accepted");
  });
});

test("while a peer changes its key both are answered, each with its own, and sessions live on", () => {
  const reflector = ready();
  reflector.receive(probe(1), arrival, NOW);
  reflector.configure(
    new Map([
      [
        PEER,
        [
          { id: KEY, seal },
          { id: "next", seal: OTHER },
        ],
      ],
    ]),
  );
  const before = reflector.receive(probe(2), arrival, NOW);
  const after_ = reflector.receive(probe(3, { by: OTHER }), arrival, NOW);
  if (!before.ok || !after_.ok) throw new Error("refused");
  expect([before.value.reflected, after_.value.reflected]).toEqual([1, 2]);
  expect(decodeReflected(reply(after_.value, T, { received: 0, sent: 0 }), OTHER).ok).toBe(true);
  expect(decodeReflected(reply(before.value, T, { received: 0, sent: 0 }), seal).ok).toBe(true);
  reflector.configure(new Map([[PEER, [{ id: "next", seal: OTHER }]]]));
  expect(kindOf(reflector.receive(probe(4), arrival, NOW))).toBe("bad-hmac");
  const last = reflector.receive(probe(5, { by: OTHER }), arrival, NOW);
  expect(last.ok && last.value.reflected).toBe(3);
});

describe("an answer is as long as what it answers, whatever is behind the base packet", () => {
  test.each([
    ["nothing", new Uint8Array(0)],
    ["padding", Uint8Array.of(0x80, 1, 0, 4, 9, 9, 9, 9)],
    ["an unknown type without its HMAC", Uint8Array.of(0x80, 99, 0, 0)],
    ["a length that lies", Uint8Array.of(0x80, 5, 0xff, 0xff)],
    ["three octets", Uint8Array.of(1, 2, 3)],
  ])("%s", (_what, tlvs) => {
    const reflector = ready();
    const request = encodeSender({ sequence: 1, at: T, estimate: OWN_ESTIMATE, session: 7 }, seal, tlvs);
    const accepted = reflector.receive(request, arrival, NOW);
    if (!accepted.ok) throw new Error(accepted.error.kind);
    expect(reply(accepted.value, T, { received: 1, sent: 1 }).length).toBe(BASE + tlvs.length);
  });
});

describe("the replay window", () => {
  test("takes each number once, over the wrap at 2^32", () => {
    const window = new ReplayWindow();
    const numbers = Array.from({ length: 600 }, (_, index) => (2 ** 32 - 300 + index) % 2 ** 32);
    for (const number of numbers) expect(window.take(number)).toBe("fresh");
    for (const number of numbers.slice(-256)) expect(window.take(number)).toBe("replayed");
    expect(window.take(numbers[0] ?? 0)).toBe("too-old");
  });
  test("takes what comes out of order, and a leap forgets what is behind it", () => {
    const window = new ReplayWindow();
    expect([10, 8, 9, 8, 10].map((number) => window.take(number))).toEqual([
      "fresh",
      "fresh",
      "fresh",
      "replayed",
      "replayed",
    ]);
    expect(window.take(100_000)).toBe("fresh");
    expect(window.take(99_999)).toBe("fresh");
    expect(window.take(99_744)).toBe("too-old");
    expect(window.take(99_745)).toBe("fresh");
  });
});
