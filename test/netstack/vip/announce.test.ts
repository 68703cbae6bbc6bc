import { describe, expect, test } from "vitest";
import { type Ip, type Ipv4, ipv4 } from "../../../base/address.ts";
import { instant } from "../../../base/unit.ts";
import { Announcer } from "../../../netstack/vip/announce.ts";

const IP = ipv4("10.0.0.100");

/** When each address is announced, if the announcer is asked exactly when it wants to be. */
function timeline(announcer: Announcer, until: number): readonly (readonly [number, Ip])[] {
  const found: [number, Ip][] = [];
  for (let now = 0; now <= until; ) {
    for (const ip of announcer.due(instant(now))) found.push([now, ip]);
    const next = announcer.nextAt(instant(now));
    if (next === undefined) break;
    expect(next).toBeGreaterThan(now);
    now = next;
  }
  return found;
}

describe("§7 announcements", () => {
  test("a burst within two seconds, then each minute with jitter", () => {
    const announcer = new Announcer("a");
    announcer.start(IP, instant(0));
    const times = timeline(announcer, 200_000).map(([time]) => time);
    expect(times.slice(0, 5)).toEqual([0, 50, 250, 1000, 2000]);
    const gaps = times.slice(5).map((time, index) => time - (times[index + 4] ?? 0));
    expect(gaps.length).toBe(3);
    for (const gap of gaps) {
      expect(gap).toBeGreaterThanOrEqual(60_000);
      expect(gap).toBeLessThan(66_000);
    }
  });

  test("many addresses are paced, and each is announced once before any is repeated", () => {
    const announcer = new Announcer("a");
    const ips = Array.from({ length: 300 }, (_, index) => (IP + index) as Ipv4);
    for (const ip of ips) announcer.start(ip, instant(0));
    const found = timeline(announcer, 1500);
    expect(found.filter(([time]) => time === 0).length).toBe(32);
    expect(new Set(found.slice(0, 300).map(([, ip]) => ip)).size).toBe(300);
    for (const [time] of found) {
      expect(found.filter(([other]) => other >= time && other < time + 100).length).toBeLessThanOrEqual(32 + 51);
    }
  });

  test("what was stopped is not announced; what starts again begins with its burst", () => {
    const announcer = new Announcer("a");
    announcer.start(IP, instant(0));
    expect(announcer.due(instant(0))).toEqual([IP]);
    announcer.stop(IP);
    expect(announcer.nextAt(instant(0))).toBeUndefined();
    announcer.start(IP, instant(10));
    expect(announcer.due(instant(10))).toEqual([IP]);
    expect(announcer.nextAt(instant(10))).toBe(60);
  });
});
