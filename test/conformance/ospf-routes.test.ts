/** What LSAs mean for routes: RFC 2328 §16, RFC 3101 §2.5, RFC 5340 §4.8; RFC 8405. */
import { describe, expect, test } from "vitest";
import { formatIp, type Ip, ipv4, ipv6, type Prefix, parsePrefix } from "../../base/address.ts";
import type { Route } from "../../netstack/ospf/event.ts";
import {
  type ExternalBody,
  INFINITY_METRIC,
  type Lsa,
  OPTION_E,
  OPTION_N,
  OPTION_R,
  OPTION_V6,
  type RouterLink,
} from "../../netstack/ospf/packet/lsa.ts";
import { OURS, PEER, Probe } from "../netstack/ospf/probe.ts";

const FAR = ipv4("2.2.2.2");
const OTHER = ipv4("2.2.2.3");

/** What the kernel would have. */
function routes(probe: Probe): ReadonlyMap<string, Route> {
  const found = new Map<string, Route>();
  const name = ({ ip, length }: Prefix): string => `${formatIp(ip)}/${length}`;
  for (const action of probe.actions) {
    if (action.kind !== "routes") continue;
    if (action.complete) found.clear();
    for (const prefix of action.gone) found.delete(name(prefix));
    for (const route of action.set) found.set(name(route.prefix), route);
  }
  return found;
}

describe.each([2, 3] as const)("OSPFv%s", (version) => {
  const prefix = (n: number): string => (version === 2 ? `192.0.${n}.0/24` : `2001:db8:${n}::/64`);
  const hop = version === 2 ? "10.0.0.9" : "fe80::9";

  function router(
    probe: Probe,
    by: number,
    to: readonly (readonly [number, number])[],
    fields: { external?: boolean; border?: boolean; options?: number; sequence?: number } = {},
  ): Lsa {
    const { external = true, border = false, options = OPTION_V6 | OPTION_R | OPTION_E, ...rest } = fields;
    const links: RouterLink[] = to.map(([id, metric]) => {
      const near = by === PEER && id === OURS;
      const data = near ? (version === 2 ? ipv4("10.0.0.9") : 9) : (by ^ id) >>> 0;
      return { type: "point-to-point", metric, id, data, neighborInterfaceId: near ? 5 : (by ^ id) >>> 0 };
    });
    const body = { kind: "router", border, external, virtual: false, translator: false, options, links } as const;
    return probe.lsa(body, { id: version === 2 ? by : 0, by, ...rest });
  }
  function external(
    probe: Probe,
    by: number,
    n: number,
    fields: Partial<Omit<ExternalBody, "kind">> & { id?: number; nssa?: boolean; p?: boolean } = {},
  ): Lsa {
    const { id = version === 2 ? ipv4(`192.0.${n}.0`) : n, nssa = false, p = true, ...rest } = fields;
    const parsed = parsePrefix(prefix(n));
    if (!parsed.ok) throw new TypeError("no prefix");
    const body: ExternalBody = {
      kind: nssa ? "nssa" : "external",
      prefix: parsed.value,
      prefixOptions: version === 3 && nssa && p ? 8 : 0,
      metricType: 2,
      metric: 10,
      forwarding: undefined,
      tag: 0,
      referenced: undefined,
      ...rest,
    };
    return probe.lsa(body, { id, by, options: nssa && p ? OPTION_N : OPTION_E });
  }
  /** We – 10 – PEER – 5 – FAR, PEER – 7 – OTHER. */
  function world(kind: "normal" | "nssa" = "normal"): Probe {
    const probe = new Probe(version, {}, {}, { kind });
    const options = (version === 2 ? 0x40 : 0x11) | (kind === "nssa" ? OPTION_N : OPTION_E);
    probe.hello({ options: version === 2 ? options & ~0x40 : options });
    probe.dd({ init: true, more: true, options });
    for (let round = 0; round < 9 && probe.state() !== "full"; round++) {
      probe.sequence++;
      probe.dd({ options });
    }
    probe.update(
      router(probe, PEER, [
        [OURS, 10],
        [FAR, 5],
        [OTHER, 7],
      ]),
      router(probe, FAR, [[PEER, 5]]),
      router(probe, OTHER, [[PEER, 7]]),
    );
    wait(probe, 6000, kind);
    return probe;
  }
  function wait(probe: Probe, span: number, kind: "normal" | "nssa" = "normal"): void {
    const flags = kind === "nssa" ? OPTION_N : OPTION_E;
    probe.hello({ options: version === 2 ? flags : flags | 0x11 });
    probe.wait(span);
  }

  test("§16.4 (3): an external route costs the way to its boundary router, and leaves through it", () => {
    const probe = world();
    probe.update(external(probe, FAR, 2, { metricType: 1, metric: 20 }));
    wait(probe, 3000);
    const route = routes(probe).get(prefix(2));
    expect(route).toMatchObject({ kind: "external-1", cost: 10 + 5 + 20 });
    expect(route?.nextHops.map((each) => [each.ifname, formatIp(each.address as Ip)])).toEqual([["eth0", hop]]);
  });
  test("§16.4 (6): type 1 is preferred to type 2, whatever the metrics", () => {
    const probe = world();
    probe.update(
      external(probe, FAR, 2, { metricType: 2, metric: 1 }),
      external(probe, OTHER, 2, { metricType: 1, metric: 5000 }),
    );
    wait(probe, 3000);
    expect(routes(probe).get(prefix(2))).toMatchObject({ kind: "external-1", cost: 5017 });
  });
  test("§16.4 (6): type 2 compares its metric first, then the way", () => {
    const probe = world();
    probe.update(external(probe, FAR, 2, { metric: 30, tag: 1 }), external(probe, OTHER, 2, { metric: 20, tag: 2 }));
    probe.update(external(probe, FAR, 3, { metric: 30, tag: 1 }), external(probe, OTHER, 3, { metric: 30, tag: 2 }));
    wait(probe, 3000);
    expect(routes(probe).get(prefix(2))).toMatchObject({ cost: 20, tag: 2 });
    expect(routes(probe).get(prefix(3))).toMatchObject({ cost: 30, tag: 1 });
  });
  test("§16.4 (1): LSInfinity and MaxAge are no route", () => {
    const probe = world();
    probe.update(external(probe, FAR, 2, { metric: INFINITY_METRIC }));
    wait(probe, 3000);
    expect(routes(probe).get(prefix(2))).toBeUndefined();
  });
  test("§16.4 (3): an external of somebody who is no boundary router, or is not reached, is no route", () => {
    const probe = world();
    probe.update(external(probe, ipv4("7.7.7.7"), 2));
    wait(probe, 3000);
    expect(routes(probe).get(prefix(2))).toBeUndefined();
    probe.update(external(probe, FAR, 3));
    probe.update(router(probe, FAR, [[PEER, 5]], { external: false, sequence: -0x7ffffffe }));
    wait(probe, 3000);
    expect(routes(probe).get(prefix(3))).toBeUndefined();
  });
  test("§16.1 (2)(b): a link that does not lead both ways is not used", () => {
    const probe = world();
    probe.update(external(probe, FAR, 2));
    wait(probe, 3000);
    expect(routes(probe).has(prefix(2))).toBe(true);
    probe.update(router(probe, FAR, [], { sequence: -0x7ffffffe }));
    wait(probe, 3000);
    expect(routes(probe).has(prefix(2))).toBe(false);
  });
  test("§16.4 (3): a forwarding address on our own link is the next hop itself", () => {
    if (version === 3) return; // its links' global addresses lead there by link-local ones only
    const probe = world();
    probe.update(external(probe, FAR, 2, { forwarding: ipv4("10.0.0.77"), metricType: 1, metric: 3 }));
    wait(probe, 3000);
    const route = routes(probe).get(prefix(2));
    expect(route).toMatchObject({ cost: 13 });
    expect(route?.nextHops.map((each) => formatIp(each.address as Ip))).toEqual(["10.0.0.77"]);
  });
  test("§16.4 (3): a forwarding address that no inner route reaches makes it no route", () => {
    const probe = world();
    const forwarding = version === 2 ? ipv4("203.0.113.5") : ipv6("2001:db8:fff::5");
    probe.update(external(probe, FAR, 2, { forwarding }));
    wait(probe, 3000);
    expect(routes(probe).get(prefix(2))).toBeUndefined();
  });
  test("RFC 3101 §2.5: type 7 leads through the NSSA; without forwarding address to its maker", () => {
    const probe = world("nssa");
    probe.update(external(probe, FAR, 2, { nssa: true, p: false, metricType: 1, metric: 4 }));
    wait(probe, 3000, "nssa");
    expect(routes(probe).get(prefix(2))).toMatchObject({ kind: "external-1", cost: 19 });
  });
  test("§16.2: a summary counts from its border router, and yields to intra-area", () => {
    const probe = world();
    probe.update(
      router(
        probe,
        PEER,
        [
          [OURS, 10],
          [FAR, 5],
          [OTHER, 7],
        ],
        { border: true, sequence: -0x7ffffffe },
      ),
    );
    wait(probe, 2000);
    const parsed = parsePrefix(prefix(4));
    if (!parsed.ok) throw new TypeError("no prefix");
    const body = { kind: "inter-area-prefix", prefix: parsed.value, prefixOptions: 0, metric: 8 } as const;
    probe.update(probe.lsa(body, { id: version === 2 ? ipv4("192.0.4.0") : 4 }));
    wait(probe, 3000);
    expect(routes(probe).get(prefix(4))).toMatchObject({ kind: "inter-area", cost: 18 });
    // What is inside wins, and an external one for the same loses.
    probe.update(external(probe, FAR, 4, { metricType: 1, metric: 1 }));
    wait(probe, 3000);
    expect(routes(probe).get(prefix(4))).toMatchObject({ kind: "inter-area", cost: 18 });
  });
  test("§16.8: equal costs share", () => {
    const probe = world();
    probe.update(external(probe, FAR, 2, { metric: 3 }), external(probe, PEER, 2, { metric: 3, id: 99 }));
    wait(probe, 3000);
    expect(routes(probe).get(prefix(2))?.nextHops.length).toBe(1); // both over the same neighbor
  });
  test("RFC 8405 §5: the first change is computed at once, a storm of them seldom", () => {
    const probe = world();
    wait(probe, 9000);
    probe.clear();
    probe.update(external(probe, FAR, 2));
    expect(probe.actions.some((each) => each.kind === "routes")).toBe(true);
    probe.clear();
    for (let n = 3; n < 43; n++) {
      probe.update(external(probe, FAR, n));
      probe.wait(5);
    }
    const runs = probe.actions.filter((each) => each.kind === "routes").length;
    expect(runs).toBeLessThan(8);
    probe.wait(1000);
    expect(routes(probe).size).toBe(40);
  });
});

describe("OSPFv3", () => {
  test.each([
    ["the R bit", OPTION_V6 | OPTION_E],
    ["the V6 bit", OPTION_R | OPTION_E],
  ] as const)("RFC 5340 §4.8.1: nothing is reached through a router without %s", (_, options) => {
    const probe = new Probe(3);
    probe.toFull();
    const link = (id: number, metric: number, data: number, neighborInterfaceId: number): RouterLink => ({
      type: "point-to-point",
      metric,
      id,
      data,
      neighborInterfaceId,
    });
    const say = (by: number, links: readonly RouterLink[], bits: number, sequence: number): void => {
      const body = {
        kind: "router",
        border: false,
        external: true,
        virtual: false,
        translator: false,
        options: bits,
        links,
      } as const;
      probe.update(probe.lsa(body, { by, sequence }));
    };
    const good = OPTION_V6 | OPTION_R | OPTION_E;
    say(PEER, [link(OURS, 10, 9, 5), link(FAR, 5, 1, 2)], good, -5);
    say(FAR, [link(PEER, 5, 2, 1)], good, -5);
    probe.update(probe.external("2001:db8:2::/64", { by: FAR }));
    probe.wait(6000);
    expect(routes(probe).has("2001:db8:2::/64")).toBe(true);
    probe.hello();
    say(PEER, [link(OURS, 10, 9, 5), link(FAR, 5, 1, 2)], options, -4);
    probe.wait(3000);
    expect(routes(probe).has("2001:db8:2::/64")).toBe(false);
  });
});
