/** What was recorded, decided upon again. */
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, describe, expect, test } from "vitest";
import { instant } from "../../../base/unit.ts";
import { FigureRing } from "../../../sdwan/choose/driver/figure-ring.ts";
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

describe("the ring on disk", () => {
  const made: string[] = [];
  afterEach(() => {
    for (const each of made.splice(0)) rmSync(each, { recursive: true, force: true });
  });
  const directory = (): string => {
    const path = mkdtempSync(join(tmpdir(), "nv-ring-"));
    made.push(path);
    return path;
  };
  const clock = { now: () => instant(0), wakeAt: () => ({ [Symbol.dispose]: () => undefined }) };
  const report = (life: PathLife) => ({
    id: "a",
    life,
    since: 0,
    figures: undefined,
    sent: 0,
    answered: 0,
    refused: {},
    interval: 100,
    octetsPerHour: 0,
  });
  const alive: PathLife = { kind: "alive" };
  const dead: PathLife = { kind: "dead", why: "x".repeat(100) };

  test("what was recorded is read back, from when it is asked for, also by the next process", async () => {
    let wall = 1000;
    const parts = { directory: directory(), mostOctets: 1e6, clock, wall: () => wall, failed: raise };
    const ring = new FigureRing(parts);
    for (const life of [alive, alive, dead, alive]) {
      wall += 1000;
      ring.record(report(life));
    }
    await ring.close();
    const next = new FigureRing(parts);
    const { records } = await next.read(4000);
    expect(records.map(({ at, life }) => [at, life.kind])).toEqual([
      [4000, "dead"],
      [5000, "alive"],
    ]);
    expect(readdirSync(parts.directory)).toEqual(["paths-5000.jsonl"]);
    expect(statSync(join(parts.directory, "paths-5000.jsonl")).mode & 0o777).toBe(0o600);
  });

  test("it never grows beyond its size; a line cut short is counted", async () => {
    let wall = 0;
    const parts = { directory: directory(), mostOctets: 16_000, clock, wall: () => wall, failed: raise };
    const ring = new FigureRing(parts);
    for (let round = 0; round < 1000; round++) {
      wall += 1000;
      ring.record(report(round % 2 === 0 ? alive : dead));
      await ring.flush();
    }
    const sizes = readdirSync(parts.directory).map((name) => statSync(join(parts.directory, name)).size);
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThanOrEqual(17_000);
    expect(sizes.length).toBeGreaterThan(10);
    writeFileSync(join(parts.directory, `paths-${wall + 1}.jsonl`), '[1,17000000\n[1,2000000,"a","alive",null,null]\n');
    const { records, unreadable } = await ring.read(wall - 60_000);
    expect(unreadable).toBe(1);
    expect(records.length).toBeGreaterThan(50);
    expect(records.length).toBeLessThan(70);
  });

  test("a disk that refuses is told, and what comes later is tried again", async () => {
    const told: string[] = [];
    const blocked = join(directory(), "file");
    writeFileSync(blocked, "");
    const ring = new FigureRing({
      directory: blocked,
      mostOctets: 1e6,
      clock,
      wall: () => 1,
      failed: ({ code }) => void told.push(code),
    });
    ring.record(report(alive));
    await ring.flush();
    expect(told).toEqual(["FILE"]);
    rmSync(blocked);
    ring.record(report(dead));
    expect((await ring.read(0)).records).toHaveLength(1);
  });
});

function raise(fault: Error): never {
  throw fault;
}
function rounded({ percent, low, high, of }: LossEstimate): LossEstimate {
  const [a, b, c] = [percent, low, high].map((each) => Number(each.toFixed(3)));
  return { percent: a ?? 0, low: b ?? 0, high: c ?? 0, of };
}
