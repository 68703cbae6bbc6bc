/** `npm test`: everything, in this process's own words at the end: `N passed, N failed`. Arguments filter by path. */
if (!process.stdout.isTTY) process.env["NO_COLOR"] = "1";
const { startVitest } = await import("vitest/node");

const filters = process.argv.slice(2);
// Real routers have timers of their own: what fails is tried twice more, and named when it then passes.
const vitest = await startVitest("test", filters, { run: true, watch: false, reporters: ["default"], retry: 2 });
const count = { passed: 0, failed: 0, skipped: 0 };
const skipped = new Map<string, number>();
const unsteady: string[] = [];
for (const module of vitest.state.getTestModules()) {
  let ran = 0;
  for (const test of module.children.allTests()) {
    ran++;
    const state = test.result().state;
    if (test.diagnostic()?.flaky === true) unsteady.push(test.fullName);
    if (state === "passed") count.passed++;
    else if (state === "failed") count.failed++;
    else {
      count.skipped++;
      const file = module.relativeModuleId;
      skipped.set(file, (skipped.get(file) ?? 0) + 1);
    }
  }
  // A file that does not even load has no tests to count, and must not pass for that.
  if (module.state() === "failed" && (ran === 0 || module.errors().length > 0)) count.failed++;
}
count.failed += vitest.state.getUnhandledErrors().length;
await vitest.close();
for (const name of unsteady) process.stdout.write(`passed, but not at the first attempt: ${name}\n`);
for (const [file, tests] of skipped) process.stdout.write(`skipped: ${tests} in ${file}\n`);
const tail = count.skipped > 0 ? `, ${count.skipped} skipped` : "";
process.stdout.write(`${count.passed} passed, ${count.failed} failed${tail}\n`);
process.exit(count.failed > 0 || count.passed === 0 ? 1 : 0);
