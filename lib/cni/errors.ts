/** The codes of the specification's "Error" section; `internal` is what the reference library adds for the rest. */
export const CNI_ERROR = {
  incompatibleVersion: 1,
  unsupportedField: 2,
  /** Tells the runtime that it need not call DEL. */
  unknownContainer: 3,
  invalidEnvironment: 4,
  ioFailure: 5,
  decodingFailure: 6,
  invalidConfig: 7,
  invalidNetns: 8,
  tryAgainLater: 11,
  /** STATUS: ADD cannot succeed. */
  pluginNotAvailable: 50,
  /** STATUS: ADD cannot succeed, and attached containers may have lost connectivity. */
  limitedConnectivity: 51,
  internal: 999,
} as const;

export type CniErrorCode = (typeof CNI_ERROR)[keyof typeof CNI_ERROR];

/** A failure that already knows its code in CNI's table. */
export class CniError extends Error {
  override readonly name = "CniError";
  readonly code: CniErrorCode;
  /** Empty where the message says it all. */
  readonly details: string;

  constructor(message: string, options: { code: CniErrorCode; details?: string; cause?: unknown }) {
    super(message, options.cause === undefined ? {} : { cause: options.cause });
    this.code = options.code;
    this.details = options.details ?? "";
  }
}

/**
 * The text for stdout when a verb failed. What is not a `CniError` becomes code 999 with its message, never its stack.
 * `cniVersion` is the configuration's; it is left out where the failure came before it was known.
 */
export function formatError(error: unknown, cniVersion?: string): string {
  const { code, message, details } =
    error instanceof CniError ? error : new CniError(messageOf(error), { code: CNI_ERROR.internal });
  return JSON.stringify(
    {
      ...(cniVersion === undefined ? {} : { cniVersion }),
      code,
      msg: shorten(message),
      ...(details === "" ? {} : { details: shorten(details) }),
    },
    null,
    4,
  );
}

/** What was found may be shown as it came, and may be megabytes; a path of 4,096 bytes (PATH_MAX) still fits. */
function shorten(text: string): string {
  return text.length > MOST_CHARACTERS ? `${text.slice(0, MOST_CHARACTERS)}…` : text;
}

const MOST_CHARACTERS = 5_000;

function messageOf(error: unknown): string {
  if (error instanceof Error) return error.message === "" ? error.name : error.message;
  return typeof error === "string" && error !== "" ? error : `unexpected ${typeof error} thrown`;
}
