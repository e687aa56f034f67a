import type { ConsulErrorKind } from "./consul-error.ts";

/**
 * As Consul's kinds, which see; `not-found`: no such allocation, or none that ACLs let the token see: Nomad answers both
 * alike. `misconfigured`: the settings cannot be used, nothing was asked.
 */
export type NomadErrorKind = ConsulErrorKind | "not-found" | "misconfigured";

/** A request to Nomad that failed. It never holds the token. */
export class NomadError extends Error {
  override readonly name = "NomadError";
  readonly kind: NomadErrorKind;

  constructor(message: string, options: { readonly kind: NomadErrorKind; readonly cause?: unknown }) {
    super(message, options.cause === undefined ? {} : { cause: options.cause });
    this.kind = options.kind;
  }
}
