import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ms, seconds } from "../../base/unit.ts";
import { type Member, pick } from "../../proxy/balance/round-robin.ts";
import { Timed, Wheel } from "../../proxy/wheel.ts";
import type { FakeStream } from "./fake-loop.ts";
import { backend, NO_LEAKS, proxy, Rig } from "./rig.ts";

const GET = "GET /a HTTP/1.1\r\nHost: h.example\r\n\r\n";
const OK = "HTTP/1.1 200 OK\r\nDate: now\r\nContent-Length: 5\r\n\r\nhello";
const { pool } = backend();

describe("smooth weighted round robin", () => {
  const member = (weight: number, usable = true): Member => ({ weight, credit: 0, usable: () => usable });

  it("spreads 5, 1, 1 as evenly as can be", () => {
    const members = [member(5), member(1), member(1)];
    const order = Array.from({ length: 7 }, () => "abc"[members.indexOf(pick(members) as Member)]);
    expect(order.join("")).toBe("aabacaa");
  });

  it("gives each member its weight in every round, and never one that is not usable", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.integer({ min: 0, max: 9 }), fc.boolean()), { maxLength: 8 }), (shape) => {
        const members = shape.map(([weight, usable]) => member(weight, usable));
        const usable = members.filter((each) => each.weight > 0 && each.usable());
        const total = usable.reduce((sum, each) => sum + each.weight, 0);
        if (total === 0) {
          expect(pick(members)).toBeUndefined();
          return;
        }
        const counts = new Map<Member, number>();
        for (let round = 0; round < total * 3; round++) {
          const picked = pick(members) as Member;
          counts.set(picked, (counts.get(picked) ?? 0) + 1);
        }
        expect(members.map((each) => counts.get(each) ?? 0)).toEqual(
          members.map((each) => (usable.includes(each) ? each.weight * 3 : 0)),
        );
      }),
    );
  });
});

describe("the wheel", () => {
  it("calls each entry once, in the tick it is due in, whatever happens in between", () => {
    class Entry extends Timed {
      readonly fired: number[] = [];
      again: (() => void) | undefined = undefined;
      override expired(): void {
        this.fired.push(wheel.tick);
        this.again?.();
      }
    }
    let wheel = new Wheel();
    const operation = fc.record({ entry: fc.nat(4), ticks: fc.integer({ min: 1, max: 3000 }), pass: fc.nat(1500) });
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 30 }), (operations) => {
        wheel = new Wheel();
        const entries = Array.from({ length: 5 }, () => new Entry());
        // The second is disarmed by the first, the third arms itself again.
        const [first, second, third] = entries as [Entry, Entry, Entry];
        first.again = () => wheel.remove(second);
        const due = entries.map(() => 0);
        const expected = entries.map((): number[] => []);
        const advance = (): void => {
          wheel.advance();
          const firstFires = due[0] === wheel.tick;
          due.forEach((at, index) => {
            if (at !== wheel.tick) return;
            due[index] = 0;
            if (index === 1 && firstFires) return;
            expected[index]?.push(wheel.tick);
          });
          if (firstFires) due[1] = 0;
        };
        third.again = undefined;
        for (const { entry, ticks, pass } of operations) {
          // First and second never expire in the same tick: their order in it is not promised.
          const at = wheel.tick + ticks;
          if (entry < 2 && due[1 - entry] === at) continue;
          wheel.arm(entries[entry] as Entry, ticks);
          due[entry] = at;
          for (let tick = 0; tick < pass; tick++) advance();
        }
        for (let tick = 0; tick < 3001; tick++) advance();
        expect(entries.map((each) => each.fired)).toEqual(expected);
      }),
      { numRuns: 40 },
    );
  });
});

describe("maxConnsPerHost", () => {
  const limited = (max: number, part = {}) =>
    new Rig(proxy([{}], [{ pool: { ...pool, maxConnsPerHost: max }, ...part }]));

  it("makes the next request wait for a connection, first come first served", () => {
    const rig = limited(1);
    const clients = [rig.client(), rig.client(), rig.client()];
    clients.forEach((client, index) => rig.say(client, GET.replace("/a", `/${index}`)));
    expect(rig.loop.dialled).toHaveLength(1);
    const server = rig.server();
    for (let index = 0; index < 3; index++) {
      expect(server.text).toContain(`GET /${index} `);
      expect(server.text).not.toContain(`GET /${index + 1} `);
      rig.say(server, OK);
      expect(clients[index]?.text).toBe(OK);
    }
    expect(rig.plane.pools()).toEqual({ b: [0, 1, 2, 1] });
  });

  it("gives the place of a connection that died to the next", () => {
    const rig = limited(1);
    const [first, second] = [rig.client(), rig.client()];
    rig.say(first, GET);
    rig.say(second, GET);
    rig.server().reset();
    rig.loop.turn();
    expect(first.text).toMatch(/^HTTP\/1\.1 502/);
    rig.say(rig.server(), OK);
    expect(second.text).toBe(OK);
  });

  it("answers 503 to who waits too long, and forgets a client that left", () => {
    const rig = limited(1, { connectTimeout: ms(1000) });
    const [first, second, third] = [rig.client(), rig.client(), rig.client()];
    for (const client of [first, second, third]) rig.say(client, GET);
    second.reset();
    const server = rig.server();
    rig.pass(seconds(2));
    expect(third.text).toMatch(/^HTTP\/1\.1 503/);
    rig.say(server, OK);
    expect(first.text).toBe(OK);
    rig.pass(seconds(200));
    expect(rig.leaks()).toEqual(NO_LEAKS);
  });

  it("answers 503 at once when too many wait already", () => {
    const rig = limited(1);
    rig.say(rig.client(), GET);
    for (let waiting = 0; waiting < 1024; waiting++) rig.client().feed(GET);
    rig.loop.turn();
    const late = rig.client();
    rig.say(late, GET);
    expect(late.text).toMatch(/^HTTP\/1\.1 503/);
  });

  it("goes round to endpoints that have room", () => {
    const endpoints = ["198.51.100.1", "198.51.100.2"].map((address) => ({ address, port: 80, weight: 1 }));
    const rig = limited(1, { endpoints });
    for (let client = 0; client < 3; client++) rig.say(rig.client(), GET);
    expect(new Set(rig.loop.dialled.map((stream) => stream.remote?.ip)).size).toBe(2);
  });
});

describe("an endpoint that cannot be connected", () => {
  const two = ["198.51.100.1", "198.51.100.2"].map((address) => ({ address, port: 80, weight: 1 }));
  const last = (stream: FakeStream | undefined): number => Number(stream?.remote?.ip) & 255;
  /** A request whose first attempt is refused by endpoint 1; where it went. */
  function attempt(rig: Rig): number[] {
    const client = rig.client();
    rig.say(client, GET);
    const went: number[] = [];
    for (let stream = rig.loop.dialled[0]; stream !== undefined; stream = rig.loop.dialled[0]) {
      went.push(last(stream));
      if (last(stream) === 1) stream.refuse(111);
      else stream.establish();
      rig.loop.turn();
    }
    const server = rig.loop.streams.findLast((stream) => stream.open && stream.text.startsWith("GET"));
    if (server !== undefined) rig.say(server, OK.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n"));
    return went;
  }

  it("is avoided for a second, then tried again, and for longer each time it fails", () => {
    const rig = new Rig(proxy([{}], [{ endpoints: two }]));
    expect(attempt(rig)).toEqual([1, 2]);
    for (let round = 0; round < 5; round++) expect(attempt(rig)).toEqual([2]);
    rig.pass(ms(1200));
    const tries = [attempt(rig), attempt(rig)].filter((went) => went.includes(1));
    expect(tries).toHaveLength(1);
    rig.pass(ms(1200));
    for (let round = 0; round < 4; round++) expect(attempt(rig)).toEqual([2]);
  });

  it("is not avoided when it was this host that lacked something", () => {
    const rig = new Rig(proxy([{}], [{ endpoints: two }]));
    rig.say(rig.client(), GET);
    rig.loop.dialled[0]?.refuse(24);
    rig.loop.turn();
    expect(rig.plane.endpoint("b", "198.51.100.1:80")?.avoided).toBe(false);
  });

  it("is used all the same when no other is left, and preferred no less once it answers", () => {
    const rig = new Rig(proxy([{}], [{ endpoints: two }]));
    attempt(rig);
    rig.plane.judge("b", "198.51.100.2:80", false);
    const client = rig.client();
    rig.say(client, GET);
    expect(last(rig.loop.dialled[0])).toBe(1);
    rig.say(rig.server(), OK);
    expect(client.text).toBe(OK);
    rig.plane.judge("b", "198.51.100.2:80", true);
    const went = [rig.client(), rig.client()].map((each) => {
      rig.say(each, GET);
      return rig.loop.dialled.length;
    });
    // One of them over the kept connection to endpoint 1.
    expect(went).toEqual([0, 1].includes(went[0] ?? 9) ? went : []);
    expect(Math.max(...went)).toBe(1);
  });
});

describe("idle connections", () => {
  /** As many exchanges at once, so as many connections, all idle afterwards. */
  function fill(rig: Rig, count: number): FakeStream[] {
    const clients = Array.from({ length: count }, () => rig.client());
    for (const client of clients) rig.say(client, GET);
    const servers: FakeStream[] = [];
    while (rig.loop.dialled.length > 0) servers.push(rig.server());
    for (const server of servers) rig.say(server, OK);
    return servers;
  }

  it("beyond maxIdleConnsPerHost are closed when they have not been used for a second", () => {
    const rig = new Rig(proxy([{}], [{ pool: { ...pool, maxIdleConnsPerHost: 3 } }]));
    fill(rig, 8);
    expect(rig.plane.pools()["b"]?.[1]).toBe(8);
    rig.pass(seconds(2));
    rig.plane.trim();
    expect(rig.plane.pools()["b"]?.[1]).toBe(3);
  });

  it("beyond maxIdleConns of all endpoints together as well", () => {
    const endpoints = ["198.51.100.1", "198.51.100.2"].map((address) => ({ address, port: 80, weight: 1 }));
    const rig = new Rig(proxy([{}], [{ endpoints, pool: { ...pool, maxIdleConns: 5 } }]));
    fill(rig, 8);
    rig.pass(seconds(2));
    rig.plane.trim();
    expect(rig.plane.pools()["b"]?.[1]).toBe(5);
  });

  it("are used again newest first, so that the oldest may time out", () => {
    const rig = new Rig(proxy([{}], [{ pool: { ...pool, idleConnTimeout: seconds(3) } }]));
    const [oldest, newest] = fill(rig, 2) as [FakeStream, FakeStream];
    for (let round = 0; round < 5; round++) {
      rig.pass(seconds(1));
      rig.say(rig.client(), GET);
      rig.say(newest, OK);
    }
    expect(oldest.open).toBe(false);
    expect(rig.plane.pools()["b"]).toEqual([0, 1, 5, 2]);
  });
});

describe("weights of backends", () => {
  it("share requests, and a backend that is down leaves its share to the others", () => {
    const at = (address: string) => [{ address, port: 80, weight: 1 }];
    const rig = new Rig(
      proxy(
        [
          {
            backends: [
              { backend: "b", weight: 3 },
              { backend: "c", weight: 1 },
              { backend: "never", weight: 0 },
            ],
          },
        ],
        [
          { endpoints: at("198.51.100.1") },
          { name: "c", endpoints: at("198.51.100.2") },
          { name: "never", endpoints: at("198.51.100.3") },
        ],
      ),
    );
    const send = (count: number): number[] => {
      const before = rig.loop.dialled.length;
      for (let client = 0; client < count; client++) rig.say(rig.client(), GET);
      return rig.loop.dialled.slice(before).map((stream) => Number(stream.remote?.ip) & 255);
    };
    expect(send(8).filter((last) => last === 1)).toHaveLength(6);
    rig.plane.judge("b", "198.51.100.1:80", false);
    expect(new Set(send(4))).toEqual(new Set([2]));
    rig.plane.judge("c", "198.51.100.2:80", false);
    const refused = rig.client();
    rig.say(refused, GET);
    expect(refused.text).toMatch(/^HTTP\/1\.1 503/);
  });
});
