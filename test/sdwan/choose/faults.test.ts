/** What decisions must do, fault by fault, under a virtual clock. */
import { describe, expect, test } from "vitest";
import { ANY, candidate, choiceSpec, fine, HOLD, pair, pathSpec, World } from "./world.ts";

const SEEDS = [1, 2, 3, 4, 5].map((seed) => ({ seed }));
const VOICE = { ...ANY, maxLatency: 100, maxJitter: 20, maxPacketLoss: 2 };

/** Measured for ten seconds, on "a". */
function settled(more: Parameters<typeof pair>[0] = {}, traffic = 1000, seed = 1): World {
  const world = new World(pair({ sla: VOICE, ...more }), { a: fine(20), b: fine(40) }, seed);
  world.truth("a").traffic = traffic;
  world.run(10_000);
  expect(world.chosen()).toBe("a");
  return world;
}

describe("hard failures", () => {
  test("a blackhole is left with the third probe that is not answered, in the same evaluation", () => {
    const world = settled();
    world.truth("a").black = true;
    expect(world.until(() => world.chosen() === "b", 2000)).toBeLessThanOrEqual(300);
    const [move] = world.moves;
    expect(move).toMatchObject({ from: "a", to: "b", reason: "dead" });
    expect(move?.why).toBe("a is dead (3 probes in a row were not answered); b keeps the SLA");
    expect(world.carried.get("c")).toBe("b");
  });

  test("loss of carrier is left without any probe", () => {
    const world = settled();
    world.dies("a", "eth-a has no carrier");
    expect(world.chosen()).toBe("b");
    expect(world.moves[0]?.why).toContain("eth-a has no carrier");
  });

  test("a path that control declares unusable is left with the plan that says so", () => {
    const world = settled();
    const { paths, choices } = world.planned;
    world.plan({
      paths: paths.map((each) => (each.id === "a" ? { ...each, usable: false, why: "quota spent" } : each)),
      choices,
    });
    expect(world.chosen()).toBe("b");
    expect(world.moves[0]?.candidates[0]).toMatchObject({ path: "a", verdict: "unusable", why: "quota spent" });
  });

  test("what is dead is chosen again only after it has kept the SLA for as long as asked", () => {
    const world = settled();
    world.truth("a").black = true;
    world.run(5000);
    world.truth("a").black = false;
    const back = world.until(() => world.chosen() === "a", 120_000);
    expect(back).toBeGreaterThanOrEqual(HOLD.recover);
    expect(back).toBeLessThan(HOLD.recover + 15_000);
    expect(world.moves).toHaveLength(2);
  });
});

describe("brown-outs", () => {
  test.each([
    { limit: 1, lost: "lossOut", median: 500, most: 1000 },
    { limit: 1, lost: "lossBack", median: 500, most: 1000 },
    { limit: 2, lost: "lossOut", median: 800, most: 2500 },
    { limit: 2, lost: "lossBack", median: 800, most: 2500 },
  ] as const)("5 % of 1,000 packets/s, limit $limit % ($lost)", ({ limit, lost, median, most }) => {
    const took = Array.from({ length: 21 }, (_, seed) => {
      const world = settled({ sla: { ...VOICE, maxPacketLoss: limit } }, 1000, seed);
      world.truth("a")[lost] = 5;
      const span = world.until(() => world.chosen() === "b", 10_000);
      expect(world.moves[0]).toMatchObject({ reason: "breach" });
      expect(world.moves[0]?.why).toMatch(
        /^a breaks the SLA \(loss (there|back) \d.* % over [12] %\); b keeps the SLA$/,
      );
      return span ?? Number.POSITIVE_INFINITY;
    }).toSorted((a, b) => a - b);
    expect(took[10]).toBeLessThanOrEqual(median);
    expect(took[20]).toBeLessThanOrEqual(most);
  });

  test.each(SEEDS)("+100 ms (seed $seed)", ({ seed }) => {
    const world = settled({ strategy: "lowest-cost" }, 0, seed);
    world.truth("a").rtt += 100;
    expect(world.until(() => world.chosen() === "b", 10_000)).toBeLessThanOrEqual(800);
    expect(world.moves[0]?.why).toMatch(/^a breaks the SLA \(round trip 1[12]\d.*ms over 100 ms\)/);
  });

  test("+100 ms without any SLA: lowest latency follows when it has repeated itself", () => {
    const world = settled({ sla: ANY }, 0);
    world.truth("a").rtt += 100;
    expect(world.until(() => world.chosen() === "b", 10_000)).toBeLessThanOrEqual(1000);
    expect(world.moves[0]?.reason).toBe("better");
  });

  test("jitter three times over its limit", () => {
    const world = settled({}, 0);
    world.truth("a").jitter = 60;
    expect(world.until(() => world.chosen() === "b", 30_000)).toBeLessThanOrEqual(3000);
    expect(world.moves[0]?.why).toMatch(/jitter \d+.* ms over 20 ms/);
  });

  test("heavy loss is found by probes alone, too", () => {
    const world = settled({}, 0);
    world.truth("a").lossOut = 30;
    expect(world.until(() => world.chosen() === "b", 30_000)).toBeLessThanOrEqual(5000);
  });

  test("a little over the limit is found, in time", () => {
    const world = settled({}, 1000);
    world.truth("a").lossOut = 2.6;
    expect(world.until(() => world.chosen() === "b", 120_000)).toBeDefined();
  });
});

describe("an hour of noise just under the threshold moves nothing", () => {
  const hour = 3_600_000;
  test.each(SEEDS.slice(0, 3))(
    "1.8 % lost of 1,000 packets/s, limit 2 % (seed $seed)",
    { timeout: 60_000 },
    ({ seed }) => {
      const world = settled({}, 1000, seed);
      world.truth("a").lossOut = 1.8;
      world.run(hour);
      expect(world.moves.map(({ at, why }) => `${at} ${why}`)).toEqual([]);
    },
  );
  test.each(SEEDS.slice(0, 3))("1.8 % in bursts of five (seed $seed)", { timeout: 60_000 }, ({ seed }) => {
    const world = settled({}, 1000, seed);
    Object.assign(world.truth("a"), { lossOut: 1.8, burst: 5 });
    world.run(hour);
    expect(world.moves.map(({ at, why }) => `${at} ${why}`)).toEqual([]);
  });
  test.each(SEEDS.slice(0, 3))("1.8 % of the probes alone (seed $seed)", { timeout: 60_000 }, ({ seed }) => {
    const world = settled({}, 0, seed);
    world.truth("a").lossOut = 1.8;
    world.run(hour);
    expect(world.moves.map(({ at, why }) => `${at} ${why}`)).toEqual([]);
  });
  test.each(SEEDS.slice(0, 3))("95 ± 10 ms, limit 100 ms (seed $seed)", { timeout: 60_000 }, ({ seed }) => {
    const world = settled({ strategy: "lowest-cost" }, 0, seed);
    Object.assign(world.truth("a"), { rtt: 95, noise: 10 });
    world.run(hour);
    expect(world.moves.map(({ at, why }) => `${at} ${why}`)).toEqual([]);
  });
  test.each(SEEDS.slice(0, 3))("jitter 18 ms, limit 20 ms (seed $seed)", { timeout: 60_000 }, ({ seed }) => {
    const world = settled({}, 0, seed);
    world.truth("a").jitter = 18;
    world.run(hour);
    expect(world.moves.map(({ at, why }) => `${at} ${why}`)).toEqual([]);
  });
  test.each(SEEDS.slice(0, 3))(
    "two paths of the same latency, 50 ± 10 ms each (seed $seed)",
    { timeout: 60_000 },
    ({ seed }) => {
      const world = new World(pair(), { a: { ...fine(50), noise: 10 }, b: { ...fine(50), noise: 10 } }, seed);
      world.run(hour);
      expect(world.moves.map(({ at, why }) => `${at} ${why}`)).toEqual([]);
    },
  );
});

describe("flapping", () => {
  test("a link that flaps every 3 s is left once and not trusted before it is quiet", () => {
    const world = settled();
    for (let flap = 0; flap < 40; flap++) {
      world.truth("a").black = flap % 2 === 0;
      world.run(3000);
    }
    expect(world.moves).toHaveLength(1);
  });

  test("a link whose good spells outlast the first rest is trusted ever more slowly", () => {
    const world = settled();
    for (let flap = 0; flap < 60; flap++) {
      world.truth("a").black = true;
      world.run(3000);
      world.truth("a").black = false;
      world.run(45_000);
    }
    // 60 times it went: it came back as long as its rest was shorter than its good spells, then no more.
    expect(world.moves.length).toBeLessThanOrEqual(6);
  });

  test("two links that are bad by turns do not drag the choice along for ever", () => {
    const world = settled({}, 1000);
    world.truth("b").traffic = 1000;
    for (let turn = 0; turn < 200; turn++) {
      world.truth("a").lossOut = turn % 2 === 0 ? 10 : 0;
      world.truth("b").lossOut = turn % 2 === 0 ? 0 : 10;
      world.run(6000);
    }
    expect(world.moves.length).toBeLessThanOrEqual(20);
  });
});

describe("all have been dead a while ago", () => {
  test("the best of those that rest is found, before any of them is trusted again", () => {
    const world = settled({ sla: ANY }, 0);
    for (const path of ["a", "b"]) world.truth(path).black = true;
    world.run(3000);
    for (const path of ["a", "b"]) world.truth(path).black = false;
    world.run(12_000);
    expect(world.chosen()).toBe("a");
    world.truth("a").rtt += 100;
    expect(world.until(() => world.chosen() === "b", HOLD.recover)).toBeLessThanOrEqual(2 * HOLD.rest);
  });
});

describe("nothing is good", () => {
  test("all bad: the least bad carries it, and it is told once that nothing is better", () => {
    const world = settled();
    Object.assign(world.truth("a"), { lossOut: 10 });
    Object.assign(world.truth("b"), { lossOut: 30, traffic: 1000 });
    world.run(60_000);
    expect(world.chosen()).toBe("a");
    expect(world.state()).toBe("least-bad");
    const told = world.decisions.filter(({ reason }) => reason === "least-bad");
    expect(told.length).toBeGreaterThanOrEqual(1);
    expect(told.at(-1)?.candidates.map(({ verdict }) => verdict)).toEqual(["bad", "bad"]);
    expect(world.decisions.map(({ at, why }) => `${at} ${why}`)).toHaveLength(2);
  });

  test("all dead: the last routes stay, and the first that lives is taken at once", () => {
    const world = settled();
    world.truth("a").black = true;
    world.truth("b").black = true;
    world.run(5000);
    expect(world.state()).toBe("none");
    expect(world.chosen()).toBeUndefined();
    // Both die in the same window: the one that carries it moves to the other, which was not known to be dead yet.
    const last = world.carried.get("c");
    expect(last).toBeDefined();
    world.truth("b").black = false;
    expect(world.until(() => world.chosen() === "b", 1000)).toBe(100);
  });

  test("all dead with a kill switch: nothing may carry it", () => {
    const world = settled({ killSwitch: true });
    world.truth("a").black = true;
    world.truth("b").black = true;
    world.run(5000);
    expect(world.carried.get("c")).toBeUndefined();
    expect(world.decisions.at(-1)?.why).toBe("no candidate is alive; nothing is sent");
    world.truth("a").black = false;
    world.run(1000);
    expect(world.carried.get("c")).toBe("a");
  });
});

describe("two links at both ends", () => {
  const near = ["isp1", "isp2"];
  const ids = near.flatMap((link) => near.map((far) => `${link}>berlin/${far}`));
  const plan = {
    paths: ids.map((id) => pathSpec(id, { link: id.slice(0, 4) })),
    choices: [choiceSpec(ids.map((id) => candidate(id)))],
  };
  const begin = (): World => {
    const truths = ids.map((id, index) => [id, { ...fine(20 + 7 * index), traffic: index === 0 ? 1000 : 0 }] as const);
    const world = new World(plan, Object.fromEntries(truths));
    world.run(10_000);
    expect(world.chosen()).toBe("isp1>berlin/isp1");
    return world;
  };

  test.each(["isp1>", "berlin/isp1"])(
    "what shares an end with a path that fails is not where traffic goes (%s)",
    (end) => {
      const world = begin();
      for (const id of ids) if (id.includes(end)) world.truth(id).lossOut = 5;
      expect(world.until(() => world.moves.length > 0, 5000)).toBeDefined();
      expect(world.chosen()).toBe("isp2>berlin/isp2");
      const other = begin();
      for (const id of ids) if (id.includes(end)) other.truth(id).black = true;
      expect(other.until(() => other.moves.length > 0, 5000)).toBeDefined();
      expect(other.chosen()).toBe("isp2>berlin/isp2");
    },
  );
});

describe("what cannot be judged", () => {
  test("a path that is measured anew is not left for that; one that stays unknown is, in the end", () => {
    const world = settled();
    world.forget("a", "another key");
    world.truth("a").black = true;
    world.mute("a");
    world.run(9000);
    expect(world.chosen()).toBe("a");
    world.run(3000);
    expect(world.chosen()).toBe("b");
    expect(world.moves).toHaveLength(1);
  });
});

describe("tiers", () => {
  test("a lower tier that keeps the SLA wins over any strategy; a higher one that keeps it over a lower that does not", () => {
    const plan = {
      paths: [pathSpec("a"), pathSpec("b")],
      choices: [choiceSpec([candidate("a", { tier: 1 }), candidate("b", { tier: 0 })], { sla: VOICE })],
    };
    const world = new World(plan, { a: fine(20), b: { ...fine(40), traffic: 1000 } });
    world.run(5000);
    expect(world.chosen()).toBe("b");
    world.truth("b").lossOut = 20;
    world.run(2000);
    expect(world.chosen()).toBe("a");
    world.truth("b").lossOut = 0;
    world.run(180_000);
    expect(world.chosen()).toBe("b");
    expect(world.moves.at(-1)?.reason).toBe("recovered");
  });
});
