import { execFileSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { after, type Instant, instant, ms } from "../../../base/unit.ts";
import { NODE_CLOCK } from "../../../daemon/clock.ts";
import { commit, recover } from "../../../daemon/config/transaction.ts";
import { Burst, watchDirectories } from "../../../daemon/config/watch.ts";

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "nv-config-"));
});
afterEach(() => rmSync(dir, { recursive: true }));
const read = (name: string): string => readFileSync(join(dir, name), "utf8");
const put = (name: string, text: string): void => writeFileSync(join(dir, name), text);

describe("several files change together or not at all", () => {
  it("writes, replaces and removes, and leaves nothing else", () => {
    put("a.yaml", "old");
    put("b.yaml", "old");
    chmodSync(join(dir, "a.yaml"), 0o600);
    commit(dir, [
      { path: join(dir, "a.yaml"), text: "new" },
      { path: join(dir, "b.yaml"), text: undefined },
      { path: join(dir, "c.yaml"), text: "more" },
    ]);
    expect(readdirSync(dir).sort()).toEqual(["a.yaml", "c.yaml"]);
    expect([read("a.yaml"), read("c.yaml")]).toEqual(["new", "more"]);
  });
  it("a write that fails leaves everything as it was", () => {
    put("a.yaml", "old");
    // A directory where the staged file of the second change would go: open fails after the first was staged.
    mkdirSync(join(dir, ".novaedge-staged-b.yaml"));
    const change = (): void =>
      commit(dir, [
        { path: join(dir, "a.yaml"), text: "new" },
        { path: join(dir, "b.yaml"), text: "new" },
      ]);
    expect(change).toThrow(/FILE: .*nothing was changed/);
    expect(read("a.yaml")).toBe("old");
    expect(existsSync(join(dir, "b.yaml"))).toBe(false);
  });
  it.skipIf(process.getuid?.() !== 0)("a full disk leaves everything as it was", () => {
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=64k", "nv-config-test", dir]);
    try {
      put("a.yaml", "old");
      const change = (): void =>
        commit(dir, [
          { path: join(dir, "a.yaml"), text: "new" },
          { path: join(dir, "b.yaml"), text: "x".repeat(100_000) },
        ]);
      expect(change).toThrow(/FILE: .*ENOSPC.*nothing was changed/);
      expect(readdirSync(dir)).toEqual(["a.yaml"]);
      expect(read("a.yaml")).toBe("old");
    } finally {
      execFileSync("umount", [dir]);
    }
  });
  it("a crash before the journal is undone, one after it is finished", () => {
    put("a.yaml", "old");
    put(".novaedge-staged-a.yaml", "new");
    expect(recover(dir)).toEqual([]);
    expect(readdirSync(dir)).toEqual(["a.yaml"]);
    expect(read("a.yaml")).toBe("old");
    // After the journal and the first of two renames.
    put("a.yaml", "new");
    put(".novaedge-staged-b.yaml", "new b");
    put("c.yaml", "to go");
    put(
      ".novaedge-journal",
      JSON.stringify([
        { name: "a.yaml", staged: ".novaedge-staged-a.yaml" },
        { name: "b.yaml", staged: ".novaedge-staged-b.yaml" },
        { name: "c.yaml", staged: "" },
      ]),
    );
    expect(recover(dir)).toEqual(["a.yaml", "b.yaml", "c.yaml"]);
    expect(readdirSync(dir).sort()).toEqual(["a.yaml", "b.yaml"]);
    expect([read("a.yaml"), read("b.yaml")]).toEqual(["new", "new b"]);
  });
});

describe("watching", () => {
  /** Resolves with the number of calls once `count` of them came. */
  const calls = (paths: readonly string[]): { next(): Promise<void>; stop: Disposable } => {
    let seen = 0;
    let taken = 0;
    let wake: (() => void) | undefined;
    const stop = watchDirectories(paths, NODE_CLOCK, () => {
      seen++;
      wake?.();
    });
    return {
      stop,
      next: async () => {
        if (seen === taken) await new Promise<void>((resolve) => (wake = resolve));
        taken = seen;
      },
    };
  };
  it("sees an editor's rename pattern, a new directory, and a replaced one", async () => {
    const sub = join(dir, "conf.d");
    const watching = calls([dir, sub]);
    using _ = watching.stop;
    put("novaedge.yaml~", "x");
    renameSync(join(dir, "novaedge.yaml~"), join(dir, "novaedge.yaml"));
    await watching.next();
    mkdirSync(sub);
    await watching.next();
    put("conf.d/a.yaml", "x");
    await watching.next();
    renameSync(sub, join(dir, "gone"));
    mkdirSync(sub);
    await watching.next();
    put("conf.d/b.yaml", "x");
    await watching.next();
  });
  it("a burst is one call, 100 ms after its end, and at the latest after a second", () => {
    let now: Instant = instant(0);
    let alarm: { readonly at: Instant; readonly wake: () => void } | undefined;
    const fired: number[] = [];
    const clock = {
      now: () => now,
      wakeAt: (at: Instant, wake: () => void) => {
        alarm = { at, wake };
        return { [Symbol.dispose]: () => (alarm = undefined) };
      },
    };
    const burst = new Burst(clock, () => fired.push(now));
    const pass = (span: number): void => {
      const end = after(now, ms(span));
      if (alarm !== undefined && alarm.at <= end) {
        now = alarm.at;
        const { wake } = alarm;
        alarm = undefined;
        wake();
      }
      now = end;
    };
    burst.add();
    pass(50);
    burst.add();
    pass(500);
    expect(fired).toEqual([150]);
    const from = now;
    for (let each = 0; each < 40; each++) {
      burst.add();
      pass(50);
    }
    expect(fired[1]).toBe(from + 1_000);
  });
});
