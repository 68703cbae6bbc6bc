/** What is learnt, chosen and told on: the rules of RFC 4271 §5 and §9 and of communities, seen from outside. */
import { describe, expect, test } from "vitest";
import { topology } from "./topologies.ts";
import { network } from "./world.ts";

const VIP = "192.0.2.1/32";

describe("RFC 4271 §5.1: attributes between ASes and within one", () => {
  const it = topology(
    1,
    [
      [
        "origin",
        65001,
        [
          network(VIP, {
            med: 50,
            localPref: 300,
            prepend: 2,
            communities: ["65001:1"],
            largeCommunities: ["65001:2:3"],
            extendedCommunities: ["rt:65001:9"],
          }),
        ],
      ],
      ["edge", 65002],
      ["inner", 65002],
      ["third", 65003],
      ["beyond", 65002],
    ],
    [
      ["origin", "edge"],
      ["edge", "inner"],
      ["edge", "third"],
      ["inner", "beyond"],
    ],
  );
  test("§5.1.2, §5.1.3, §5.1.4: an external peer gets our AS in front, ourselves as next hop, the MED, no LOCAL_PREF", () => {
    expect(it.at("edge").best().get(VIP)).toMatchObject({
      asPath: "65001 65001 65001",
      nextHop: "10.0.0.1",
      med: 50,
      localPref: undefined,
      origin: "igp",
      communities: ["65001:1", "rt:65001:9"],
      largeCommunities: ["65001:2:3"],
    });
  });
  test("§5.1.3, §5.1.5: an internal peer gets path and next hop as they are, and LOCAL_PREF", () => {
    expect(it.at("inner").best().get(VIP)).toMatchObject({
      asPath: "65001 65001 65001",
      nextHop: "10.0.0.1",
      localPref: 100,
      med: 50,
    });
  });
  test("§5.1.4: a MED that was received is not passed on to another AS", () => {
    expect(it.at("third").best().get(VIP)).toMatchObject({
      asPath: "65002 65001 65001 65001",
      nextHop: "10.0.0.2",
      med: undefined,
    });
  });
  test("§9.2: what an internal peer said is not told to another", () => {
    expect(it.at("beyond").routes("inner")).toEqual([]);
  });
  test("§9.1.2: a path with our own AS is a loop, and §9.1.3: nobody hears its own route back", () => {
    expect(it.at("origin").routes("edge")).toEqual([]);
    const ring = topology(
      2,
      [
        ["a", 65001, [network(VIP)]],
        ["b", 65002],
        ["c", 65001],
      ],
      [
        ["a", "b"],
        ["b", "c"],
      ],
    );
    expect(ring.at("c").routes("b")).toMatchObject([{ prefix: VIP, best: false, why: "as-loop" }]);
    expect(ring.at("c").speaker.report("b", 0)?.families[0]).toMatchObject({ received: 1, accepted: 0 });
  });
  test("our own networks within our AS: an empty path, prepended by nobody", () => {
    const inside = topology(
      3,
      [
        ["a", 65001, [network(VIP, { prepend: 3, localPref: 200 })]],
        ["b", 65001],
      ],
      [["a", "b"]],
    );
    expect(inside.at("b").best().get(VIP)).toMatchObject({ asPath: "", localPref: 200, nextHop: "10.0.0.1" });
  });
});

describe("RFC 1997, RFC 8326: communities that mean something", () => {
  const it = topology(
    4,
    [
      [
        "origin",
        65001,
        [
          network("10.1.0.0/16", { communities: ["no-export"] }),
          network("10.2.0.0/16", { communities: ["no-advertise"] }),
          network("10.3.0.0/16", { communities: ["graceful-shutdown"] }),
        ],
      ],
      ["edge", 65002],
      ["inner", 65002],
      ["third", 65003],
    ],
    [
      ["origin", "edge"],
      ["edge", "inner"],
      ["edge", "third"],
    ],
  );
  test("NO_EXPORT stays in the AS that receives it", () => {
    expect(it.at("edge").best().has("10.1.0.0/16")).toBe(true);
    expect(it.at("inner").best().has("10.1.0.0/16")).toBe(true);
    expect(it.at("third").best().has("10.1.0.0/16")).toBe(false);
  });
  test("NO_ADVERTISE stays with who receives it", () => {
    expect(it.at("edge").best().has("10.2.0.0/16")).toBe(true);
    expect(it.at("inner").best().has("10.2.0.0/16")).toBe(false);
    expect(it.at("third").best().has("10.2.0.0/16")).toBe(false);
  });
  test("RFC 8326 §4.3: GRACEFUL_SHUTDOWN from outside makes LOCAL_PREF 0, here and inside", () => {
    expect(it.at("edge").best().get("10.3.0.0/16")).toMatchObject({ localPref: 0 });
    expect(it.at("inner").best().get("10.3.0.0/16")).toMatchObject({
      localPref: 0,
      communities: ["graceful-shutdown"],
    });
  });
});

describe("several paths", () => {
  test("ECMP: equal ones go to the kernel together, and leave one by one", () => {
    const vip = [network(VIP)];
    const it = topology(
      11,
      [
        ["r", 65000],
        ["a", 65001, vip],
        ["b", 65001, vip],
        ["c", 65001, [network(VIP, { prepend: 1 })]],
      ],
      [
        ["r", "a"],
        ["r", "b"],
        ["r", "c"],
      ],
    );
    expect(it.at("r").fib.get(VIP)).toEqual(["10.0.0.2", "10.0.0.3"]);
    expect(
      it
        .at("r")
        .routes()
        .map(({ peer, best, why }) => [peer, best, why]),
    ).toEqual(
      expect.arrayContaining([
        ["a", true, "router-id"],
        ["b", false, "multipath"],
        ["c", false, "as-path-length"],
      ]),
    );
    it.replan("a", []);
    it.world.run(100);
    expect(it.at("r").fib.get(VIP)).toEqual(["10.0.0.3"]);
    it.at("b").cutAll();
    it.at("b").alive = false;
    it.world.run(100);
    expect(it.at("r").fib.get(VIP)).toEqual(["10.0.0.4"]);
  });
  test("RFC 4271 §9.1.2.1: a next hop that cannot be reached is not used, until it can", () => {
    const it = topology(
      12,
      [
        ["r", 65000],
        ["a", 65001, [network(VIP)]],
      ],
      [["r", "a"]],
    );
    const r = it.at("r");
    expect(r.actions.filter(({ kind }) => kind === "track")).toMatchObject([{ wanted: true }]);
    const ip = it.at("a").addresses[0]!;
    r.feed({ kind: "next-hop", ip, metric: undefined });
    expect(r.fib.has(VIP)).toBe(false);
    expect(r.routes()).toMatchObject([{ best: false, why: "next-hop-unreachable" }]);
    r.feed({ kind: "next-hop", ip, metric: 10 });
    expect(r.fib.has(VIP)).toBe(true);
    it.replan("a", []);
    it.world.run(100);
    expect(r.actions.findLast(({ kind }) => kind === "track")).toMatchObject({ wanted: false });
  });
});

describe("a peer that takes nothing", () => {
  test("costs a table and no more; when it reads again it learns the last state only", () => {
    const it = topology(
      13,
      [
        ["a", 65001],
        ["b", 65002],
        ["c", 65003],
      ],
      [
        ["a", "b"],
        ["a", "c"],
      ],
    );
    const a = it.at("a");
    const toB = [...a.wires].find(([, { node }]) => node.name === "b")?.[0] ?? 0;
    a.stalled.add(toB);
    const octets = it.at("b").received;
    for (let round = 0; round < 50; round++) {
      it.replan(
        "a",
        Array.from({ length: 100 }, (_, index) => network(`10.0.${index}.0/24`, { med: round })),
      );
      it.world.run(10);
    }
    expect(it.at("c").routes("a")).toHaveLength(100);
    expect(it.at("b").received).toBe(octets);
    a.stalled.delete(toB);
    a.pull(toB);
    it.world.run(100);
    expect(
      it
        .at("b")
        .routes("a")
        .map(({ med }) => med),
    ).toEqual(Array.from({ length: 100 }, () => 49));
    expect(it.at("b").received - octets).toBeLessThan(1000);
  });
  test("RFC 9687 §3: is given up after the send hold time; the other peers never notice", () => {
    const it = topology(
      14,
      [
        ["a", 65001],
        ["b", 65002],
        ["c", 65003],
      ],
      [
        ["a", "b"],
        ["a", "c"],
      ],
    );
    const a = it.at("a");
    const toB = [...a.wires].find(([, { node }]) => node.name === "b")?.[0] ?? 0;
    a.feed({ kind: "queued", connection: toB, octets: 5 });
    for (let minute = 0; minute < 9; minute++) it.world.run(60_000);
    expect(a.speaker.report("b", 0)?.lastError).toBe("send-hold-timer-expired sent");
    expect(a.speaker.report("c", 0)).toMatchObject({ state: "established", established: 1 });
  });
});

describe("RFC 2918, RFC 7313: refresh", () => {
  test("what the peer lost for itself comes back, between marks", () => {
    const it = topology(
      15,
      [
        ["a", 65001, [network(VIP)]],
        ["b", 65002],
      ],
      [["a", "b"]],
    );
    const b = it.at("b");
    b.feed({ kind: "trace", peer: "a", on: true });
    b.feed({ kind: "clear", peer: "a", how: "refresh-in" });
    it.world.run(100);
    const lines = b.actions.flatMap((each) => (each.kind === "trace" ? [`${each.direction} ${each.text}`] : []));
    expect(lines).toEqual([
      "out ROUTE-REFRESH ipv4 request",
      "out ROUTE-REFRESH ipv6 request",
      "in ROUTE-REFRESH ipv4 begin",
      "in UPDATE announce 192.0.2.1/32: igp, path 65001, next hop 10.0.0.1",
      "in ROUTE-REFRESH ipv4 end",
      "in ROUTE-REFRESH ipv6 begin",
      "in ROUTE-REFRESH ipv6 end",
    ]);
    expect(b.best().has(VIP)).toBe(true);
  });
});
