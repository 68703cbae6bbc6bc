/** What BGP learns, in the kernel: on a host of its own. */
import { execFileSync } from "node:child_process";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { formatIp, type Ip, ipv4, ipv6, type Prefix, parsePrefix } from "../../../../base/address.ts";
import { Gateways } from "../../../../netstack/bgp/driver/gateways.ts";
import { Interfaces } from "../../../../netstack/bgp/driver/interfaces.ts";
import { KernelRoutes } from "../../../../netstack/bgp/driver/kernel-routes.ts";
import { Shares } from "../../../../netstack/bgp/driver/shares.ts";
import type { RouteChange } from "../../../../netstack/bgp/event.ts";
import type { Loop } from "../../../../netstack/kernel/loop.ts";
import { BGP_ROUTE_PROTOCOL } from "../../../../netstack/kernel/marks.ts";
import { RouteSocket } from "../../../../netstack/kernel/netlink/route-socket.ts";
import { watch } from "../../../../netstack/kernel/netlink/watch.ts";
import { open, until } from "../../kernel/loop-probe.ts";
import { type Host, Segment, UNABLE } from "../../kernel/segment.ts";

const WHERE = { table: 254, metric: 20, multipath: 4 };
const R1 = ipv4("192.0.2.2");
const R2 = ipv4("192.0.2.3");
const R6 = ipv6("2001:db8::2");

describe.skipIf(UNABLE !== undefined)("routes learnt by BGP in the kernel", () => {
  let segment: Segment;
  let host: Host;
  let loop: Loop;
  beforeEach(() => {
    segment = new Segment({ a: [ipv4("192.0.2.1"), ipv6("2001:db8::1")] });
    host = segment.host("a");
    loop = host.do(() => open("epoll"));
  });
  afterEach(() => {
    loop[Symbol.dispose]();
    segment[Symbol.dispose]();
  });

  /** One life of the process's half that looks after routes. */
  class Life implements Disposable {
    readonly route = host.do(() => new RouteSocket());
    readonly warnings: string[] = [];
    readonly refused: number[] = [];
    readonly reached = new Map<Ip, number | undefined>();
    readonly #queue: RouteChange[] = [];
    readonly #shares = new Shares(loop, () => undefined);
    readonly #interfaces: Interfaces;
    readonly gateways: Gateways;
    readonly kernel: KernelRoutes;
    readonly #watch: Disposable;

    constructor(install: typeof WHERE | "none" = WHERE) {
      this.#interfaces = new Interfaces(this.route, { moved: () => undefined });
      this.gateways = new Gateways(loop, this.route, this.#interfaces, {
        reached: (ip, metric) => this.reached.set(ip, metric),
        rerouted: (ip, ifname) => this.kernel.rerouted(ip, ifname),
      });
      this.kernel = new KernelRoutes({
        loop,
        route: this.route,
        shares: this.#shares,
        next: (most) => this.#queue.splice(0, most),
        gateway: (ip, ifname) => this.gateways.of(ip, ifname),
        warn: (name, fields) => {
          this.warnings.push(`${name} ${String(fields["why"] ?? fields["routes"])}`);
          if (typeof fields["refused"] === "number") this.refused.push(fields["refused"]);
        },
      });
      const topics = ["links", "addresses", "routes"] as const;
      const changed = (change: Parameters<Interfaces["changed"]>[0]): void => {
        this.#interfaces.changed(change);
        if (change.kind === "link" || (change.kind === "route" && change.gone)) this.kernel.check();
        else if (change.kind === "route") this.kernel.touched(change.route);
        this.gateways.changed();
      };
      this.#watch = host.do(() => watch(loop, topics, { changed }, this.route.port));
      this.kernel.plan(install === "none" ? undefined : install);
    }

    learn(...changes: readonly (readonly [string, ...Ip[]])[]): void {
      for (const [text, ...ips] of changes)
        this.#queue.push({ prefix: prefix(text), nextHops: ips.map((ip) => ({ ip, ifname: undefined })) });
      this.kernel.changed();
      until(loop, "the kernel's answer", () => this.#queue.length === 0);
      for (let turn = 0; turn < 5; turn++) loop.turn(false);
    }
    /** A last change, and the word that there are no more, before the first is pulled. */
    settle(...changes: readonly (readonly [string, ...Ip[]])[]): void {
      this.kernel.converged();
      this.learn(...changes);
    }
    /** What is in the kernel, as "prefix via gateways". */
    get there(): readonly string[] {
      return host.route
        .routes({ table: 254, protocol: BGP_ROUTE_PROTOCOL })
        .map(({ destination, hops, metric }) => {
          const via = hops.map(({ gateway }) => (gateway === undefined ? "?" : formatIp(gateway)));
          return `${formatIp(destination.ip)}/${destination.length} ${metric} ${via.join(",")}`;
        })
        .sort();
    }
    die(): void {
      this.kernel.keep();
      this[Symbol.dispose]();
    }
    [Symbol.dispose](): void {
      this.#watch[Symbol.dispose]();
      this.gateways[Symbol.dispose]();
      this.kernel[Symbol.dispose]();
      this.#shares[Symbol.dispose]();
      this.route[Symbol.dispose]();
    }
  }

  test("come, change, have several next hops, go; and all of them go with us", () => {
    const life = new Life();
    life.learn(["198.51.100.0/24", R1], ["2001:db8:1::/48", R6], ["198.51.101.0/24", R1, R2]);
    expect(life.there).toEqual([
      "198.51.100.0/24 20 192.0.2.2",
      "198.51.101.0/24 20 192.0.2.2,192.0.2.3",
      "2001:db8:1::/48 20 2001:db8::2",
    ]);
    life.learn(["198.51.100.0/24", R2], ["198.51.101.0/24", R2], ["2001:db8:1::/48"]);
    expect(life.there).toEqual(["198.51.100.0/24 20 192.0.2.3", "198.51.101.0/24 20 192.0.2.3"]);
    life[Symbol.dispose]();
    expect(life.there).toEqual([]);
  });

  test("what an earlier life left stays until all is known, then what nobody wants goes", () => {
    const before = new Life();
    before.learn(["198.51.100.0/24", R1], ["198.51.101.0/24", R1], ["198.51.102.0/24", R1]);
    before.die();
    const after = new Life();
    expect(after.there.length).toBe(3);
    after.learn(["198.51.100.0/24", R1], ["198.51.101.0/24", R2]);
    expect(after.there).toContain("198.51.102.0/24 20 192.0.2.2");
    // All at once, as from a peer whose End-of-RIB comes with its last routes.
    after.learn(["198.51.104.0/24", R1]);
    after.learn(["198.51.104.0/24"]);
    after.settle(["198.51.103.0/24", R1]);
    expect(after.there).toEqual([
      "198.51.100.0/24 20 192.0.2.2",
      "198.51.101.0/24 20 192.0.2.3",
      "198.51.103.0/24 20 192.0.2.2",
    ]);
    expect(after.warnings).toEqual([]);
    after.die();
    const none = new Life("none");
    expect(none.there).toEqual([]);
    none[Symbol.dispose]();
  });

  test("another metric: moved there, and not left behind", () => {
    const life = new Life();
    life.learn(["198.51.100.0/24", R1]);
    life.kernel.plan({ ...WHERE, metric: 30 });
    expect(life.there).toEqual(["198.51.100.0/24 30 192.0.2.2"]);
    life.kernel.plan(undefined);
    expect(life.there).toEqual([]);
    life.kernel.plan(WHERE);
    expect(life.there).toEqual(["198.51.100.0/24 20 192.0.2.2"]);
    life[Symbol.dispose]();
  });

  test("what a stranger takes away comes back; what a stranger has put in our place is left to him, and said", () => {
    const life = new Life();
    const foreign = { destination: prefix("198.51.101.0/24"), table: 254, metric: 20, protocol: 4, gateway: R2 };
    host.route.addRoute(foreign);
    life.learn(["198.51.100.0/24", R1], ["198.51.101.0/24", R1], ["198.51.102.0/24", R1]);
    expect(life.there).toEqual(["198.51.100.0/24 20 192.0.2.2", "198.51.102.0/24 20 192.0.2.2"]);
    expect(host.route.routes({ protocol: 4 })).toMatchObject([{ hops: [{ gateway: R2 }] }]);
    expect(life.warnings).toEqual(["bgp.route-refused somebody else has a route of the same table and metric"]);
    host.route.deleteRoute({ destination: prefix("198.51.100.0/24"), table: 254, protocol: BGP_ROUTE_PROTOCOL });
    until(loop, "restored", () => life.there.length === 2);
    expect(life.warnings[1]).toBe("bgp.routes-restored 1");
    // Gone is the stranger's: our own takes its place at the next look.
    host.route.deleteRoute(foreign);
    until(loop, "in its place", () => life.there.length === 3);
    life[Symbol.dispose]();
  });

  test("next hops that a stranger appends to an IPv6 route of ours are taken out again; beside it they are his", () => {
    const append = (prefix: string, metric: string): void => {
      const words = ["-6", "route", "append", prefix, "via", "2001:db8::3", "metric", metric, "proto", "static"];
      host.do(() => execFileSync("ip", words));
    };
    const life = new Life();
    const R7 = ipv6("2001:db8::4");
    life.learn(["2001:db8:1::/48", R6], ["2001:db8:2::/48", R6, R7]);
    const ours = ["2001:db8:1::/48 20 2001:db8::2", "2001:db8:2::/48 20 2001:db8::2,2001:db8::4"];
    expect(life.there).toEqual(ours);
    append("2001:db8:1::/48", "20");
    append("2001:db8:2::/48", "20");
    expect(life.there).toEqual([
      "2001:db8:1::/48 20 2001:db8::2,2001:db8::3",
      "2001:db8:2::/48 20 2001:db8::2,2001:db8::4,2001:db8::3",
    ]);
    until(loop, "put right", () => life.warnings.length === 1);
    expect([life.there, life.warnings]).toEqual([ours, ["bgp.routes-restored 2"]]);
    append("2001:db8:1::/48", "30");
    append("2001:db8:3::/48", "20");
    life.learn(["2001:db8:1::/48"], ["2001:db8:2::/48"], ["2001:db8:3::/48", R6]);
    const strange = host.route.routes({ table: 254, protocol: 4 });
    expect(strange.map(({ destination }) => formatIp(destination.ip))).toEqual(["2001:db8:1::", "2001:db8:3::"]);
    expect(life.there).toEqual([]);
    expect(life.warnings.at(-1)).toBe("bgp.route-refused somebody else has a route of the same table and metric");
    life[Symbol.dispose]();
    expect(host.route.routes({ table: 254, protocol: 4 })).toHaveLength(2);
  });

  test("refused routes are told by reason, the first, the second, the fourth; again when the reason comes back", () => {
    const life = new Life();
    const all = [0, 1, 2, 3, 4].map((n) => `198.51.${n}.0/24`);
    const foreign = all.map((text) => ({
      destination: prefix(text),
      table: 254,
      metric: 20,
      protocol: 4,
      gateway: R2,
    }));
    for (const each of foreign) host.route.addRoute(each);
    life.learn(...all.map((text) => [text, R1] as const));
    expect(life.refused).toEqual([1, 2, 4]);
    for (const each of foreign) host.route.deleteRoute(each);
    until(loop, "in their place", () => life.there.length === 5);
    life.learn(...all.map((text) => [text] as const));
    for (const each of foreign) host.route.addRoute(each);
    life.learn(...all.map((text) => [text, R1] as const));
    expect(life.refused).toEqual([1, 2, 4, 1, 2, 4]);
    life[Symbol.dispose]();
  });

  test("RFC 4271 §5.1.3: a next hop behind a router is reached through it; when the way changes, so do the routes", () => {
    const life = new Life();
    const far = ipv4("203.0.113.1");
    const way = { destination: prefix("203.0.113.0/24"), table: 254, protocol: 4, metric: 7 };
    life.gateways.track(far, undefined, true);
    expect(life.reached.get(far)).toBeUndefined();
    life.learn(["198.51.100.0/24", far]);
    expect(life.there).toEqual([]);
    host.route.addRoute({ ...way, gateway: R1 });
    until(loop, "reachable", () => life.reached.get(far) === 7);
    expect(life.there).toEqual(["198.51.100.0/24 20 192.0.2.2"]);
    host.route.replaceRoute({ ...way, gateway: R2 });
    until(loop, "the other way", () => life.there[0] === "198.51.100.0/24 20 192.0.2.3");
    expect(life.reached.get(far)).toBe(7);
    host.route.deleteRoute(way);
    until(loop, "unreachable", () => life.reached.get(far) === undefined);
    expect(life.there).toEqual([]);
    // A way that BGP itself has put there is none.
    host.route.addRoute({ ...way, protocol: BGP_ROUTE_PROTOCOL, gateway: R1 });
    for (let turn = 0; turn < 20; turn++) loop.turn(false);
    expect(life.reached.get(far)).toBeUndefined();
    life[Symbol.dispose]();
  });

  test("an interface that goes down and comes back has its routes again", () => {
    const life = new Life();
    life.gateways.track(R1, undefined, true);
    expect(life.reached.get(R1)).toBe(0);
    life.learn(["198.51.100.0/24", R1]);
    host.route.changeLink("e0", { up: false });
    until(loop, "unreachable", () => life.reached.has(R1) && life.reached.get(R1) === undefined);
    expect(life.there).toEqual([]);
    host.route.changeLink("e0", { up: true });
    until(loop, "reachable", () => life.reached.get(R1) === 0);
    until(loop, "again", () => life.there.length === 1);
    life[Symbol.dispose]();
  });

  test("ten thousand in one go, and back", () => {
    const life = new Life();
    const all = Array.from({ length: 10_000 }, (_, n) => `10.${n >>> 8}.${n & 255}.0/24`);
    life.learn(...all.map((text) => [text, R1] as const));
    expect(life.there.length).toBe(10_000);
    life.learn(...all.map((text) => [text] as const));
    expect(life.there).toEqual([]);
    life[Symbol.dispose]();
  });
});

function prefix(text: string): Prefix {
  const parsed = parsePrefix(text);
  if (!parsed.ok) throw new TypeError(text);
  return parsed.value;
}
