import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { run } from "../../lab/process.ts";
import { entryOf, mainOf } from "../../tools/entry.ts";

describe("the entry of a bundled command", () => {
  const started = async (main: string, ...args: readonly string[]) => {
    const dir = mkdtempSync(join(tmpdir(), "nv-entry-"));
    try {
      const old = join(dir, "old.cjs");
      writeFileSync(
        old,
        `Object.defineProperty(process, "versions", { value: { node: "20.11.0" } });
Object.defineProperty(process, "version", { value: "v20.11.0" });`,
      );
      const entry = join(dir, "novactl.cjs");
      writeFileSync(entry, entryOf("novactl"));
      writeFileSync(join(dir, mainOf("novactl")), main);
      return await run(process.execPath, [...args.map((each) => each.replace("OLD", old)), entry, "status"], {
        anyCode: true,
      });
    } finally {
      rmSync(dir, { recursive: true });
    }
  };
  test("runs the bundle, with its arguments", async () => {
    const { code, stdout } = await started("console.log(process.argv[2])");
    expect([code, stdout]).toEqual([0, "status\n"]);
  });
  test("an older Node is told what is needed, in one line, before it parses the bundle", async () => {
    const { code, stderr } = await started("this is no JavaScript", "--require", "OLD");
    expect([code, stderr]).toEqual([1, `novactl needs Node 26 or newer; ${process.execPath} is v20.11.0\n`]);
  });
});
