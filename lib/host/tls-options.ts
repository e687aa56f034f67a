import { readFileSync } from "node:fs";

/** What TLS needs besides the address. */
export interface TlsSettings {
  readonly caFile: string | undefined;
  readonly certFile: string | undefined;
  readonly keyFile: string | undefined;
  /** The name that the server's certificate must be for, where it is not the address's. */
  readonly serverName: string | undefined;
  readonly isVerified: boolean;
}

/** As node:https takes it. @throws Error when a certificate file cannot be read */
export function tlsOptions({ caFile, certFile, keyFile, serverName, isVerified }: TlsSettings): object {
  return {
    rejectUnauthorized: isVerified,
    ...(caFile === undefined ? {} : { ca: readFileSync(caFile) }),
    ...(certFile === undefined ? {} : { cert: readFileSync(certFile) }),
    ...(keyFile === undefined ? {} : { key: readFileSync(keyFile) }),
    ...(serverName === undefined ? {} : { servername: serverName }),
  };
}
