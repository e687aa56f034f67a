/**
 * Parses `host:port`, `[v6]:port` or `:port`.
 *
 * @throws Error that shows what was found
 */
export function parseListenAddress(text: string): ListenAddress {
  const [, bracketed, plain, port] = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]]*)):(\d{1,5})$/.exec(text) ?? [];
  const number = Number(port);
  if (port === undefined || number > 65_535) {
    throw new Error(`Cannot parse listen address: found ${text}, expected host:port such as 127.0.0.1:9710`);
  }
  const host = bracketed ?? plain ?? "";
  return host === "" ? { port: number } : { host, port: number };
}

export interface ListenAddress {
  readonly host?: string;
  readonly port: number;
}
