/** How to reach Consul. */
export interface ConsulSettings {
  /** Without a path's last slash, e.g. `http://127.0.0.1:8500`. For a socket only the scheme counts. */
  readonly url: string;
  readonly socketPath: string | undefined;
  readonly token: string | undefined;
  /** Goes before `token`, and is read again for every request: tokens rotate. */
  readonly tokenFile: string | undefined;
  readonly caFile: string | undefined;
  readonly certFile: string | undefined;
  readonly keyFile: string | undefined;
  /** The name that the server's certificate must be for, where it is not the address's. */
  readonly serverName: string | undefined;
  readonly isVerified: boolean;
  /** Consul Enterprise only; an agent without namespaces answers 400. */
  readonly namespace: string | undefined;
}

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Reads Consul's own environment variables, with the meaning that Consul's command line gives them.
 * @throws Error that names the variable. A token's value is in no message.
 */
export function parseConsulSettings(env: Environment): ConsulSettings {
  const isTls = parseBoolean(env, "CONSUL_HTTP_SSL", false);
  const certFile = text(env, "CONSUL_CLIENT_CERT");
  const keyFile = text(env, "CONSUL_CLIENT_KEY");
  if ((certFile === undefined) !== (keyFile === undefined)) {
    throw new Error("Cannot use a client certificate: CONSUL_CLIENT_CERT and CONSUL_CLIENT_KEY must both be set");
  }
  return {
    ...parseAddress(text(env, "CONSUL_HTTP_ADDR") ?? "127.0.0.1:8500", isTls),
    token: text(env, "CONSUL_HTTP_TOKEN"),
    tokenFile: text(env, "CONSUL_HTTP_TOKEN_FILE"),
    caFile: text(env, "CONSUL_CACERT"),
    certFile,
    keyFile,
    serverName: text(env, "CONSUL_TLS_SERVER_NAME"),
    isVerified: parseBoolean(env, "CONSUL_HTTP_SSL_VERIFY", true),
    namespace: text(env, "CONSUL_NAMESPACE"),
  };
}

function parseAddress(address: string, isTls: boolean): Pick<ConsulSettings, "url" | "socketPath"> {
  const [, scheme = "http", rest = address] = /^([a-z]+):\/\/(.*)$/i.exec(address) ?? [];
  // Before the address is shown anywhere: it holds a password here.
  if (address.includes("@") && !/^unix:\/\/\//i.test(address)) {
    throw new Error("Cannot parse CONSUL_HTTP_ADDR: it holds a user name, expected only a host and a port");
  }
  // As in Consul's own client, http:// does not take TLS back once it was asked for.
  const protocol = isTls || scheme.toLowerCase() === "https" ? "https" : "http";

  if (scheme.toLowerCase() === "unix") {
    if (!rest.startsWith("/")) {
      throw new Error(`Cannot parse CONSUL_HTTP_ADDR: ${JSON.stringify(address)} has no absolute path`);
    }
    return { url: `${protocol}://localhost`, socketPath: rest };
  }
  if (scheme.toLowerCase() !== "http" && scheme.toLowerCase() !== "https") {
    throw new Error(`Cannot parse CONSUL_HTTP_ADDR: ${scheme}:// is not one of http://, https://, unix://`);
  }
  return { url: parseUrl(`${protocol}://${rest}`), socketPath: undefined };
}

function parseUrl(address: string): string {
  const url = URL.parse(address);
  if (url === null || url.hostname === "" || url.search !== "" || url.hash !== "") {
    const shown = JSON.stringify(address.replace(/[?#].*/s, "…"));
    throw new Error(`Cannot parse CONSUL_HTTP_ADDR: ${shown} is not a host and a port`);
  }
  return `${url.origin}${url.pathname.replace(/\/+$/, "")}`;
}

/** The words that Go's strconv.ParseBool takes. */
function parseBoolean(env: Environment, name: string, absent: boolean): boolean {
  const value = text(env, name);
  if (value === undefined) {
    return absent;
  }
  if (/^(1|t|T|true|True|TRUE)$/.test(value)) {
    return true;
  }
  if (/^(0|f|F|false|False|FALSE)$/.test(value)) {
    return false;
  }
  throw new Error(`Cannot parse ${name}: ${JSON.stringify(value)} is neither true nor false`);
}

function text(env: Environment, name: string): string | undefined {
  const value = env[name];
  return value === "" ? undefined : value;
}
