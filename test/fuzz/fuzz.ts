/**
 * `npm run test:fuzz`: the fuzz suite alone, in the form that `npm test` runs. README.md says what it claims.
 *
 * usage: npm run test:fuzz -- [--long] [--seed N]
 *   --long    at least a million inputs; takes about an hour
 *   --seed N  the inputs of an earlier run, which printed N
 */
import { parseArgs } from "node:util";
import { runSuite } from "../gate/suite.ts";

const { values } = parseArgs({ options: { long: { type: "boolean" }, seed: { type: "string" } } });
const env = {
  ...(values.long === true && { FUZZ: "long" }),
  ...(values.seed !== undefined && { FUZZ_SEED: values.seed }),
};
const { passed, failed, skipped, seconds, problem } = await runSuite("fuzz", { env, output: "show" });
if (problem !== undefined) process.stdout.write(`fuzz: ${problem}\n`);
process.stdout.write(`${passed} passed, ${failed} failed, ${skipped.length} skipped, ${seconds.toFixed(1)} s\n`);
process.exitCode = failed === 0 ? 0 : 1;
