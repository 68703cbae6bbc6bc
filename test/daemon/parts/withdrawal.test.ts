import { expect, test } from "vitest";
import { instant } from "../../../base/unit.ts";
import { Withdrawal } from "../../../daemon/parts/withdrawal.ts";
import { VirtualClock } from "../control-world.ts";

function begun() {
  const clock = new VirtualClock();
  const withdrawal = new Withdrawal(clock);
  const heard: string[] = [];
  void withdrawal.wait(instant(500), () => heard.push("late")).then(() => heard.push("over"));
  return { clock, withdrawal, heard };
}

test("over when the child says so, and never late after that", async () => {
  const { clock, withdrawal, heard } = begun();
  withdrawal.over();
  withdrawal.over();
  await clock.pass(1000);
  expect(heard).toEqual(["over"]);
});

test("a child that says nothing is waited for until its time is up", async () => {
  const { clock, withdrawal, heard } = begun();
  await clock.pass(499);
  expect(heard).toEqual([]);
  await clock.pass(1);
  await clock.pass(1);
  expect(heard).toEqual(["late", "over"]);
  withdrawal.over();
  await clock.pass(1000);
  expect(heard).toEqual(["late", "over"]);
});
