import { spawn } from "node:child_process";
import { once } from "node:events";

export interface BackgroundOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
}

/** A program that goes on while the test does. */
export interface Background {
  readonly pid: number;
  /** All that it has printed so far. */
  stdout(): string;
  stderr(): string;
  /** Its exit code, 128 after a signal; undefined while it runs. */
  exitCode(): number | undefined;
  /** Sends a signal and, unless that is SIGSTOP, SIGCONT or SIGHUP, waits for the end. Harmless after the end. */
  kill(signal: NodeJS.Signals): Promise<void>;
}

/** Starts a program. It dies with the test process, even where that is killed itself. Throws where it cannot start. */
export async function startBackground(argv: readonly string[], options: BackgroundOptions = {}): Promise<Background> {
  const child = spawn("setpriv", ["--pdeathsig", "KILL", ...argv], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, ...options.env },
    ...(options.cwd !== undefined && { cwd: options.cwd }),
  });
  const exited = once(child, "exit");
  await once(child, "spawn");
  const { pid } = child;
  if (pid === undefined) throw new Error(`Cannot start ${argv.join(" ")}: it has no process id`);
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
  const hasEnded = () => child.exitCode !== null || child.signalCode !== null;
  return {
    pid,
    stdout: () => stdout,
    stderr: () => stderr,
    exitCode: () => (hasEnded() ? (child.exitCode ?? 128) : undefined),
    async kill(signal) {
      if (hasEnded()) return;
      child.kill(signal);
      if (signal !== "SIGSTOP" && signal !== "SIGCONT" && signal !== "SIGHUP") await exited;
    },
  };
}
