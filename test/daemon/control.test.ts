/** The control loop with children in memory and a virtual clock: what is sent, in which order, and how often. */
import { describe, expect, it } from "vitest";
import { controlWorld, KEY, turn } from "./control-world.ts";
import { backend, EDGE } from "./resources-fixture.ts";

const CONFIG = `${EDGE}---\n${backend("app", 9000)}`;
/** The VIP has a port more. */
const MORE = CONFIG.replace("[8081]", "[8081, 8082]").replace(
  "port: 8081, protocol: HTTP}",
  "port: 8081, protocol: HTTP}\n    - {name: more, port: 8082, protocol: HTTP}",
);

describe("control: facts and configuration → children", () => {
  it("sockets precede the configuration that needs them, one per worker, and are not sent twice", async () => {
    const { settle, planes, clock, control } = controlWorld(CONFIG);
    await settle();
    control.changed();
    await clock.pass(10_000);
    for (const plane of planes) {
      expect(plane.sockets).toEqual(["default/gw/http@192.0.2.10:8081"]);
      expect(plane.sent.filter(({ kind }) => kind === "config")).toHaveLength(1);
    }
  });
  it("many changes in one turn are one plan; no change is none", async () => {
    const { settle, plans, clock, control, planes } = controlWorld(CONFIG);
    await settle();
    const before = plans().length;
    for (let each = 0; each < 100; each++) control.changed();
    await clock.pass(5_000);
    expect(plans()).toHaveLength(before);
    const report = { kind: "health", backend: "default/app", endpoint: "127.0.0.1:9000", why: "" } as const;
    for (let each = 0; each < 101; each++) planes[0]?.say({ ...report, healthy: each % 2 === 1 });
    await clock.pass(1);
    expect(plans()).toHaveLength(before + 1);
  });
  it("a verdict of worker 0 reaches the others, and a worker that starts later", async () => {
    const { settle, planes, clock } = controlWorld(CONFIG);
    await settle();
    const health = { kind: "health", backend: "default/app", endpoint: "127.0.0.1:9000", healthy: true };
    expect(planes[1]?.sent).toContainEqual(health);
    planes[1]?.on?.ended("exit 1");
    await clock.pass(300);
    planes[1]?.sent.splice(0);
    planes[1]?.say({ kind: "hello", pid: 2, engine: "fake", why: "" });
    expect(planes[1]?.sent.map(({ kind }) => kind)).toEqual(["config", "health"]);
  });
  it("the VIP is eligible as long as one worker listens, and not a moment longer", async () => {
    const { settle, planes, eligible, clock } = controlWorld(CONFIG);
    await settle();
    expect(eligible()).toEqual(["true OK"]);
    planes[0]?.on?.ended("exit 1");
    await turn();
    expect(eligible()).toEqual(["true OK"]);
    planes[1]?.on?.ended("exit 1");
    await turn();
    expect(eligible()).toEqual(["false NOT_LISTENING"]);
    await clock.pass(0);
  });
  it("a VIP follows a new port only when the data planes listen on it", async () => {
    const { settle, reconfigure, planes, plans, confirm, eligible, clock } = controlWorld(CONFIG);
    await settle();
    const before = plans().length;
    reconfigure(MORE);
    await clock.pass(100);
    if (planes[0] !== undefined) confirm(planes[0]);
    await clock.pass(100);
    expect(plans()).toHaveLength(before);
    if (planes[1] !== undefined) confirm(planes[1]);
    await clock.pass(100);
    expect(eligible()).toEqual(["true OK"]);
  });
  it("… and no later than two seconds, whatever the data planes do", async () => {
    const { settle, reconfigure, eligible, clock } = controlWorld(CONFIG);
    await settle();
    reconfigure(MORE);
    await clock.pass(1_900);
    expect(eligible()).toEqual(["true OK"]);
    await clock.pass(200);
    expect(eligible()).toEqual(["false NOT_LISTENING"]);
  });
  it("a virtual IP that is still followed keeps its key when the files have none any more", async () => {
    const { settle, reconfigure, planes, plans, confirm, clock, control } = controlWorld(CONFIG);
    await settle();
    reconfigure(backend("app", 9000));
    await clock.pass(100);
    control.changed();
    await clock.pass(100);
    for (const plane of planes) confirm(plane);
    await clock.pass(60_000);
    for (const { plan } of plans()) if (plan.segments.length > 0) expect(plan.key).toBe(KEY);
    expect(plans().at(-1)?.plan.segments).toEqual([]);
  });
  it("a removed virtual IP is released before its listeners close, and forgotten after the hand-over", async () => {
    const { settle, reconfigure, planes, plans, confirm, eligible, clock, pulse } = controlWorld(CONFIG);
    await settle();
    const vip = { name: "web", term: 1, owner: "one", why: "", conflictWith: undefined } as const;
    pulse.say({ kind: "vip", vip: { ...vip, state: "owner" } });
    const listeners = (): readonly (number | undefined)[] =>
      planes.map(({ sent }) => {
        const last = sent.findLast(({ kind }) => kind === "config");
        return last?.kind === "config" ? last.config.listeners.length : undefined;
      });
    reconfigure(backend("app", 9000));
    await clock.pass(100);
    expect([eligible(), listeners()]).toEqual([["true OK"], [1, 1]]);
    for (const plane of planes) confirm(plane);
    await clock.pass(1_000);
    expect([eligible(), listeners()]).toEqual([["false REMOVED"], [1, 1]]);
    pulse.say({ kind: "vip", vip: { ...vip, state: "ineligible" } });
    await clock.pass(400);
    expect(listeners()).toEqual([1, 1]);
    await clock.pass(200);
    expect(listeners()).toEqual([0, 0]);
    expect(eligible()).toEqual(["false REMOVED"]);
    await clock.pass(30_000);
    expect(plans().at(-1)?.plan.segments).toEqual([]);
  });
  it("… also when pulse never says so; and it stays when it comes back meanwhile", async () => {
    const { settle, reconfigure, planes, confirm, eligible, clock, pulse } = controlWorld(CONFIG);
    await settle();
    const vip = { name: "web", state: "owner", term: 1, owner: "one", why: "", conflictWith: undefined } as const;
    pulse.say({ kind: "vip", vip });
    const follow = async (source: string): Promise<void> => {
      reconfigure(source);
      await clock.pass(1);
      for (const plane of planes) confirm(plane);
      await clock.pass(100);
    };
    await follow(backend("app", 9000));
    expect(eligible()).toEqual(["false REMOVED"]);
    await follow(CONFIG);
    await clock.pass(40_000);
    expect(eligible()).toEqual(["true OK"]);
    await follow(backend("app", 9000));
    await clock.pass(3_600);
    expect(planes[0]?.sent.findLast(({ kind }) => kind === "config")).toMatchObject({ config: { listeners: [] } });
  });
  it("stops in order: withdraw, then drain, then pulse; nothing is planned after the withdrawal", async () => {
    const { settle, control, pulse, planes, clock } = controlWorld(CONFIG);
    await settle();
    const vip = { name: "web", state: "owner", term: 1, owner: "one", why: "", conflictWith: undefined } as const;
    pulse.say({ kind: "vip", vip });
    const stopped = control.stop();
    await clock.pass(10);
    expect(pulse.sent.at(-1)).toMatchObject({ kind: "withdraw" });
    expect(planes[0]?.sent.at(-1)?.kind).not.toBe("drain");
    pulse.say({ kind: "withdrawn" });
    await clock.pass(499);
    expect(planes[0]?.sent.at(-1)?.kind).not.toBe("drain");
    await clock.pass(10);
    for (const plane of planes) expect(plane.sent.at(-1)).toEqual({ kind: "drain", grace: 10_000 });
    for (const plane of planes) plane.on?.ended("exit 0");
    await clock.pass(10);
    expect(pulse.sent.at(-1)).toEqual({ kind: "stop", lanes: true });
    pulse.on?.ended("exit 0");
    await stopped;
    const order = pulse.sent.map(({ kind }) => kind);
    expect(order.slice(order.indexOf("withdraw"))).toEqual(["withdraw", "stop"]);
  });
  it("a pulse that never confirms and data planes that never drain do not keep the daemon", async () => {
    const { settle, control, clock } = controlWorld(CONFIG);
    await settle();
    const stopped = control.stop();
    await clock.pass(3_000 + 11_000 + 3_000 + 100);
    await stopped;
  });
});
