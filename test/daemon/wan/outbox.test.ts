/** Reports on their way, and what measuring is told of tunnels. */
import { describe, expect, test } from "vitest";
import { formatIp, type Ip } from "../../../base/address.ts";
import type { Clock } from "../../../base/clock.ts";
import { instant } from "../../../base/unit.ts";
import { Outbox } from "../../../daemon/wan/outbox.ts";
import { addressIn, devicesOf, pathMtuOf, targetsOf } from "../../../daemon/wan/targets.ts";
import type { FromWan } from "../../../daemon/wan/words.ts";
import type { LinkReport, LinkSpec, TunnelReport, TunnelSpec, UnderlayPlan } from "../../../sdwan/underlay-plan.ts";

const link = (name: string, used: number): FromWan & { kind: "link" } => ({
  kind: "link",
  link: { name, used } as LinkReport,
});
const tunnel = (ifname: string, more: Partial<TunnelReport> = {}): TunnelReport =>
  ({
    ifname,
    link: "isp1",
    site: "far",
    state: "up",
    via: "direct",
    mtu: 1440,
    endpoint: "192.0.2.1:51820",
    ...more,
  }) as TunnelReport;

describe("the outbox", () => {
  const begin = (): { readonly outbox: Outbox; readonly told: FromWan[]; readonly turn: () => void } => {
    const alarms: (() => void)[] = [];
    const clock: Clock = {
      now: () => instant(0),
      wakeAt: (_, wake) => {
        alarms.push(wake);
        return { [Symbol.dispose]: () => void alarms.splice(alarms.indexOf(wake), 1) };
      },
    };
    const told: FromWan[] = [];
    return {
      outbox: new Outbox(clock, (message) => void told.push(message)),
      told,
      turn: () => {
        for (const wake of alarms.splice(0)) wake();
      },
    };
  };

  test("of many about one thing the last, in the order of the last change", () => {
    const { outbox, told, turn } = begin();
    for (const each of [link("a", 1), link("b", 1), link("a", 2)]) outbox.put(each);
    expect(told).toEqual([]);
    turn();
    expect(told).toEqual([link("b", 1), link("a", 2)]);
  });
  test("what was said is not said again; what went and came back is", () => {
    const { outbox, told, turn } = begin();
    const say = (...messages: readonly Parameters<Outbox["put"]>[0][]): void => {
      for (const each of messages) outbox.put(each);
      turn();
    };
    say(link("a", 1));
    say(link("a", 1));
    expect(told).toHaveLength(1);
    say({ kind: "link-gone", name: "a" });
    say(link("a", 1));
    say(link("a", 2), { kind: "link-gone", name: "a" }, link("a", 1));
    expect(told.map(({ kind }) => kind)).toEqual(["link", "link-gone", "link"]);
  });
});

describe("whom to measure with", () => {
  const plan = {
    links: [{ name: "isp1" }, { name: "isp2" }] as LinkSpec[],
    stun: { servers: ["198.51.100.1:3478", "stun.example.com:3478"], interval: 1 },
    tunnels: [
      { ifname: "nv1", link: "isp1", dscp: 0 },
      { ifname: "nv1ef", link: "isp1", dscp: 46 },
      { ifname: "nv2", link: "isp2", dscp: 0 },
    ] as TunnelSpec[],
  } as Pick<UnderlayPlan, "links" | "stun" | "tunnels">;
  const text = (targets: readonly Ip[] | undefined): readonly string[] => (targets ?? []).map(formatIp);

  test("far ends of the link's tunnels, then servers; a few", () => {
    const many = Array.from({ length: 20 }, (_, n) =>
      tunnel("nv1", { site: `s${n}`, endpoint: `192.0.2.${n + 1}:51820` }),
    );
    const targets = targetsOf(plan, [
      tunnel("nv1"),
      tunnel("nv1ef"),
      tunnel("nv2", { link: "isp2", endpoint: "[2001:db8::1]:1" }),
    ]);
    expect(text(targets.get("isp1"))).toEqual(["192.0.2.1", "198.51.100.1"]);
    expect(text(targets.get("isp2"))).toEqual(["2001:db8::1", "198.51.100.1"]);
    const few = text(targetsOf(plan, many).get("isp1"));
    expect(few).toHaveLength(4);
    expect(few).toContain("198.51.100.1");
    expect(text(targetsOf(plan, many.toReversed()).get("isp1"))).toEqual(few);
  });
  test("names are no addresses", () => {
    expect([addressIn("hub.example.com:1"), addressIn(undefined), addressIn("192.0.2.1")]).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
  });
  test("what passes to all; nothing known is nothing said", () => {
    const mtus = new Map([
      [1, 1500],
      [2, 1400],
    ]);
    const known = (ip: Ip): number | undefined => mtus.get(Number(ip));
    expect([pathMtuOf([1, 2, 3] as Ip[], known), pathMtuOf([3] as Ip[], known), pathMtuOf([], known)]).toEqual([
      1400,
      undefined,
      undefined,
    ]);
  });
  test("bandwidth: tunnels that are up and direct, without twins", () => {
    const devices = devicesOf(plan, [
      tunnel("nv1"),
      tunnel("nv1", { site: "relayed", via: "hub" }),
      tunnel("nv1ef"),
      tunnel("nv2", { link: "isp2", state: "down", endpoint: "[2001:db8::1]:1", mtu: 1420 }),
    ]);
    expect(devices).toEqual([
      { ifname: "nv1", link: "isp1", mtu: 1440, overhead: 60, sites: ["far"] },
      { ifname: "nv2", link: "isp2", mtu: 1420, overhead: 80, sites: [] },
    ]);
  });
});
