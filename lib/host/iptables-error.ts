/** An iptables program could not be run, or refused. */
export class IptablesError extends Error {
  override readonly name = "IptablesError";
  readonly stdout: string;
  /** The exact text that was refused. */
  readonly input: string;

  constructor(message: string, { stdout, input, cause }: IptablesErrorDetails) {
    super(message, cause === undefined ? {} : { cause });
    this.stdout = stdout;
    this.input = input;
  }
}

interface IptablesErrorDetails {
  readonly stdout: string;
  readonly input: string;
  readonly cause?: unknown;
}
