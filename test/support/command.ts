import { execa } from "execa";

export interface CommandOptions {
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly input?: string;
  readonly cwd?: string;
  /** Default 60,000. A command that takes longer is killed, and `runCommand` throws. */
  readonly timeoutMs?: number;
  /** Return a non-zero exit instead of throwing. */
  readonly allowFailure?: boolean;
  /** Kills the command with SIGKILL; it then ends with exit code 137, and nothing is thrown. */
  readonly killSignal?: AbortSignal;
}

export interface CommandOutcome {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs one command to its end. Throws where it cannot start, takes too long, or fails without `allowFailure`. */
export async function runCommand(argv: readonly string[], options: CommandOptions = {}): Promise<CommandOutcome> {
  const [file, ...args] = argv;
  if (file === undefined) throw new Error("Cannot run command: argv is empty");
  const result = await execa(file, args, {
    reject: false,
    stripFinalNewline: false,
    timeout: options.timeoutMs ?? 60_000,
    killSignal: "SIGKILL",
    input: options.input ?? "",
    env: options.env ?? {},
    ...(options.cwd !== undefined && { cwd: options.cwd }),
    ...(options.killSignal && { cancelSignal: options.killSignal }),
  });
  const { stdout, stderr } = result;
  if (result.isCanceled) return { exitCode: 137, stdout, stderr };
  if (result.exitCode === undefined) throw new Error(`Cannot run command: ${result.shortMessage}`);
  if (result.exitCode !== 0 && options.allowFailure !== true) {
    throw new Error(`Cannot run command: ${argv.join(" ")} exited with ${result.exitCode}\n${stderr}${stdout}`);
  }
  return { exitCode: result.exitCode, stdout, stderr };
}
