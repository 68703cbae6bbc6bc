/** The small parts: loss and its certainty, MOS, pace, echo and HTTP answers, targets, lives. */
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { instant, ms } from "../../../base/unit.ts";
import { Patience } from "../../../sdwan/probe/driver/patience.ts";
import { decodeReply, type Echo, encodeEcho } from "../../../sdwan/probe/echo.ts";
import { requestOf, statusOf } from "../../../sdwan/probe/http-probe.ts";
import { bothWays, lossOf, worse } from "../../../sdwan/probe/loss.ts";
import { mosOf } from "../../../sdwan/probe/mos.ts";
import { Pacer } from "../../../sdwan/probe/pace.ts";
import { type BfdWitness, hear, lifeOf, type Witnesses } from "../../../sdwan/probe/path-life.ts";
import { Rate } from "../../../sdwan/probe/rate.ts";
import { spreadOf } from "../../../sdwan/probe/spread.ts";
import { Targets } from "../../../sdwan/probe/targets.ts";
import { Traffic } from "../../../sdwan/probe/traffic.ts";

describe("Wilson's interval at 99 %", () => {
  test("figures of textbooks", () => {
    // 10 of 100: 4.6–20.4 %; none of 100: 0–6.2 %.
    const ten = lossOf(10, 100);
    expect(ten?.low).toBeCloseTo(4.6, 1);
    expect(ten?.high).toBeCloseTo(20.38, 1);
    expect(lossOf(0, 100)?.low).toBe(0);
    expect(lossOf(0, 100)?.high).toBeCloseTo(6.22, 1);
    expect(lossOf(0, 0)).toBeUndefined();
  });
  test("holds the share itself, within 0 and 100, and gets narrower", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 10_000 }), fc.double({ min: 0, max: 1, noNaN: true }), (of, share) => {
        const lost = Math.round(of * share);
        const small = lossOf(lost, of);
        const large = lossOf(lost * 4, of * 4);
        if (small === undefined || large === undefined) throw new Error("nothing");
        expect(small.low).toBeGreaterThanOrEqual(0);
        expect(small.low).toBeLessThanOrEqual(small.percent);
        expect(small.high).toBeGreaterThanOrEqual(small.percent);
        expect(small.high).toBeLessThanOrEqual(100);
        expect(large.high - large.low).toBeLessThanOrEqual(small.high - small.low + 1e-9);
      }),
    );
  });
  test("both ways together, and the worse of two", () => {
    const [a, b] = [lossOf(50, 1000), lossOf(0, 500)];
    if (a === undefined || b === undefined) throw new Error("nothing");
    expect(bothWays(a, b).percent).toBeCloseTo(5);
    expect(bothWays(a, a).percent).toBeCloseTo(9.75);
    expect(worse(a, b)).toBe(a);
    expect(worse(undefined, b)).toBe(b);
  });
});

describe("ITU-T G.107", () => {
  test.each([
    // One way in milliseconds, jitter, loss in percent; R 86.9 and 62.8.
    [80, 10, 1, 4.26],
    [250, 30, 2, 3.24],
    [0, 0, 0, 4.4],
    [2000, 100, 50, 1],
  ])("%d ms ± %d ms, %d percent: %d", (delay, jitter, loss, mos) => {
    expect(mosOf(delay, jitter, loss)).toBeCloseTo(mos, 1);
  });
  test("worse is never better, and it stays within 1 and 4.5", () => {
    const some = fc.double({ min: 0, max: 3000, noNaN: true });
    const percent = fc.double({ min: 0, max: 100, noNaN: true });
    fc.assert(
      fc.property(some, some, percent, some, (delay, jitter, loss, more) => {
        const mos = mosOf(delay, jitter, loss);
        expect(mos).toBeGreaterThanOrEqual(1);
        expect(mos).toBeLessThanOrEqual(4.5);
        expect(mosOf(delay + more, jitter, loss)).toBeLessThanOrEqual(mos + 1e-9);
        expect(mosOf(delay, jitter, Math.min(100, loss + more))).toBeLessThanOrEqual(mos + 1e-9);
      }),
    );
  });
});

describe("pace", () => {
  const pace = { interval: 100, inDoubt: 20, deadAfter: 3, alpha: 0.3, octetsPerHour: 36_000_000 };
  test("calm at the interval, in doubt as fast as the bucket allows, then as fast as it fills", () => {
    const pacer = new Pacer(pace, 1000, instant(0));
    expect(pacer.next(instant(0), "calm", instant(0))).toBeCloseTo(105.26, 1); // 36 MB an hour less what is saved
    let at = instant(0);
    let sent = 0;
    while (at < 600_000) {
      at = pacer.next(at, "doubt", at);
      pacer.spend(1, at);
      sent++;
    }
    expect(sent * 1000).toBeLessThanOrEqual(36_000_000 / 20 + (36_000_000 * 0.95) / 6 + 1000);
    expect(sent).toBeGreaterThan(5000);
  });
  test("no hour costs more than the budget", () => {
    const urgency = fc.constantFrom("calm", "doubt", "idle");
    fc.assert(
      fc.property(
        fc.array(urgency, { minLength: 200, maxLength: 200 }),
        fc.integer({ min: 1, max: 40 }),
        (urgencies, kilo) => {
          const octetsPerHour = kilo * 1_000_000;
          const pacer = new Pacer({ ...pace, octetsPerHour }, 352, instant(0));
          const times: number[] = [];
          let at = instant(0);
          for (let step = 0; step < 20_000 && at < 3_600_000; step++) {
            at = pacer.next(at, urgencies[step % urgencies.length] ?? "calm", at);
            pacer.spend(1, at);
            times.push(at);
          }
          expect(times.filter((time) => time < 3_600_000).length * 352).toBeLessThanOrEqual(octetsPerHour + 352);
        },
      ),
      { numRuns: 10 },
    );
  });
});

describe("ICMP echo", () => {
  const echo: Echo = { identifier: 77, number: 2 ** 32 + 70_000, token: Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8) };
  const replyTo = (family: 4 | 6, bytes: Uint8Array): Uint8Array => {
    const out = bytes.slice();
    out[0] = family === 4 ? 0 : 129;
    if (family === 6) return out;
    // RFC 1624: the type is 8 less, so the sum is 0x0800 more.
    const sum = ((out[2] ?? 0) << 8) + (out[3] ?? 0) + 0x0800;
    const folded = (sum & 0xffff) + (sum >>> 16);
    out.set([folded >>> 8, folded & 0xff], 2);
    return Uint8Array.from([0x45, ...Array(19).fill(0), ...out]);
  };
  test.each([4, 6] as const)("a reply to ours is read (IPv%d)", (family) => {
    expect(decodeReply(family, replyTo(family, encodeEcho(family, echo)), echo)).toEqual({ ok: true, value: 70_000 });
  });
  test("refusals: short, no-reply, bad-checksum, foreign", () => {
    const refusal = (bytes: Uint8Array, ours = echo): unknown => {
      const decoded = decodeReply(4, bytes, ours);
      return decoded.ok ? undefined : decoded.error.kind;
    };
    const good = replyTo(4, encodeEcho(4, echo));
    expect(refusal(good.subarray(0, 30))).toBe("short");
    expect(refusal(Uint8Array.from([0x40, ...good.subarray(1)]))).toBe("short");
    expect(refusal(Uint8Array.from([0x45, ...Array(19).fill(0), ...encodeEcho(4, echo)]))).toBe("no-reply");
    const wrong = good.slice();
    wrong[22] = 1;
    expect(refusal(wrong)).toBe("bad-checksum");
    expect(refusal(good, { ...echo, identifier: 78 })).toBe("foreign");
    expect(refusal(good, { ...echo, token: new Uint8Array(8) })).toBe("foreign");
  });
  test("any octets are refused, not thrown", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) =>
        [4, 6].every((family) => !decodeReply(family as 4 | 6, bytes, echo).ok),
      ),
    );
  });
});

describe("HTTP", () => {
  const octets = (text: string): Uint8Array => new TextEncoder().encode(text);
  test("the request (RFC 9112 §3)", () => {
    const text = new TextDecoder().decode(requestOf({ host: "example.com", path: "/x" }));
    expect(text.startsWith("GET /x HTTP/1.1\r\nHost: example.com\r\n")).toBe(true);
    expect(text.endsWith("\r\n\r\n")).toBe(true);
  });
  test.each([
    ["HTTP/1.1 204 No Content\r\n", { ok: true, value: 204 }],
    ["HTTP/1.0 302 Found\r\n", { ok: true, value: 302 }],
    ["HTTP/1.1 503\r\n", { ok: true, value: 503 }],
    ["HTTP/1.1 511 Sign in\r\n", { ok: false, error: { kind: "captive", status: 511 } }],
    ["HTTP/1.1 2", { ok: false, error: { kind: "more" } }],
    ["HT", { ok: false, error: { kind: "more" } }],
    ["", { ok: false, error: { kind: "more" } }],
    ["SSH-2.0-x", { ok: false, error: { kind: "not-http" } }],
    ["HTTP/2.0 200 OK\r\n", { ok: false, error: { kind: "not-http" } }],
    ["HTTP/1.1 999 no\r\n", { ok: false, error: { kind: "not-http" } }],
  ])("%j", (text, result) => expect(statusOf(octets(text))).toEqual(result));
});

describe("targets", () => {
  test("one is asked while all is well, all in doubt", () => {
    const targets = new Targets(3);
    expect(targets.ask(1, false)).toEqual([0]);
    expect(targets.ask(2, true)).toEqual([0, 1, 2]);
  });
  test("the main one loses its place when it is silent while another answers", () => {
    const targets = new Targets(2);
    for (let round = 0; round < 3; round++) {
      targets.ask(round, true);
      expect(targets.answered(round, 1)).toEqual({ main: false, changed: false });
    }
    targets.ask(3, true);
    expect(targets.answered(3, 1)).toEqual({ main: true, changed: true });
    expect(targets.ask(4, false)).toEqual([1]);
  });
  test("it keeps it while it answers, and while nobody does", () => {
    const targets = new Targets(2);
    for (let round = 0; round < 20; round++) {
      targets.ask(round, true);
      if (round % 2 === 0) targets.answered(round, 0);
      if (round % 4 !== 3) targets.answered(round, 1);
    }
    expect(targets.main).toBe(0);
  });
});

describe("the life of a path out of all witnesses", () => {
  const up = { up: true, carrier: true };
  const all: Witnesses = {
    ifname: "nv1",
    underlay: "eth1",
    device: up,
    below: up,
    bfd: { session: "s", state: "up", fell: false },
    probes: { kind: "alive" },
  };
  test.each<[string, Partial<Witnesses>, unknown]>([
    ["all well", {}, { kind: "alive" }],
    ["no device", { device: undefined }, { kind: "dead", why: "there is no interface nv1" }],
    [
      "link without carrier",
      { below: { up: true, carrier: false } },
      { kind: "dead", why: "interface eth1 has no carrier" },
    ],
    ["link down", { below: { up: false, carrier: false } }, { kind: "dead", why: "interface eth1 is down" }],
    ["BFD fell", { bfd: { session: "s", state: "down", fell: true } }, { kind: "dead", why: "BFD session s is down" }],
    ["BFD never up: probes speak", { bfd: { session: "s", state: "down", fell: false } }, { kind: "alive" }],
    ["no probes, no BFD", { bfd: undefined, probes: undefined }, { kind: "alive" }],
    [
      "no probes, BFD not up yet",
      { bfd: { session: "s", state: "init", fell: false }, probes: undefined },
      { kind: "unknown", why: "BFD session s is init: heard, but not hearing us" },
    ],
    ["probes say dead", { probes: { kind: "dead", why: "x" } }, { kind: "dead", why: "x" }],
  ])("%s", (_what, some, life) => expect(lifeOf({ ...all, ...some })).toEqual(life));

  test("down after up is a fall until it is up again; held down on purpose is none", () => {
    const states = (...list: readonly BfdWitness["state"][]): boolean =>
      list.reduce<BfdWitness>(hear, { session: "s", state: "down", fell: false }).fell;
    expect(states("init", "down")).toBe(false);
    expect(states("up", "down")).toBe(true);
    expect(states("up", "down", "init")).toBe(true);
    expect(states("up", "down", "init", "up")).toBe(false);
    expect(states("up", "admin-down")).toBe(false);
    expect(states("up", "admin-down", "down")).toBe(false);
  });
});

describe("counters of devices", () => {
  test("bits over the newest second; a counter that goes back begins anew", () => {
    const rate = new Rate();
    for (let step = 0; step <= 40; step++) rate.add(instant(step * 50), step * 6250, step * 625);
    expect(rate.now.out).toBeCloseTo(1e6);
    expect(rate.now.back).toBeCloseTo(1e5);
    rate.add(instant(2050), 0, 0);
    expect(rate.now).toEqual({ out: 0, back: 0 });
  });
  test("loss needs enough packets, and points that can be compared", () => {
    const traffic = new Traffic();
    const add = (step: number, sent: number, received: number): void =>
      traffic.add({ at: instant(step * 50), sent, received, held: ms(0) });
    add(0, 4_294_967_200, 4_294_960_000);
    add(1, 50, 4_294_960_000 + 100);
    expect(traffic.loss(instant(50), ms(1000), 200)).toBeUndefined();
    add(2, 250, (4_294_960_000 + 300) % 2 ** 32);
    expect(traffic.loss(instant(100), ms(1000), 200)).toMatchObject({ of: 346 });
    // The other end's counter went back: it is another device's.
    add(3, 500, 10);
    expect(traffic.loss(instant(150), ms(1000), 1)).toBeUndefined();
  });
});

test("a wake-up that comes late proves nothing about silence for as long, fifty milliseconds at most", () => {
  const patience = new Patience();
  expect(patience.woken(instant(100), instant(101))).toBe(true);
  expect(patience.woken(instant(200), instant(210))).toBe(false);
  expect(patience.woken(instant(219), instant(219))).toBe(false);
  expect(patience.woken(instant(220), instant(220))).toBe(true);
  expect(patience.woken(instant(1000), instant(9000))).toBe(false);
  expect(patience.woken(instant(9050), instant(9050))).toBe(true);
});

test("a spread is of the samples that there are", () => {
  expect(spreadOf([], 1)).toBeUndefined();
  const samples = Array.from({ length: 100 }, (_, index) => index + 1);
  expect(spreadOf(samples, 3)).toEqual({ smoothed: 3, least: 1, median: 50, p95: 95, recent: 98 });
});
