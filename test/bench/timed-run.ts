import { spawn } from "node:child_process";
import { monotonicMs } from "../support/wait.ts";

export interface TimedRun {
  /** The program by its whole path, and its arguments. */
  readonly argv: readonly [string, ...string[]];
  readonly input?: string;
  /** All of its environment. */
  readonly env: Readonly<Record<string, string>>;
}

/**
 * Milliseconds from just before a program is started until it has ended and its output is read. All that is compared
 * goes through here, with the same pipes, so that what starting costs this process is the same for all.
 *
 * @throws Error unless it exits with 0
 */
export function timeRun({ argv: [file, ...args], input = "", env }: TimedRun): Promise<number> {
  return new Promise((resolve, reject) => {
    const output: Buffer[] = [];
    const startedAtMs = monotonicMs();
    const child = spawn(file, args, { env, stdio: "pipe" });
    // A program that reads nothing closes the pipe.
    child.stdin.on("error", () => {});
    child.stdin.end(input);
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk: Buffer) => output.push(chunk));
    child.on("error", reject);
    child.on("close", (code, signal) => {
      const tookMs = monotonicMs() - startedAtMs;
      if (code === 0) return resolve(tookMs);
      const said = Buffer.concat(output).toString().trim();
      reject(new Error(`Cannot measure ${file} ${args.join(" ")}: it ended with ${code ?? signal}: ${said}`));
    });
  });
}
