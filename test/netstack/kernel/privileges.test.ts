import { execFileSync } from "node:child_process";
import { describe, expect, test } from "vitest";
import { createNamespace, deleteNamespace } from "../../../netstack/kernel/namespace.ts";
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

  test.skipIf(process.getuid?.() !== 0)(
    "a process that kept three capabilities can do what they are for and no more; its other threads have none",
    () => {
      const program = new URL("programs/keep.ts", import.meta.url).pathname;
      const namespace = `nv${process.pid}x1k`;
      createNamespace(namespace);
      try {
        const args = [`--net=/run/netns/${namespace}`, "--", process.execPath, program];
        expect(JSON.parse(execFileSync("nsenter", args, { encoding: "utf8" }))).toEqual({
          held: ["0", "3400"],
          uid: 65534,
          port: "allowed",
          raw: "allowed",
          address: "allowed",
          shadow: "EACCES",
          root: "EPERM",
          exec: "spawnSync /bin/true EPERM",
        });
      } finally {
        deleteNamespace(namespace);
      }
    },
  );

  test("root is not an unprivileged user", () => {
    expect(() => dropPrivileges({ uid: 0, gid: 1 })).toThrow(TypeError);
    expect(() => dropPrivileges({ uid: Number.NaN, gid: 1 })).toThrow(TypeError);
  });
});
