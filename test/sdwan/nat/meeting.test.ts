import { describe, expect, test } from "vitest";
import { ipOf } from "../../../base/address.ts";
import { type Instant, instant } from "../../../base/unit.ts";
import { Meeting, type MeetingView, type OwnEnd } from "../../../sdwan/nat/meeting.ts";
import type { OfferedTunnel } from "../../../sdwan/nat/offer.ts";

const own: OwnEnd = {
  candidates: [{ at: { ip: ipOf("203.0.113.11"), port: 51_820 }, kind: "mapped" }],
  mapping: "endpoint-independent",
  step: undefined,
};
const theirs: OfferedTunnel = {
  ...own,
  link: "isp1",
  peerLink: "isp1",
  dscp: 0,
  attempt: 0,
  direct: false,
  seen: undefined,
};
const view: MeetingView = { direct: false, via: "direct", relay: undefined, listenPort: 51_820 };
const relay = { site: "hub", works: true };

/** Runs until the clock stands at `to`; the times at which an attempt began. */
function begun(meeting: Meeting, from: number, to: number): readonly Instant[] {
  const times: Instant[] = [];
  for (let now = instant(from); now <= to; now = instant(Math.max(now + 1, meeting.due ?? to + 1))) {
    meeting.attempt?.wake(now);
    if (meeting.wake(now).begun === true) times.push(now);
  }
  return times;
}

function met(random = () => 0.5): Meeting {
  const meeting = new Meeting(random);
  meeting.look(view, instant(0));
  meeting.own(own, instant(0));
  meeting.heard(theirs, instant(0));
  return meeting;
}

describe("a meeting of two ends", () => {
  test("looked for again and again, ever more seldom, at last every ten minutes", () => {
    const times = begun(met(), 0, 7_200_000);
    const pauses = times.slice(1).map((at, index) => at - (times[index] ?? 0));
    expect(pauses.slice(0, 4)).toEqual([9_000, 12_000, 18_000, 30_000]);
    expect(pauses.at(-1)).toBe(606_000);
  });

  test("when an end moves, at once", () => {
    const meeting = met();
    begun(meeting, 0, 3_000_000);
    const moved = { ...theirs, candidates: [{ at: { ip: ipOf("198.51.100.7"), port: 1 }, kind: "host" as const }] };
    meeting.heard(moved, instant(3_000_000));
    expect(begun(meeting, 3_000_000, 3_010_000)[0]).toBe(3_000_200);
  });

  test("an attempt of theirs is followed at once, each one once; and answered, so that they know where we are", () => {
    const meeting = met();
    expect(meeting.heard({ ...theirs, attempt: 1 }, instant(100))).toBe(true);
    expect(meeting.attempt).toBeDefined();
    const first = meeting.attempt;
    expect(meeting.heard({ ...theirs, attempt: 1 }, instant(200))).toBe(false);
    expect(meeting.attempt).toBe(first);
  });

  test("a restarted end counts its attempts from the beginning, and is followed all the same", () => {
    const meeting = met();
    meeting.heard({ ...theirs, attempt: 37 }, instant(100));
    begun(meeting, 100, 8_000);
    expect(meeting.attempt).toBeUndefined();
    meeting.heard({ ...theirs, attempt: 0 }, instant(8_000));
    expect(meeting.attempt).toBeUndefined();
    meeting.heard({ ...theirs, attempt: 1 }, instant(9_000));
    expect(meeting.attempt).toBeDefined();
  });

  test("two ends that begin at the same time: none throws away the ports that it has opened", () => {
    const meeting = met();
    begun(meeting, 0, 250);
    const mine = meeting.attempt;
    expect(mine).toBeDefined();
    meeting.heard({ ...theirs, attempt: 1 }, instant(300));
    expect(meeting.attempt).toBe(mine);
  });

  test("an attempt that goes by what the own gateway was thought to be gives way to one that knows", () => {
    const meeting = met(Math.random);
    expect(begun(meeting, 0, 2_100)).toHaveLength(1);
    expect(meeting.attempt?.ports.size).toBe(1);
    meeting.own({ ...own, mapping: "address-dependent" }, instant(2_500));
    expect(begun(meeting, 2_500, 3_000)).toEqual([2_700]);
    expect(meeting.attempt?.ports.size).toBe(257);
  });

  test("whatever another site says, it makes us send no more than so much", () => {
    const meeting = met(Math.random);
    let checks = 0;
    let attempts = 0;
    let last: unknown;
    // Another number and another victim every 50 ms, for a quarter of an hour.
    for (let now = 3_000; now < 903_000; now += 50) {
      const victims = Array.from({ length: 12 }, (_, index) => ({
        at: { ip: ipOf(`198.18.${index}.${(now / 50) % 256}`), port: 53 },
        kind: "mapped" as const,
      }));
      meeting.heard({ ...theirs, mapping: "address-dependent", candidates: victims, attempt: now }, instant(now));
      meeting.wake(instant(now));
      if (meeting.attempt !== last) attempts++;
      last = meeting.attempt;
      checks += meeting.attempt?.wake(instant(now)).length ?? 0;
    }
    expect(attempts).toBeLessThan(2 * 40);
    expect(checks / 900).toBeLessThan(130);
  });

  test("ways that answer checks and lead to no handshake are tried ever more seldom, too", () => {
    const meeting = met();
    const times: number[] = [];
    for (let now = 0; now < 3_600_000; now += 50) {
      for (const check of meeting.attempt?.wake(instant(now)) ?? []) meeting.attempt?.answered(check, instant(now));
      if (meeting.wake(instant(now)).begun === true) times.push(now);
    }
    expect(times.length).toBeGreaterThan(4);
    expect(times.length).toBeLessThan(20);
    expect((times[1] ?? 0) - (times[0] ?? 0)).toBeLessThan(7_000);
  });

  test("never while the direct way works", () => {
    const meeting = met();
    meeting.look({ ...view, direct: true }, instant(10));
    expect(meeting.due).toBeUndefined();
    expect(begun(meeting, 10, 1_000_000)).toEqual([]);
    expect(meeting.heard({ ...theirs, attempt: 5 }, instant(1_000_000))).toBe(true);
    expect(meeting.attempt).toBeUndefined();
  });

  test("two hard ends without a rule do not trouble their gateways; with one they try", () => {
    const hard = { mapping: "address-and-port-dependent" as const };
    const meeting = met();
    meeting.own({ ...own, ...hard }, instant(0));
    meeting.heard({ ...theirs, ...hard }, instant(0));
    expect(begun(meeting, 0, 3_600_000)).toEqual([]);
    meeting.own({ ...own, ...hard, step: 1 }, instant(3_600_000));
    meeting.heard({ ...theirs, ...hard, step: 1 }, instant(3_600_000));
    expect(begun(meeting, 3_600_000, 4_000_000).length).toBeGreaterThan(0);
  });

  describe("a way that probes do not come through any more", () => {
    const shaken: MeetingView = { ...view, direct: true, lastHandshake: 1_000 };
    const direct = (): Meeting => {
      const meeting = met();
      meeting.look(shaken, instant(100));
      meeting.heard({ ...theirs, direct: true }, instant(100));
      begun(meeting, 100, 60_000);
      return meeting;
    };

    test("is looked for anew at once, and carried by the relay meanwhile", () => {
      const meeting = direct();
      expect(meeting.doubt(instant(60_000))).toBe(true);
      expect(meeting.doubt(instant(60_000))).toBe(false);
      expect(meeting.look({ ...shaken, relay }, instant(60_000))).toBe(true);
      expect([meeting.direct, meeting.carriage(instant(60_000))]).toEqual([false, "hub"]);
      expect(begun(meeting, 60_000, 60_100)).toEqual([60_000]);
      expect(meeting.offer()).toMatchObject({ direct: false, attempt: 1 });
    });

    test("is believed again by a handshake, by probes, or by a check that was answered", () => {
      for (const sign of ["handshake", "probes", "check"] as const) {
        const meeting = direct();
        meeting.doubt(instant(60_000));
        meeting.look(shaken, instant(60_000));
        begun(meeting, 60_000, 60_100);
        const [check] = [{ to: theirs.candidates[0]?.at ?? { ip: ipOf("0.0.0.0"), port: 0 }, fromPort: 51_820 }];
        if (sign === "probes") meeting.trust(instant(60_200));
        if (sign === "check") {
          meeting.attempt?.answered(check, instant(60_150));
          meeting.attempt?.wake(instant(60_200));
          expect(meeting.wake(instant(60_200)).way).toMatchObject({ endpoint: check.to });
        }
        const lastHandshake = sign === "handshake" ? 60_200 : 1_000;
        expect(meeting.look({ ...shaken, lastHandshake }, instant(60_250))).toBe(true);
        expect({ sign, direct: meeting.direct, attempt: meeting.attempt }).toEqual({
          sign,
          direct: true,
          attempt: undefined,
        });
        // Probes need a moment to come through.
        expect(meeting.doubt(instant(62_000))).toBe(false);
        expect(meeting.doubt(instant(66_000))).toBe(true);
      }
    });
  });

  test("an end that moves makes sure of a way that seems to work, and the other one follows; one that stays does not", () => {
    const shaken: MeetingView = { ...view, direct: true, lastHandshake: 1_000 };
    const place = (ip: string) => [{ at: { ip: ipOf(ip), port: 51_820 }, kind: "host" as const }];
    const [mover, other] = [met(), met()];
    for (const meeting of [mover, other]) {
      meeting.own({ ...own, candidates: place("192.0.2.1") }, instant(50));
      meeting.heard({ ...theirs, direct: true, candidates: place("192.0.2.1") }, instant(50));
      meeting.look(shaken, instant(100));
      begun(meeting, 100, 10_000);
    }
    // A link that was down for a moment, and is where it was.
    mover.own({ ...own, candidates: [] }, instant(10_000));
    mover.own({ ...own, candidates: place("192.0.2.1") }, instant(10_010));
    expect(begun(mover, 10_010, 20_000)).toEqual([]);
    mover.own({ ...own, candidates: [] }, instant(20_000));
    mover.own({ ...own, candidates: place("192.0.2.2") }, instant(20_010));
    expect(begun(mover, 20_010, 20_400)).toEqual([20_210]);
    mover.look(shaken, instant(20_300));
    expect(mover.attempt).toBeDefined();
    other.heard({ ...theirs, direct: true, candidates: place("192.0.2.2") }, instant(20_250));
    expect(other.attempt).toBeUndefined();
    other.heard({ ...theirs, direct: true, candidates: place("192.0.2.2"), attempt: 1 }, instant(20_300));
    expect(other.attempt).toBeDefined();
  });

  describe("who carries", () => {
    test("the relay until both ends are direct, each by its own word", () => {
      const meeting = met();
      meeting.look({ ...view, relay }, instant(10));
      expect(meeting.carriage(instant(10))).toBe("hub");
      meeting.look({ ...view, via: "hub", relay, direct: true }, instant(20));
      expect(meeting.carriage(instant(20))).toBe("hub");
      meeting.heard({ ...theirs, direct: true }, instant(30));
      expect(meeting.carriage(instant(30))).toBe("direct");
      meeting.heard({ ...theirs, direct: false }, instant(40));
      expect(meeting.carriage(instant(40))).toBe("hub");
    });

    test("a handshake alone is enough with an end that says nothing (it may be no NovaEdge)", () => {
      const meeting = new Meeting(() => 0.5);
      meeting.look({ ...view, relay, direct: true }, instant(0));
      expect(meeting.carriage(instant(0))).toBe("direct");
    });

    test("nobody else while the relay does not work, nor where there is none", () => {
      const meeting = met();
      meeting.look({ ...view, relay: { site: "hub", works: false } }, instant(10));
      expect(meeting.carriage(instant(10))).toBe("direct");
      meeting.look({ ...view, via: "hub", relay: { site: "hub", works: false } }, instant(20));
      expect(meeting.carriage(instant(20))).toBe("hub");
      meeting.look({ ...view, via: "hub" }, instant(30));
      expect(meeting.carriage(instant(30))).toBe("direct");
    });
  });
});
