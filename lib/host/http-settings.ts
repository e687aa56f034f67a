/** Where a program's HTTP interface is. */
export interface HttpAddress {
  /** Without a path's last slash, e.g. `http://127.0.0.1:8500`. For a socket only the scheme counts. */
  readonly url: string;
  readonly socketPath: string | undefined;
}

export type Environment = Readonly<Record<string, string | undefined>>;

interface AddressOptions {
  /** The environment variable that the address is from. */
  readonly name: string;
  /** Whether TLS is asked for apart from the address. As in Consul's own client, http:// does not take it back. */
  readonly isTls?: boolean;
}

/**
 * Reads an address as Consul's and Nomad's command lines do: `http://`, `https://`, `unix://` or no scheme.
 * @throws Error that names the variable, and shows no password
 */
export function parseHttpAddress(address: string, { name, isTls = false }: AddressOptions): HttpAddress {
  const [, scheme = "http", rest = address] = /^([a-z]+):\/\/(.*)$/i.exec(address) ?? [];
  // Before the address is shown anywhere: it holds a password here.
  if (address.includes("@") && !/^unix:\/\/\//i.test(address)) {
    throw new Error(`Cannot parse ${name}: it holds a user name, expected only a host and a port`);
  }
  const protocol = isTls || scheme.toLowerCase() === "https" ? "https" : "http";

  if (scheme.toLowerCase() === "unix") {
    if (!rest.startsWith("/")) {
      throw new Error(`Cannot parse ${name}: ${JSON.stringify(address)} has no absolute path`);
    }
    return { url: `${protocol}://localhost`, socketPath: rest };
  }
  if (scheme.toLowerCase() !== "http" && scheme.toLowerCase() !== "https") {
    throw new Error(`Cannot parse ${name}: ${scheme}:// is not one of http://, https://, unix://`);
  }
  return { url: parseUrl(`${protocol}://${rest}`, name), socketPath: undefined };
}

function parseUrl(address: string, name: string): string {
  const url = URL.parse(address);
  if (url === null || url.hostname === "" || url.search !== "" || url.hash !== "") {
    const shown = JSON.stringify(address.replace(/[?#].*/s, "…"));
    throw new Error(`Cannot parse ${name}: ${shown} is not a host and a port`);
  }
  return `${url.origin}${url.pathname.replace(/\/+$/, "")}`;
}

/** The words that Go's strconv.ParseBool takes. @throws Error that names the variable */
export function readBoolean(env: Environment, name: string, absent: boolean): boolean {
  const value = readText(env, name);
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

/** Undefined where it is not set, or empty. */
export function readText(env: Environment, name: string): string | undefined {
  const value = env[name];
  return value === "" ? undefined : value;
}

/** A client certificate and its key. @throws Error where one of them is missing */
export function readClientCertificate(env: Environment, names: { readonly cert: string; readonly key: string }) {
  const certFile = readText(env, names.cert);
  const keyFile = readText(env, names.key);
  if ((certFile === undefined) !== (keyFile === undefined)) {
    throw new Error(`Cannot use a client certificate: ${names.cert} and ${names.key} must both be set`);
  }
  return { certFile, keyFile };
}
