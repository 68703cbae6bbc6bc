/** Processes that are started before anybody knows what they shall do. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { Early, likelyDataplanes } from "../../../daemon/supervisor/early.ts";
import { gone } from "../daemon-process.ts";

const script = (name: string): readonly string[] => [fileURLToPath(new URL(`../fixtures/${name}`, import.meta.url))];
const PROGRAMS = {
  pulse: script("fake-pulse.ts"),
  dataplane: script("fake-dataplane.ts"),
  routing: script("fake-routing.ts"),
  wan: script("fake-routing.ts"),
};
const TASK = { args: [], said: () => undefined };

describe("children started early", () => {
  it("wait for their task, serve whoever takes them first, and the rest is gone when discarded", async () => {
    const before = children();
    await using early = new Early(PROGRAMS, 2);
    const waiting = children().filter((pid) => !before.includes(pid));
    expect(waiting).toHaveLength(3);
    const heard: string[] = [];
    const ended = Promise.withResolvers<string>();
    const greeted = Promise.withResolvers<void>();
    const taken = early.dataplane.spawning(TASK)({
      received: ({ kind }) => {
        heard.push(kind);
        greeted.resolve();
      },
      ended: ended.resolve,
    });
    expect(waiting).toContain(taken.pid);
    await greeted.promise;
    await early.discard();
    expect(children().filter((pid) => waiting.includes(pid))).toEqual([taken.pid]);
    taken.kill();
    expect(await ended.promise).toBe("signal SIGKILL");
    expect(heard).toEqual(["hello"]);
  });

  it("one that died while it waited is passed over: another one is started", async () => {
    const before = children();
    await using early = new Early(PROGRAMS, 0);
    const [dead = -1] = children().filter((pid) => !before.includes(pid));
    process.kill(dead, "SIGKILL");
    while (children().includes(dead)) await new Promise((resolve) => setTimeout(resolve, 5));
    const ended = Promise.withResolvers<string>();
    const greeted = Promise.withResolvers<string>();
    const taken = early.pulse.spawning(TASK)({
      received: ({ kind }) => greeted.resolve(kind),
      ended: ended.resolve,
    });
    expect(await greeted.promise).toBe("hello");
    taken.kill();
    expect(await ended.promise).toBe("signal SIGKILL");
  });

  it("end by themselves when whoever started them is killed", async () => {
    const module = fileURLToPath(new URL("../../../daemon/supervisor/early.ts", import.meta.url));
    const program = `
      import { readFileSync } from "node:fs";
      import { Early } from ${JSON.stringify(module)};
      new Early(${JSON.stringify(PROGRAMS)}, 2);
      process.stdout.write(readFileSync("/proc/" + process.pid + "/task/" + process.pid + "/children"));
      process.kill(process.pid, "SIGKILL");`;
    const { stdout, signal } = spawnSync(process.execPath, ["--input-type=module", "-e", program]);
    expect(signal).toBe("SIGKILL");
    const orphans = String(stdout).split(" ").filter(Boolean).map(Number);
    expect(orphans).toHaveLength(3);
    await Promise.all(orphans.map(gone));
  });
});

describe("the number of data planes, guessed", () => {
  const cores = availableParallelism();
  it.each([
    ["dataplane:\n  workers: 1\n", 1],
    ["dataplane: {engine: epoll, workers: 1}\n", 1],
    ['{"dataplane": {"workers": 1}}\n', 1],
    ["dataplane:\n  # workers: 1\n  workers: auto\n", cores],
    ["dataplane: {workers: 100000}\n", cores],
    ["", cores],
  ])("%j", (text, workers) => {
    const dir = mkdtempSync(join(tmpdir(), "nv-early-"));
    const file = join(dir, "novaedge.yaml");
    writeFileSync(file, text);
    expect(likelyDataplanes(undefined, file)).toBe(workers);
    expect(likelyDataplanes(1, file)).toBe(1);
    rmSync(dir, { recursive: true });
    expect(likelyDataplanes(undefined, file)).toBe(cores);
  });
});

/** Of all threads of this process. */
function children(): readonly number[] {
  const tasks = `/proc/${process.pid}/task`;
  return readdirSync(tasks)
    .flatMap((task) => readFileSync(`${tasks}/${task}/children`, "utf8").split(" "))
    .filter((pid) => pid !== "")
    .map(Number);
}
