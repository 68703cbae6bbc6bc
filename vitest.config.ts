import { defineConfig } from "vitest/config";

/** What measures, or has leases of a third of a second: nothing runs beside it. */
const ALONE = [
  "test/daemon/pulse/pulse.test.ts",
  "test/lab/relay.test.ts",
  "test/netstack/kernel/fence.test.ts",
  "test/scenario/failover.test.ts",
  "test/sdwan/link/driver/bandwidth.test.ts",
];

export default defineConfig({
  test: {
    pool: "forks",
    testTimeout: 60_000,
    hookTimeout: 60_000,
    projects: [
      { extends: true, test: { name: "alone", include: ALONE, maxWorkers: 1, sequence: { groupOrder: 1 } } },
      {
        extends: true,
        test: {
          name: "together",
          include: ["test/**/*.test.ts"],
          exclude: ALONE,
          // Kernel and scenario tests share two cores with what they start, and mostly wait for timers of real routers.
          maxWorkers: 3,
          sequence: { groupOrder: 0 },
        },
      },
    ],
  },
});
