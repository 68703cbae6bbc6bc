import { execFileSync } from "node:child_process";
import { describe, expect, test } from "vitest";
import { dropPrivileges } from "../../../netstack/kernel/privileges.ts";

describe("privileges", () => {
  test.skipIf(process.getuid?.() !== 0)(
    "a process that dropped them has nothing left in any thread, and its loops work",
    () => {
      const program = new URL("programs/drop.ts", import.meta.url).pathname;
      const told: unknown = JSON.parse(execFileSync(process.execPath, [program], { encoding: "utf8" }));
      expect(told).toMatchObject({
        left: [],
        comm: "novaedge: a nam",
        exec: "spawnSync /bin/true EPERM",
        root: "EPERM",
        shadow: "EACCES",
        bounding: "0000000000000000",
        engines: ["io_uring", "epoll"],
        woken: 2,
      });
      const { scheduling, policy, before } = told as { scheduling: string; policy: string; before: number };
      expect(before).toBeGreaterThan(0);
      if (scheduling === "SCHED_RR 10") expect(policy).toBe("2");
      else expect(scheduling).toMatch(/^(nice -(20|15)|ordinary) \(SCHED_RR: E[A-Z]+/);
    },
  );

  test("root is not an unprivileged user", () => {
    expect(() => dropPrivileges({ uid: 0, gid: 1 })).toThrow(TypeError);
    expect(() => dropPrivileges({ uid: Number.NaN, gid: 1 })).toThrow(TypeError);
  });
});
