/** Facts of a log line. Never a secret. */
export type LogFields = Readonly<Record<string, unknown>>;

/** Where log lines go. A message is constant; what varies is in the fields. */
export interface Log {
  info(fields: LogFields, message: string): void;
  warn(fields: LogFields, message: string): void;
  error(fields: LogFields, message: string): void;
}

export const silentLog: Log = {
  info() {},
  warn() {},
  error() {},
};
