import { spawn, spawnSync } from "node:child_process";
import { IptablesError } from "./iptables-error.ts";

export interface RunOptions {
  readonly input: string;
  readonly path: string;
  readonly signal: AbortSignal | undefined;
  readonly onStart: ((pid: number) => void) | undefined;
  /** A descriptor of ours that it keeps open. */
  readonly inherited?: number | undefined;
}

/** A restore of thousands of rules on a node that is short of processors may take ten seconds, and must not be given up. */
const TIMEOUT_MS = 20_000;
/** A node with 1,000 allocations lists a few megabytes. */
const MAX_OUTPUT_BYTES = 256 * 1024 * 1024;

/** Runs a program and resolves with what it printed. Throws IptablesError on anything but exit code 0. */
export function runProgram(file: string, args: readonly string[], options: RunOptions): Promise<string> {
  const { input, signal, onStart } = options;
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, { ...environment(options), ...(signal && { signal }) });
    if (child.pid !== undefined) onStart?.(child.pid);
    const stdout: Buffer[] = [];
    const stderr: Buffer[] = [];
    child.stdout?.on("data", (chunk: Buffer) => stdout.push(chunk));
    child.stderr?.on("data", (chunk: Buffer) => stderr.push(chunk));
    // A program that dies before it has read everything breaks the pipe; its exit says what happened.
    child.stdin?.on("error", () => {});
    child.on("error", (cause) => reject(cannotRun(file, { input, cause })));
    child.on("close", (status, killedBy) => {
      const outcome = { status, signal: killedBy, stdout: Buffer.concat(stdout), stderr: Buffer.concat(stderr) };
      try {
        resolve(readOutcome(file, { input, ...outcome }));
      } catch (error) {
        reject(error instanceof Error ? error : new Error(String(error)));
      }
    });
    child.stdin?.end(input);
  });
}

/** The same, holding up the process until the program has ended. */
export function runBlocking(file: string, args: readonly string[], options: RunOptions): string {
  const { input, signal, onStart } = options;
  if (signal?.aborted) throw cannotRun(file, { input, cause: new Error("there is no time left") });
  const outcome = spawnSync(file, args, { ...environment(options), input, maxBuffer: MAX_OUTPUT_BYTES });
  onStart?.(outcome.pid);
  if (outcome.status === null && outcome.signal === null) {
    throw cannotRun(file, { input, cause: outcome.error ?? new Error("it did not start") });
  }
  return readOutcome(file, { ...outcome, input });
}

function environment({ path, inherited }: RunOptions) {
  const stdio: ("pipe" | number)[] = ["pipe", "pipe", "pipe", ...(inherited === undefined ? [] : [inherited])];
  return { env: { PATH: path, LC_ALL: "C" }, timeout: TIMEOUT_MS, killSignal: "SIGKILL", stdio } as const;
}

interface Outcome {
  readonly input: string;
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: Buffer;
  readonly stderr: Buffer;
}

function readOutcome(file: string, { input, status, signal, stdout, stderr }: Outcome): string {
  const printed = stdout.toString();
  if (status === 0) return printed;
  const how = signal === null ? `exit code ${status}` : `ended by ${signal} after at most ${TIMEOUT_MS} ms`;
  const said = stderr.toString().trim().split("\n").slice(0, 3).join("; ");
  throw new IptablesError(`${file} failed: ${how}: ${said}`, { input, stdout: printed });
}

function cannotRun(file: string, { input, cause }: { readonly input: string; readonly cause: Error }): IptablesError {
  return new IptablesError(`Cannot run ${file}: ${cause.message}`, { input, stdout: "", cause });
}
