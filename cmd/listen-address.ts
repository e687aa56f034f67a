import { UsageError } from "./usage-error.ts";

/**
 * Parses `host:port`, `[v6]:port` or `:port`. Undefined for the empty text: nothing listens.
 *
 * @throws UsageError that shows what was found
 */
export function parseListenAddress(text: string): ListenAddress | undefined {
  if (text === "") return undefined;
  const [, bracketed, plain, port] = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]]*)):(\d{1,5})$/.exec(text) ?? [];
  const number = Number(port);
  if (port === undefined || number > 65_535) {
    throw new UsageError(`Cannot parse listen address: found ${text}, expected host:port such as 127.0.0.1:9710`);
  }
  const host = bracketed ?? plain ?? "";
  return host === "" ? { port: number } : { host, port: number };
}

export interface ListenAddress {
  readonly host?: string;
  readonly port: number;
}
