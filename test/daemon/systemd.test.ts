import { describe, expect, it } from "vitest";
import type { Clock } from "../../base/clock.ts";
import { type Instant, instant } from "../../base/unit.ts";
import { serviceManager, watchdogEvery } from "../../daemon/systemd.ts";

describe("sd_notify(3)", () => {
  const record = (environment: Parameters<typeof serviceManager>[0]) => {
    const sent: string[] = [];
    return { sent, manager: serviceManager(environment, 42, (path, text) => void sent.push(`${path} ${text}`)) };
  };
  it("READY, RELOADING with its time, STOPPING; a status is one line and said once", () => {
    const { sent, manager } = record({ NOTIFY_SOCKET: "@nv/notify" });
    manager.ready("fine\nX=1");
    manager.status("a");
    manager.status("a");
    manager.reloading();
    manager.stopping("bye");
    expect(sent[0]).toBe("@nv/notify READY=1\nSTATUS=fine X=1");
    expect(sent[1]).toBe("@nv/notify STATUS=a");
    expect(sent[2]).toMatch(/^@nv\/notify RELOADING=1\nMONOTONIC_USEC=\d+$/);
    expect(sent[3]).toBe("@nv/notify STOPPING=1\nSTATUS=bye");
  });
  it("says nothing to nobody", () => {
    const { sent, manager } = record({});
    manager.ready("fine");
    expect(sent).toEqual([]);
  });
  it("the watchdog is fed three times per period, only while all parts live, and not for another process", () => {
    let now: Instant = instant(0);
    const alarms: { readonly at: Instant; readonly wake: () => void }[] = [];
    const clock: Clock = {
      now: () => now,
      wakeAt: (at, wake) => {
        alarms.push({ at, wake });
        return { [Symbol.dispose]: () => void alarms.splice(0) };
      },
    };
    const { sent, manager } = record({ NOTIFY_SOCKET: "/n", WATCHDOG_USEC: "3000000", WATCHDOG_PID: "42" });
    let alive = true;
    const watching = manager.watch(clock, () => alive);
    const pass = (): void => {
      const next = alarms.shift();
      if (next === undefined) return;
      now = next.at;
      next.wake();
    };
    pass();
    pass();
    expect(now).toBe(2_000);
    expect(sent).toEqual(["/n WATCHDOG=1", "/n WATCHDOG=1", "/n WATCHDOG=1"]);
    alive = false;
    pass();
    expect(sent).toHaveLength(3);
    alive = true;
    pass();
    expect(sent).toHaveLength(4);
    watching[Symbol.dispose]();
    expect(alarms).toEqual([]);
    expect(watchdogEvery({ WATCHDOG_USEC: "3000000", WATCHDOG_PID: "43" }, 42)).toBeUndefined();
    expect(watchdogEvery({}, 42)).toBeUndefined();
  });
});
