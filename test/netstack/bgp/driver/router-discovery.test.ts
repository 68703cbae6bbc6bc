/** Routers found and advertised on an interface, against raw sockets of neighbours. */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Ip, ipv4, ipv6, isIpv4 } from "../../../../base/address.ts";
import { Interfaces } from "../../../../netstack/bgp/driver/interfaces.ts";
import { RouterDiscovery } from "../../../../netstack/bgp/driver/router-discovery.ts";
import type { Datagrams, Loop } from "../../../../netstack/kernel/loop.ts";
import { RouteSocket } from "../../../../netstack/kernel/netlink/route-socket.ts";
import { decodeInet, encodeInet } from "../../../../netstack/kernel/sockaddr.ts";
import { openRaw } from "../../../../netstack/kernel/sockets.ts";
import { decodeRouter, encodeRouter, type RouterMessage } from "../../../../netstack/wire/router.ts";
import { open, until } from "../../kernel/loop-probe.ts";
import { type Host, Segment, UNABLE } from "../../kernel/segment.ts";

const ALL_NODES = ipv6("ff02::1");
const ALL_ROUTERS = ipv6("ff02::2");
const ROUTER: RouterMessage = { kind: "advertisement", lifetime: 1800 };

describe.skipIf(UNABLE !== undefined)("unnumbered peers", () => {
  let segment: Segment;
  let a: Host;
  let loop: Loop;
  let route: RouteSocket;
  let discovery: RouterDiscovery;
  let interfaces: Interfaces;
  const found: (readonly [string, Ip | undefined])[] = [];
  const warnings: string[] = [];
  beforeEach(() => {
    segment = new Segment({ a: [ipv4("192.0.2.1")], b: [ipv4("192.0.2.2")], c: [ipv4("192.0.2.3")] });
    a = segment.host("a");
    loop = open("epoll");
    route = a.do(() => new RouteSocket());
    found.length = 0;
    warnings.length = 0;
    interfaces = new Interfaces(route, { moved: (ifname, up) => discovery.moved(ifname, up) });
    discovery = new RouterDiscovery({
      loop,
      interfaces,
      random: () => 0,
      discovered: (ifname, address) => found.push([ifname, address]),
      warn: (name) => warnings.push(name),
    });
  });
  afterEach(() => {
    discovery[Symbol.dispose]();
    loop[Symbol.dispose]();
    route[Symbol.dispose]();
    segment[Symbol.dispose]();
  });

  /** A station that speaks and hears router messages. */
  class Station {
    readonly heard: (readonly [RouterMessage["kind"], number | undefined, Ip])[] = [];
    readonly ip: Ip;
    readonly #sockets: ReadonlyMap<number, Datagrams>;
    readonly #index: number;

    constructor(host: Host) {
      this.#index = host.index;
      const linkLocal = host.route.addresses(host.index).find(({ ip }) => !isIpv4(ip) && ip.startsWith("fe80"));
      if (linkLocal === undefined) throw new Error("no link-local address");
      this.ip = linkLocal.ip;
      const multicast = { ifindex: host.index, groups: [ALL_NODES, ALL_ROUTERS], loop: false };
      const opened = [255, 64].map((ttl) => {
        const fd = host.do(() =>
          openRaw({ family: 6, protocol: 58, device: "e0", ttl, multicast, meta: { ttl: true } }),
        );
        const on = {
          received: (_: Datagrams, bytes: Uint8Array, meta: { from: Uint8Array; ttl: number | undefined }): void => {
            const message = decodeRouter(bytes);
            const from = decodeInet(meta.from)?.ip;
            if (ttl === 255 && message.ok && from !== undefined) this.heard.push([message.value.kind, meta.ttl, from]);
          },
        };
        return [ttl, loop.datagrams(fd, on)] as const;
      });
      this.#sockets = new Map(opened);
    }
    say(message: RouterMessage, ttl = 255): void {
      const group = message.kind === "advertisement" ? ALL_NODES : ALL_ROUTERS;
      const errno = this.#sockets
        .get(ttl)
        ?.send(encodeRouter(message, undefined), encodeInet({ ip: group, port: 0 }, this.#index));
      if (errno !== 0) throw new Error(`errno ${errno}`);
    }
  }
  const settle = (): void => {
    for (let turn = 0; turn < 20; turn++) loop.turn(false);
  };

  test("RFC 4861 §6.2.4, §6.3.7: it advertises and solicits at once, hop limit 255, from its link-local address", () => {
    const b = new Station(segment.host("b"));
    a.do(() => discovery.plan(["e0"]));
    until(loop, "both", () => new Set(b.heard.map(([kind]) => kind)).size === 2);
    for (const [, ttl, from] of b.heard) {
      expect(ttl).toBe(255);
      expect(String(from)).toMatch(/^fe80::/);
    }
  });

  test("RFC 4861 §6.1.2: a router is the one that advertises itself with hop limit 255; others are not heard", () => {
    const b = new Station(segment.host("b"));
    const c = new Station(segment.host("c"));
    a.do(() => discovery.plan(["e0"]));
    b.say(ROUTER, 64);
    settle();
    expect(found).toEqual([]);
    b.say({ kind: "advertisement", lifetime: 0 });
    until(loop, "found", () => found.length === 1);
    expect(found).toEqual([["e0", b.ip]]);
    // A second one does not take the place of one that was heard a moment ago.
    c.say(ROUTER);
    b.say(ROUTER);
    settle();
    expect(found.length).toBe(1);
  });

  test("RFC 4861 §6.2.6: whoever asks is answered", () => {
    const b = new Station(segment.host("b"));
    a.do(() => discovery.plan(["e0"]));
    const advertised = (): number => b.heard.filter(([kind]) => kind === "advertisement").length;
    until(loop, "the first", () => advertised() === 1);
    b.say({ kind: "solicitation" });
    until(loop, "an answer", () => advertised() === 2);
  });

  test("an interface that is not there, comes, loses its carrier, is wanted no more", () => {
    a.do(() => discovery.plan(["e0", "e1"]));
    const index = segment.attach("late", a, "e1", []);
    const look = (): void => {
      for (const link of route.links()) a.do(() => interfaces.changed({ kind: "link", gone: false, link }));
    };
    look();
    const b = new Station(segment.host("b"));
    b.say(ROUTER);
    until(loop, "both", () => found.length === 2);
    expect(found.map(([ifname]) => ifname).sort()).toEqual(["e0", "e1"]);
    a.route.changeLink(index, { up: false });
    look();
    expect(found.at(-1)).toEqual(["e1", undefined]);
    a.do(() => discovery.plan([]));
    b.say(ROUTER);
    settle();
    expect(found.length).toBe(3);
    expect(warnings).toEqual([]);
  });
});
