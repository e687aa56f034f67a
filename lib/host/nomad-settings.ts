import { parseHttpAddress, readBoolean, readClientCertificate, readText } from "./http-settings.ts";
import type { Environment, HttpAddress } from "./http-settings.ts";
import type { TlsSettings } from "./tls-options.ts";
import type { TokenSource } from "./token-source.ts";

/** How to reach Nomad. */
export interface NomadSettings extends HttpAddress, TlsSettings, TokenSource {}

/** Whether the environment says where Nomad is. */
export function isNomadConfigured(env: Environment): boolean {
  return addressOf(env) !== undefined;
}

/**
 * Reads Nomad's own environment variables, with the meaning that Nomad's command line gives them. In a task of Nomad's
 * without NOMAD_ADDR it is the task API, with the token that an `identity { file = true }` block puts beside it.
 * `NOMAD_TOKEN_FILE` is ours, for a token that rotates.
 * @throws Error that names the variable. A token's value is in no message.
 */
export function parseNomadSettings(env: Environment): NomadSettings {
  const { name, value, tokenFile } = addressOf(env) ?? { name: "NOMAD_ADDR", value: "http://127.0.0.1:4646" };
  const certificate = readClientCertificate(env, { cert: "NOMAD_CLIENT_CERT", key: "NOMAD_CLIENT_KEY" });
  const token = readText(env, "NOMAD_TOKEN");
  return {
    ...parseHttpAddress(value, { name }),
    token,
    tokenFile: readText(env, "NOMAD_TOKEN_FILE") ?? (token === undefined ? tokenFile : undefined),
    caFile: readText(env, "NOMAD_CACERT"),
    ...certificate,
    serverName: readText(env, "NOMAD_TLS_SERVER_NAME"),
    isVerified: !readBoolean(env, "NOMAD_SKIP_VERIFY", false),
  };
}

interface Address {
  /** The variable that it is from. */
  readonly name: string;
  readonly value: string;
  /** Where its token is, where nothing else is said. */
  readonly tokenFile?: string;
}

/** A task's socket and token are in its secrets (Nomad, client/allocrunner/taskrunner: api_hook.go, identity_hook.go). */
function addressOf(env: Environment): Address | undefined {
  const value = readText(env, "NOMAD_ADDR");
  if (value !== undefined) return { name: "NOMAD_ADDR", value };
  const secrets = readText(env, "NOMAD_SECRETS_DIR");
  if (secrets === undefined) return undefined;
  return { name: "NOMAD_SECRETS_DIR", value: `unix://${secrets}/api.sock`, tokenFile: `${secrets}/nomad_token` };
}
