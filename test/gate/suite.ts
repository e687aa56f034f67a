import { existsSync } from "node:fs";
import { mkdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { execa } from "execa";
import { z } from "zod";
import { root } from "./step.ts";

export interface SuiteOutcome {
  readonly name: string;
  readonly passed: number;
  /** Tests that failed, and files that could not be loaded. */
  readonly failed: number;
  /** Full names of the tests that did not run. */
  readonly skipped: readonly string[];
  readonly seconds: number;
  /** What vitest printed, where it was kept. */
  readonly output: string;
  /** Why the suite as a whole is not all right, beyond the tests that failed. */
  readonly problem?: string;
}

const reportSchema = z.object({
  testResults: z.array(
    z.object({
      status: z.string(),
      assertionResults: z.array(z.object({ fullName: z.string(), status: z.string() })),
    }),
  ),
});

/**
 * Runs one of vitest.config.ts's projects. `output` says whether vitest's text goes to the terminal as it comes or is
 * kept. Never throws for what a suite does: a suite that is not there or runs no test is a failed one.
 */
export async function runSuite(
  name: string,
  { env = {}, output }: { readonly env?: Readonly<Record<string, string>>; readonly output: "show" | "keep" },
): Promise<SuiteOutcome> {
  const none = { name, passed: 0, failed: 1, skipped: [], seconds: 0, output: "" };
  if (!existsSync(join(root, "test", name))) return { ...none, problem: `test/${name} does not exist` };
  const report = join(root, ".cache", "results", `${name}.json`);
  await mkdir(join(report, ".."), { recursive: true });
  await rm(report, { force: true });
  const args = ["run", "--project", name, "--reporter=default", "--reporter=json", `--outputFile.json=${report}`];
  const result = await execa("vitest", args, {
    cwd: root,
    env,
    preferLocal: true,
    localDir: root,
    reject: false,
    stdin: "ignore",
    stdout: output === "show" ? ["inherit"] : ["pipe"],
    stderr: output === "show" ? ["inherit"] : ["pipe"],
    all: true,
  });
  const ran = { ...none, seconds: result.durationMs / 1000, output: result.all ?? "" };
  const text = await readFile(report, "utf8").catch(() => undefined);
  if (text === undefined) return { ...ran, problem: `vitest left no report: ${result.shortMessage ?? "exit code 0"}` };
  const outcome = { ...ran, ...countTests(reportSchema.parse(JSON.parse(text))) };
  if (outcome.passed + outcome.failed === 0) return { ...outcome, failed: 1, problem: "no test ran" };
  // An error outside of any test, e.g. a rejection that nothing waited for.
  if (result.failed && outcome.failed === 0)
    return { ...outcome, failed: 1, problem: "vitest failed outside its tests" };
  return outcome;
}

function countTests({
  testResults,
}: z.infer<typeof reportSchema>): Pick<SuiteOutcome, "passed" | "failed" | "skipped"> {
  const tests = testResults.flatMap((file) => file.assertionResults);
  const failedTests = tests.filter(({ status }) => status === "failed");
  const brokenFiles = testResults.filter(
    (file) => file.status === "failed" && !file.assertionResults.some(({ status }) => status === "failed"),
  );
  return {
    passed: tests.filter(({ status }) => status === "passed").length,
    failed: failedTests.length + brokenFiles.length,
    skipped: tests.filter(({ status }) => status !== "passed" && status !== "failed").map(({ fullName }) => fullName),
  };
}
