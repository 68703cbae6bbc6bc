/** Two ends behind modelled gateways, checks with delay and loss between them, a virtual clock. */
import { describe, expect, test } from "vitest";
import { ipv4 } from "../../../base/address.ts";
import { after, type Instant, instant, ms } from "../../../base/unit.ts";
import type { StunAddress } from "../../../netstack/stun/packet.ts";
import type { Mapping } from "../../../netstack/stun/plan.ts";
import { Attempt, type Check, stepOf, type Way } from "../../../sdwan/nat/attempt.ts";
import type { OfferedCandidate } from "../../../sdwan/nat/offer.ts";

type Kind = "none" | "easy" | "full-cone" | "address" | "symmetric" | "sequential";
const MAPPINGS: Readonly<Record<Kind, Mapping>> = {
  none: "none",
  easy: "endpoint-independent",
  "full-cone": "endpoint-independent",
  address: "address-dependent",
  symmetric: "address-and-port-dependent",
  sequential: "address-and-port-dependent",
};
const PORT = 51_820;

/** Deterministic, good enough to draw ports by (mulberry32). */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

class Gateway {
  readonly kind: Kind;
  readonly outside: StunAddress["ip"];
  readonly inside: StunAddress["ip"];
  readonly #random: () => number;
  readonly #mapped = new Map<string, number>();
  readonly #inner = new Map<number, number>();
  readonly #open = new Set<string>();
  #next = 40_000;

  constructor(kind: Kind, outside: string, inside: string, random: () => number) {
    this.kind = kind;
    this.outside = ipv4(outside);
    this.inside = kind === "none" ? this.outside : ipv4(inside);
    this.#random = random;
  }

  out(fromPort: number, to: StunAddress): StunAddress {
    if (this.kind === "none") return { ip: this.outside, port: fromPort };
    const where = {
      easy: "",
      "full-cone": "",
      address: `${to.ip}`,
      symmetric: `${to.ip}:${to.port}`,
      sequential: `${to.ip}:${to.port}`,
    };
    const key = `${fromPort} ${where[this.kind]}`;
    let port = this.#mapped.get(key);
    if (port === undefined) {
      port =
        this.kind === "symmetric" || this.kind === "address"
          ? 1024 + Math.floor(this.#random() * 64_000)
          : ++this.#next;
      this.#mapped.set(key, port);
      this.#inner.set(port, fromPort);
    }
    this.#open.add(`${port} ${to.ip}:${to.port}`);
    return { ip: this.outside, port };
  }

  /** The inside port that a packet gets to; undefined: it is dropped. */
  in(from: StunAddress, port: number): number | undefined {
    if (this.kind === "none") return port;
    if (this.kind !== "full-cone" && !this.#open.has(`${port} ${from.ip}:${from.port}`)) return undefined;
    return this.#inner.get(port);
  }
}

interface End {
  readonly gateway: Gateway;
  readonly attempt: Attempt;
}

interface Meeting {
  readonly ways: readonly (Way | "failed" | undefined)[];
  readonly at: Instant;
  readonly checks: number;
}

const STUN: StunAddress = { ip: ipv4("198.51.100.1"), port: 3478 };
const STUN2: StunAddress = { ip: ipv4("198.51.100.2"), port: 3478 };

function meet(
  a: Kind,
  b: Kind,
  options: { loss?: number; seed?: number; late?: number; others?: readonly [number, number] } = {},
): Meeting {
  const random = randomFrom(options.seed ?? 1);
  const gateways = [
    new Gateway(a, "203.0.113.11", "192.168.1.10", random),
    new Gateway(b, "203.0.113.12", "192.168.2.10", random),
  ];
  const offers = gateways.map((gateway) => {
    const ports = [
      gateway.out(PORT, STUN).port,
      gateway.out(PORT, STUN2).port,
      gateway.out(PORT, { ...STUN2, port: 3479 }).port,
    ];
    const candidates: OfferedCandidate[] = [{ at: { ip: gateway.inside, port: PORT }, kind: "host" }];
    if (gateway.kind !== "none")
      candidates.push({ at: { ip: gateway.outside, port: ports.at(-1) ?? 0 }, kind: "mapped" });
    const hard = gateway.kind === "symmetric" || gateway.kind === "sequential" || gateway.kind === "address";
    return { mapping: MAPPINGS[gateway.kind], step: hard ? stepOf(ports) : undefined, candidates };
  });
  // Ports that somebody else behind the gateways took since.
  for (const [index, gateway] of gateways.entries())
    for (let n = 0; n < (options.others?.[index] ?? 0); n++) gateway.out(9, { ip: STUN.ip, port: 10_000 + n });
  let now = instant(0);
  const queue: { at: Instant; run: () => void }[] = [];
  const ends: End[] = gateways.map((gateway, index) => ({
    gateway,
    attempt: new Attempt(
      {
        localPort: PORT,
        own: offers[index] ?? { mapping: "unknown" },
        theirs: offers[1 - index] ?? { mapping: "unknown", step: undefined, candidates: [] },
        random,
        leaps: index === 1,
      },
      instant(index * (options.late ?? 0)),
    ),
  }));
  const later = (run: () => void): void => {
    if (random() >= (options.loss ?? 0)) queue.push({ at: after(now, ms(10)), run });
  };
  let checks = 0;
  const send = (from: End, to: End, check: Check): void => {
    checks++;
    const seen = from.gateway.out(check.fromPort, check.to);
    if (check.to.ip !== to.gateway.outside) return; // another's private address
    later(() => {
      const port = to.gateway.in(seen, check.to.port);
      if (port === undefined) return;
      to.attempt.asked(seen, port, now);
      const answerFrom = to.gateway.out(port, seen);
      later(() => {
        const back = from.gateway.in(answerFrom, seen.port);
        const same = answerFrom.ip === check.to.ip && answerFrom.port === check.to.port;
        if (back === check.fromPort && same) from.attempt.answered(check, now);
      });
    });
  };
  const [one, two] = ends;
  if (one === undefined || two === undefined) throw new TypeError("two ends");
  for (let turn = 0; turn < 20_000 && ends.some(({ attempt }) => attempt.result === undefined); turn++) {
    for (const [from, to] of [
      [one, two],
      [two, one],
    ] as const)
      for (const check of from.attempt.wake(now)) send(from, to, check);
    queue.sort((x, y) => x.at - y.at);
    const next = [queue[0]?.at, one.attempt.due, two.attempt.due].filter((each) => each !== undefined);
    if (next.length > 0) now = instant(Math.max(now, Math.min(...next)));
    while (queue[0] !== undefined && queue[0].at <= now) queue.shift()?.run();
  }
  return { ways: ends.map(({ attempt }) => attempt.result), at: now, checks };
}

const KINDS = Object.keys(MAPPINGS) as Kind[];
const hard = (kind: Kind): boolean => kind === "address" || kind === "symmetric" || kind === "sequential";
const pairs = KINDS.flatMap((a, index) => KINDS.slice(index).map((b) => ({ a, b })));

describe("an attempt of two ends to meet", () => {
  test.each(pairs.filter(({ a, b }) => !hard(a) || !hard(b)))("$a and $b meet", ({ a, b }) => {
    const { ways } = meet(a, b);
    for (const way of ways) expect(way).toMatchObject({ endpoint: expect.any(Object) });
  });

  test.each(pairs.filter(({ a, b }) => hard(a) && hard(b) && a !== "sequential" && b !== "sequential"))(
    "$a and $b do not, and give up",
    ({ a, b }) => {
      const { ways, at } = meet(a, b);
      expect(ways).toEqual(["failed", "failed"]);
      expect(at).toBeLessThanOrEqual(6_100);
    },
  );

  test("two that count up meet, whatever others behind the same gateways take meanwhile", () => {
    for (const a of [0, 1, 2, 5, 10])
      for (const b of [0, 1, 3, 10])
        for (const way of meet("sequential", "sequential", { others: [a, b] }).ways)
          expect({ a, b, way }).toMatchObject({ way: { found: "predicted" } });
  });

  test("each end finds the other by what its gateway is", () => {
    expect(meet("none", "easy").ways).toMatchObject([{ found: "mapped" }, { found: "host" }]);
    expect(meet("easy", "easy").ways).toMatchObject([{ found: "mapped" }, { found: "mapped" }]);
    const [atEasy] = meet("easy", "sequential").ways;
    expect(["mapped", "predicted"]).toContain((atEasy as Way).found);
    expect(meet("easy", "symmetric").ways).toMatchObject([{ found: "birthday" }, { found: "birthday" }]);
  });

  test("a birthday is found by nearly every draw, within its bounds", () => {
    const tries = Array.from({ length: 40 }, (_, seed) => meet("easy", "symmetric", { seed: seed + 1 }));
    expect(tries.filter(({ ways }) => ways.every((way) => way !== "failed")).length).toBeGreaterThanOrEqual(36);
    for (const { checks } of tries) expect(checks).toBeLessThan(1024 + 4 * 256 + 2 * 60 * 48);
  });

  test("30 % loss, and an end that begins half a second later, only delay it", () => {
    for (let seed = 1; seed <= 20; seed++)
      for (const way of meet("easy", "easy", { loss: 0.3, seed, late: 500 }).ways) expect(way).not.toBe("failed");
  });

  test("checks that come from elsewhere than the other end said draw few of ours: they may be old ones, said again", () => {
    const mapped: OfferedCandidate = { at: { ip: ipv4("203.0.113.12"), port: 40_001 }, kind: "mapped" };
    const theirs = { mapping: "endpoint-independent", step: undefined, candidates: [mapped] } as const;
    const attempt = new Attempt(
      { localPort: PORT, own: { mapping: "endpoint-independent" }, theirs, random: () => 0.5 },
      instant(0),
    );
    let astray = 0;
    let meant = 0;
    for (let now = 0; now < 6_000; now += 10) {
      attempt.asked({ ip: ipv4(`198.18.0.${(now / 10) % 256}`), port: 53 }, PORT, instant(now));
      for (const { to } of attempt.wake(instant(now))) {
        if (to.ip === mapped.at.ip) meant++;
        else astray++;
      }
    }
    expect(astray).toBeGreaterThan(0);
    expect(astray).toBeLessThanOrEqual(40);
    expect(meant).toBeGreaterThan(20);
    expect(meant).toBeLessThan(60);
  });

  test("a port that others need is not left: no ports are opened then, nor any that is taken", () => {
    const mapped: OfferedCandidate = { at: { ip: ipv4("203.0.113.12"), port: 40_001 }, kind: "mapped" };
    const theirs = { mapping: "endpoint-independent", step: undefined, candidates: [mapped] } as const;
    const spec = { localPort: PORT, own: { mapping: "address-dependent" }, theirs, random: randomFrom(3) } as const;
    const free = new Attempt({ ...spec, taken: (port) => port % 2 === 0 }, instant(0));
    expect(free.ports.size).toBe(257);
    expect([...free.ports].filter((port) => port % 2 === 0)).toEqual([PORT]);
    const bound = new Attempt({ ...spec, mayMove: false }, instant(0));
    expect(bound.ports.size).toBe(1);
  });

  test("where WireGuard calls already is kept if it answers, and what an operator said comes before what is near", () => {
    const [said, near] = [
      { ip: ipv4("203.0.113.12"), port: PORT },
      { ip: ipv4("192.168.1.20"), port: PORT },
    ];
    const candidates: OfferedCandidate[] = [
      { at: said, kind: "configured" },
      { at: near, kind: "host" },
    ];
    const theirs = { mapping: "none", step: undefined, candidates } as const;
    for (const [current, expected] of [
      [undefined, said],
      [near, near],
    ] as const) {
      const spec = { localPort: PORT, own: { mapping: "none" }, theirs, random: () => 0.5, current } as const;
      const attempt = new Attempt(spec, instant(0));
      attempt.wake(instant(0));
      const other = expected === said ? near : said;
      attempt.answered({ to: other, fromPort: PORT }, instant(10));
      attempt.wake(instant(20));
      expect(attempt.result).toBeUndefined();
      attempt.answered({ to: expected, fromPort: PORT }, instant(20));
      attempt.wake(instant(20));
      expect(attempt.result).toMatchObject({ endpoint: expected });
    }
  });

  test("a nearer way that answers a moment later is taken", () => {
    const near: StunAddress = { ip: ipv4("192.168.1.20"), port: PORT };
    const far: StunAddress = { ip: ipv4("203.0.113.12"), port: 40_001 };
    const candidates: OfferedCandidate[] = [
      { at: far, kind: "mapped" },
      { at: near, kind: "host" },
    ];
    const theirs = { mapping: "endpoint-independent", step: undefined, candidates } as const;
    const attempt = new Attempt(
      { localPort: PORT, own: { mapping: "endpoint-independent" }, theirs, random: () => 0.5 },
      instant(0),
    );
    expect(attempt.wake(instant(0)).map(({ to }) => to)).toEqual([far, near]);
    attempt.answered({ to: far, fromPort: PORT }, instant(10));
    attempt.wake(instant(20));
    expect(attempt.result).toBeUndefined();
    attempt.answered({ to: near, fromPort: PORT }, instant(30));
    attempt.wake(instant(30));
    expect(attempt.result).toMatchObject({ endpoint: near, found: "host" });
  });
});

test("ports in a row are seen as such; chance is not", () => {
  expect(stepOf([4000, 4001, 4002])).toBe(1);
  expect(stepOf([4000, 3998])).toBe(-2);
  // Others take ports, too.
  expect(stepOf([4000, 4001, 4003])).toBe(1);
  expect(stepOf([4000, 4004, 4006])).toBe(2);
  expect(stepOf([4000, 4001, 3999])).toBeUndefined();
  expect(stepOf([4000, 4000])).toBeUndefined();
  expect(stepOf([4000, 9000])).toBeUndefined();
  expect(stepOf([4000])).toBeUndefined();
});
