import type { Argv } from "yargs";

/** Options of every command that talks to Consul. Where it is, and the token, come from Consul's own variables. */
export function consulOptions<T>(yargs: Argv<T>) {
  return yargs.option("prefix", { type: "string", default: "outbound", describe: "What all keys in KV start with" });
}

export const CONSUL_NOTE = [
  "Consul is found by its own variables: CONSUL_HTTP_ADDR, CONSUL_HTTP_TOKEN,",
  "CONSUL_HTTP_TOKEN_FILE, CONSUL_CACERT and the others.",
].join("\n");
