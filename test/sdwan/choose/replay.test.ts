/** What was recorded, decided upon again. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { decodeRecord, encodeRecord, type Recorded, Recorder } from "../../../sdwan/choose/record.ts";
import { replay } from "../../../sdwan/choose/replay.ts";
import type { LossEstimate, PathFigures, PathLife } from "../../../sdwan/figures.ts";
import { ANY, candidate, choiceSpec, estimate, fine, pair, pathSpec, World } from "./world.ts";

describe("records", () => {
  const some = fc.option(
    fc.integer({ min: 0, max: 1_000_000 }).map((value) => value / 1000),
    { nil: undefined },
  );
  const loss = fc.option(
    fc.nat(1000).chain((of) => fc.nat(of).map((lost) => rounded(estimate(lost, of + 1)))),
    { nil: undefined },
  );
  const count = fc.option(fc.record({ of: fc.nat(1e9), lost: fc.nat(1e6) }), { nil: undefined });

  test("decode(encode(x)) = x", () => {
    fc.assert(
      fc.property(some, some, loss, loss, count, count, (a, b, c, d, out, round) => {
        const figures: PathFigures = {
          at: 1_700_000_000_123,
          rtt: a === undefined ? undefined : { smoothed: a, least: 0, median: a, p95: b ?? 1, recent: a },
          jitterOut: b,
          jitterBack: a,
          jitterRound: undefined,
          loss: c ?? { percent: 0, low: 0, high: 100, of: 0 },
          lossOut: d,
          lossBack: c,
          lossRecent: d,
          counted: out === undefined && round === undefined ? undefined : { out, back: undefined, round },
          varied: out === undefined ? undefined : { out: { of: 5, sum: 1.5 }, back: undefined, round: undefined },
          reordered: 0.5,
          duplicated: 0,
          mos: b,
          bitsOut: 12,
          bitsBack: 13.5,
        };
        for (const life of [{ kind: "alive" }, { kind: "dead", why: '3 "probes"\n' }] satisfies PathLife[]) {
          const record: Recorded = { path: "isp1>berlin/isp2", at: figures.at, life, figures };
          const line = encodeRecord(record);
          expect(line).not.toContain("\n");
          expect(decodeRecord(line)).toEqual({ ok: true, value: record });
        }
      }),
    );
  });

  test("what was kept before differences were counted is read", () => {
    const known = recordedFigures();
    if (known === undefined) throw new TypeError("nothing was recorded");
    const figures: PathFigures = { ...known, varied: undefined };
    const record: Recorded = { path: "a", at: figures.at, life: { kind: "alive" }, figures };
    const line = JSON.parse(encodeRecord(record)) as [number, number, string, string, null, (number | null)[]];
    const earlier = JSON.stringify([...line.slice(0, 5), line[5].slice(0, -6)]);
    expect(decodeRecord(earlier)).toEqual(decodeRecord(encodeRecord(record)));
  });

  test.each([
    ["no-json", ""],
    ["no-json", '[1,1700000000000,"a","alive",null,'],
    ["no-json", "{}"],
    ["version", '[2,1700000000000,"a","alive",null,null]'],
    ["shape", '[1,"x","a","alive",null,null]'],
    ["shape", '[1,1700000000000,"a","undead",null,null]'],
    ["shape", '[1,1700000000000,"a","dead",null,null]'],
    ["shape", '[1,1700000000000,"a","alive",null,[1,2,3]]'],
  ])("refused as %s: %s", (kind, line) => {
    const read = decodeRecord(line);
    expect(read.ok ? "read" : read.error.kind).toBe(kind);
  });

  test("any text is read or refused", () => {
    fc.assert(fc.property(fc.oneof(fc.string(), fc.json()), (text) => void decodeRecord(text)));
  });

  test("a quiet path costs a line a minute, a change one at once", () => {
    const recorder = new Recorder();
    const world = new World(pair(), { a: fine(20), b: fine(40) });
    let lines = 0;
    const minutes = (count: number): number => {
      const before = lines;
      for (let second = 0; second < 60 * count; second++) {
        world.run(1000);
        const figures = world.figures("a");
        if (recorder.record({ path: "a", at: world.at.wall, life: { kind: "alive" }, figures }) !== undefined) lines++;
      }
      return lines - before;
    };
    minutes(1);
    expect(minutes(10)).toBeLessThanOrEqual(20);
    world.truth("a").rtt += 50;
    world.run(1000);
    const changed = { path: "a", at: world.at.wall, life: { kind: "alive" }, figures: world.figures("a") } as const;
    expect(recorder.record(changed)).toBeDefined();
  });
});

describe("replays", () => {
  /** Ten minutes; the first path slow in the middle three, dead for half a minute later. */
  function recorded(): readonly Recorded[] {
    const world = new World(pair(), { a: { ...fine(20), traffic: 200 }, b: { ...fine(40), traffic: 200 } });
    const records: Recorded[] = [];
    for (let second = 0; second < 600; second++) {
      world.truth("a").rtt = second >= 120 && second < 300 ? 150 : 20;
      world.truth("a").black = second >= 480 && second < 510;
      world.run(1000);
      for (const path of ["a", "b"])
        records.push({ path, at: world.at.wall, life: world.life(path), figures: world.figures(path) });
    }
    return records.flatMap((each) => {
      const read = decodeRecord(encodeRecord(each));
      return read.ok ? [read.value] : [];
    });
  }
  const records = recorded();

  test("with the policy that was in force: what it did", () => {
    const voice = pair({ sla: { ...ANY, maxLatency: 100 } });
    const { decisions, choices } = replay(voice, records);
    const moves = decisions.filter(({ from, to }) => from !== undefined && from !== to);
    expect(moves.map(({ reason, to }) => `${reason} ${to}`)).toEqual([
      expect.stringMatching(/^(breach|better) b$/),
      "better a",
      "dead b",
      "better a",
    ]);
    const [c] = choices;
    expect(c).toMatchObject({ id: "c", moves: 4, broken: 0, none: 0 });
    expect((c?.spent["a"] ?? 0) + (c?.spent["b"] ?? 0)).toBeGreaterThan(590_000);
    expect(c?.spent["b"]).toBeGreaterThan(180_000);
  });

  test("with another policy: only the death would have moved it", () => {
    const { decisions, choices } = replay(pair({ strategy: "lowest-cost" }), records);
    expect(decisions.filter(({ from, to }) => from !== undefined && from !== to).map(({ reason }) => reason)).toEqual([
      "dead",
    ]);
    expect(choices[0]?.moves).toBe(1);
  });

  test("a path alone: how long the SLA would have been broken", () => {
    const only = {
      paths: [pathSpec("a")],
      choices: [choiceSpec([candidate("a")], { sla: { ...ANY, maxLatency: 100 } })],
    };
    const [c] = replay(only, records).choices;
    expect(c?.broken).toBeGreaterThan(175_000);
    expect(c?.broken).toBeLessThan(225_000);
    expect(c?.none).toBeGreaterThan(25_000);
    expect(c?.moves).toBe(0);
  });

  test("a path without records is never known, and never chosen", () => {
    const plan = {
      paths: [pathSpec("a"), pathSpec("z")],
      choices: [choiceSpec([candidate("z"), candidate("a", { tier: 1 })])],
    };
    expect(Object.keys(replay(plan, records).choices[0]?.spent ?? {})).toEqual(["a"]);
  });

  test("the same twice, and nothing from nothing", () => {
    expect(replay(pair(), records)).toEqual(replay(pair(), records));
    expect(replay(pair(), [])).toEqual({ decisions: [], choices: [], from: undefined, until: undefined });
  });
});

/** Without the sign of a zero, which JSON does not keep. */
function rounded({ percent, low, high, of }: LossEstimate): LossEstimate {
  const [a, b, c] = [percent, low, high].map((each) => Number(each.toFixed(3)) + 0);
  return { percent: a ?? 0, low: b ?? 0, high: c ?? 0, of };
}

function recordedFigures(): PathFigures | undefined {
  const world = new World(pair(), { a: fine(20), b: fine(40) });
  world.run(3000);
  return world.figures("a");
}
