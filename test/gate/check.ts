/** `npm run check`: the gate. Exits 1 when any of it fails. */
import { runGate } from "./gate.ts";

const { failedSteps, unit } = await runGate();
process.stdout.write(`${unit.passed} passed, ${unit.failed + failedSteps} failed, ${unit.skipped.length} skipped\n`);
process.exitCode = unit.failed + failedSteps === 0 ? 0 : 1;
