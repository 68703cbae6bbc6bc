/** The routing process without engines, on a host of its own: what becomes of addresses when it ends. */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Ip, ipv4 } from "../../../base/address.ts";
import { after, ms } from "../../../base/unit.ts";
import { Routing } from "../../../daemon/routing/routing.ts";
import type { FromRouting } from "../../../daemon/routing/words.ts";
import type { Loop } from "../../../netstack/kernel/loop.ts";
import { open, until } from "../../netstack/kernel/loop-probe.ts";
import { type Host, Segment, UNABLE } from "../../netstack/kernel/segment.ts";

const V4 = ipv4("192.0.2.10");

describe.skipIf(UNABLE !== undefined)("the end of the routing process", () => {
  let segment: Segment;
  let host: Host;
  let loop: Loop;
  let ended: boolean;
  const told: FromRouting[] = [];
  beforeEach(() => {
    segment = new Segment({ a: [ipv4("192.0.2.1")] });
    host = segment.host("a");
    loop = host.do(() => open("epoll"));
    told.length = 0;
    ended = false;
  });
  afterEach(() => {
    loop[Symbol.dispose]();
    segment[Symbol.dispose]();
  });

  const announcing = (): Routing => {
    const tell = (message: FromRouting): void => void told.push(message);
    const routing = host.do(() => new Routing({ loop, tell, random: () => 0.5, ended: () => (ended = true) }));
    const vips = [{ name: "web", addresses: ["192.0.2.10/32"], eligible: true, why: "OK", ports: [] }];
    routing.command({ kind: "plan", plan: { bgp: undefined, ospf: [], vips } });
    expect(bound(V4)).toBe(true);
    return routing;
  };
  const bound = (ip: Ip): boolean => host.route.addresses(host.route.indexOf("lo")).some((each) => each.ip === ip);

  test("control is dead: addresses outlast the withdrawal, so that routers have looked elsewhere before they go", () => {
    using routing = announcing();
    routing.orphaned();
    let then: boolean | undefined;
    // Timers of one loop fire in their order, however late.
    loop.wakeAt(after(loop.now(), ms(100)), () => (then = bound(V4)));
    until(loop, "ended", () => ended);
    expect(told.at(-1)).toMatchObject({ kind: "vip", vip: { state: "withdrawn", why: "CONTROL_GONE" } });
    expect(then).toBe(true);
    expect(bound(V4)).toBe(false);
  });

  test("told to stop: nothing stays, or everything", () => {
    using leaving = announcing();
    leaving.stop(false);
    expect([ended, bound(V4)]).toEqual([true, false]);
    using staying = announcing();
    staying.stop(true);
    expect(bound(V4)).toBe(true);
  });
});
