import { parseHttpAddress, readBoolean, readClientCertificate, readText } from "./http-settings.ts";
import type { Environment, HttpAddress } from "./http-settings.ts";
import type { TlsSettings } from "./tls-options.ts";
import type { TokenSource } from "./token-source.ts";

/** How to reach Consul. */
export interface ConsulSettings extends HttpAddress, TlsSettings, TokenSource {
  /** Consul Enterprise only; an agent without namespaces answers 400. */
  readonly namespace: string | undefined;
}

/**
 * Reads Consul's own environment variables, with the meaning that Consul's command line gives them.
 * @throws Error that names the variable. A token's value is in no message.
 */
export function parseConsulSettings(env: Environment): ConsulSettings {
  const isTls = readBoolean(env, "CONSUL_HTTP_SSL", false);
  const certificate = readClientCertificate(env, { cert: "CONSUL_CLIENT_CERT", key: "CONSUL_CLIENT_KEY" });
  const address = readText(env, "CONSUL_HTTP_ADDR") ?? "127.0.0.1:8500";
  return {
    ...parseHttpAddress(address, { name: "CONSUL_HTTP_ADDR", isTls }),
    token: readText(env, "CONSUL_HTTP_TOKEN"),
    tokenFile: readText(env, "CONSUL_HTTP_TOKEN_FILE"),
    caFile: readText(env, "CONSUL_CACERT"),
    ...certificate,
    serverName: readText(env, "CONSUL_TLS_SERVER_NAME"),
    isVerified: readBoolean(env, "CONSUL_HTTP_SSL_VERIFY", true),
    namespace: readText(env, "CONSUL_NAMESPACE"),
  };
}
