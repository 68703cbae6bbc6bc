/** When a shield begins and ends, and which second path it takes: under a virtual clock. */
import { describe, expect, test } from "vitest";
import { Shields } from "../../../sdwan/choose/shield.ts";
import type { ChoiceSpec, PathSpec, ShieldChange, SteerPlan } from "../../../sdwan/steer-plan.ts";
import { candidate, choiceSpec, fine, pathSpec, World } from "./world.ts";

/** Two links at both ends: each path shares a link with two others, and with one none. */
const IDS = ["a>berlin/x", "a>berlin/y", "b>berlin/x", "b>berlin/y"] as const;
type Plan = Pick<SteerPlan, "paths" | "choices">;

function planOf(choice: Partial<ChoiceSpec> = {}, path: (id: string) => Partial<PathSpec> = () => ({})): Plan {
  const paths = IDS.map((id) => pathSpec(id, { link: id.slice(0, 1), ...path(id) }));
  const shield = { loss: 1, metered: false };
  return {
    paths,
    choices: [
      choiceSpec(
        IDS.map((id) => candidate(id)),
        { shield, ...choice },
      ),
    ],
  };
}

class Shielding {
  readonly world: World;
  readonly shields = new Shields();
  readonly changes: ShieldChange[] = [];

  constructor(plan = planOf(), seed = 1) {
    const truth = () => ({ ...fine(), traffic: 500 });
    this.world = new World(plan, Object.fromEntries(IDS.map((id) => [id, truth()])), seed);
    this.shields.plan(plan);
  }
  plan(plan: Plan): void {
    this.world.plan(plan);
    this.shields.plan(plan);
  }
  step(): void {
    this.world.step();
    for (const id of IDS) {
      this.shields.life(id, this.world.life(id));
      const figures = this.world.figures(id);
      if (figures !== undefined) this.shields.measured(id, figures, this.world.at.now);
    }
    this.changes.push(...(this.shields.evaluate(this.world.at)?.changes ?? []));
  }
  run(span: number): void {
    for (const end = this.world.now + span; this.world.now < end; ) this.step();
  }
  /** How long it took. */
  until(is: () => boolean, most = 60_000): number {
    const from = this.world.now;
    while (!is() && this.world.now - from < most) this.step();
    return this.world.now - from;
  }
  second(path: string): string | undefined {
    return this.shields.all.find((each) => each.path === path)?.second;
  }
}

const [AX, AY, BX, BY] = IDS;

describe("the loss shield", () => {
  test("5 % lost: within two seconds, over the path that shares nothing; ten seconds after the last of it, no more", () => {
    for (let seed = 1; seed <= 6; seed++) {
      const it = new Shielding(planOf(), seed);
      it.run(5_000);
      expect(it.shields.all).toEqual([]);
      it.world.truth(AX).lossOut = 5;
      expect(it.until(() => it.shields.all.length > 0)).toBeLessThan(2_000);
      expect(it.shields.all).toMatchObject([
        { choice: "c", policy: "voice", path: AX, site: "berlin", second: BY, to: `nv${BY}` },
      ]);
      it.run(20_000);
      expect(it.changes.length).toBe(1);
      it.world.truth(AX).lossOut = 0;
      const took = it.until(() => it.shields.all.length === 0);
      expect(took).toBeGreaterThan(9_000);
      expect(took).toBeLessThan(30_000);
      expect(it.changes.map(({ kind }) => kind)).toEqual(["began", "ended"]);
      expect(it.changes[0]?.why).toMatch(/^[0-9.]+ % lost there, over 1 %$/);
      expect(it.changes[1]?.why).toBe("no more than 1 % lost for a while");
    }
  });

  test("what is lost on the way back is the other site's to shield; what is under the limit nobody's", () => {
    const it = new Shielding();
    it.world.truth(AX).lossBack = 10;
    it.world.truth(BX).lossOut = 0.7;
    it.run(120_000);
    expect(it.changes).toEqual([]);
  });

  test("each loss that comes back while it is calm makes the next calm longer, not the shield flap", () => {
    const it = new Shielding();
    for (let round = 0; round < 8; round++) {
      it.world.truth(AX).lossOut = 5;
      it.run(4_000);
      it.world.truth(AX).lossOut = 0;
      it.run(8_000);
    }
    expect(it.changes.length).toBe(1);
    for (let round = 0; round < 8; round++) {
      it.world.truth(AX).lossOut = 5;
      it.run(4_000);
      it.world.truth(AX).lossOut = 0;
      it.run(20_000);
    }
    expect(it.changes.length).toBeLessThan(6);
  });

  test("the second path: none that is dead; a metered one only where the policy says so; then whatever shares least", () => {
    const metered = (id: string): Partial<PathSpec> => ({ metered: id === BY });
    for (const [asked, wanted] of [
      [false, AY],
      [true, BY],
    ] as const) {
      const it = new Shielding(planOf({ shield: { loss: 1, metered: asked } }, metered));
      it.world.truth(AX).lossOut = 10;
      it.until(() => it.shields.all.length > 0);
      expect(it.second(AX)).toBe(wanted);
    }
    const it = new Shielding();
    it.world.truth(AX).lossOut = 10;
    it.until(() => it.shields.all.length > 0);
    it.world.truth(BY).black = true;
    it.until(() => it.second(AX) !== BY, 5_000);
    expect(it.second(AX)).toBe(AY);
    it.world.truth(BY).black = false;
    it.until(() => it.second(AX) === BY, 5_000);
    expect(it.second(AX)).toBe(BY);
    for (const id of [AY, BX, BY]) it.world.truth(id).black = true;
    it.until(() => it.second(AX) === undefined, 5_000);
    expect(it.shields.all).toMatchObject([{ path: AX, second: undefined, to: undefined }]);
    expect(it.shields.all[0]?.why).toMatch(/no second path lives$/);
    expect(it.changes.at(-1)).toMatchObject({ kind: "ended", why: "no second path lives" });
  });

  test("a path that dies is not shielded any more, and what it lost before does not count when it lives again", () => {
    const it = new Shielding();
    it.world.truth(AX).lossOut = 10;
    it.until(() => it.shields.all.length > 0);
    it.world.truth(AX).black = true;
    it.until(() => it.shields.all.length === 0, 5_000);
    expect(it.changes.at(-1)).toMatchObject({ kind: "ended", why: `${AX} is dead` });
    Object.assign(it.world.truth(AX), { black: false, lossOut: 0 });
    it.run(30_000);
    expect(it.changes.length).toBe(2);
  });

  test("a plan without it ends it; one that says the same touches nothing", () => {
    const it = new Shielding();
    it.world.truth(AX).lossOut = 10;
    it.until(() => it.shields.all.length > 0);
    it.plan(planOf());
    it.run(1_000);
    expect(it.changes.length).toBe(1);
    const { shield: _, ...without } = planOf().choices[0] as ChoiceSpec;
    it.plan({ paths: planOf().paths, choices: [without] });
    it.run(100);
    expect(it.shields.all).toEqual([]);
    expect(it.changes.at(-1)).toMatchObject({ kind: "ended", why: "the plan is another" });
  });
});
