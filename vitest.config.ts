import { defineConfig } from "vitest/config";

/** Suites that build network namespaces, kernel chains or containers as root take turns: one file at a time. */
const suites = [
  { name: "unit", maxWorkers: 2 },
  { name: "contract", maxWorkers: 1 },
  { name: "consul", maxWorkers: 1 },
  { name: "kernel", maxWorkers: 1 },
  { name: "e2e", maxWorkers: 1, exclude: ["test/e2e/nomad/**"] },
  // Where a Nomad is found only.
  { name: "e2e/nomad", maxWorkers: 1, testTimeout: 180_000 },
  { name: "faults", maxWorkers: 1 },
  { name: "fuzz", maxWorkers: 2, globalSetup: "test/fuzz/support/global-setup.ts" },
];

export default defineConfig({
  test: {
    allowOnly: false,
    passWithNoTests: false,
    projects: suites.map(({ name, maxWorkers, globalSetup = [], exclude = [], testTimeout = 60_000 }) => ({
      test: {
        name,
        include: [`test/${name}/**/*.test.ts`],
        exclude,
        environment: "node",
        globalSetup,
        maxWorkers,
        retry: 0,
        testTimeout,
        hookTimeout: 120_000,
      },
    })),
  },
});
