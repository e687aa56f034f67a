import { Worker } from "node:worker_threads";

/** Far beyond what any input takes on a machine under load. */
const LONGEST_MS = 300_000;

/** Ends this process, and says where it was, when no input has ended for long: nothing else gets out of a loop. */
export interface Watchdog {
  readonly sign: () => void;
  readonly close: () => Promise<unknown>;
}

export function startWatchdog(what: string): Watchdog {
  const signs = new Int32Array(new SharedArrayBuffer(4));
  const worker = new Worker(SOURCE, { eval: true, workerData: { signs, what, longestMs: LONGEST_MS } });
  worker.unref();
  return { sign: () => Atomics.add(signs, 0, 1), close: () => worker.terminate() };
}

/** In a thread of its own, and written there: what the main thread's event loop runs is what may hang. */
const SOURCE = `
const { writeSync } = require("node:fs");
const { workerData: { signs, what, longestMs } } = require("node:worker_threads");
for (let last = -1; last !== signs[0]; ) {
  last = signs[0];
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, longestMs);
}
writeSync(2, \`fuzz: \${what}: input \${signs[0]} has not ended for \${longestMs} ms\\n\`);
process.kill(process.pid, "SIGKILL");
`;
