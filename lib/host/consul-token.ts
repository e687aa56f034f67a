import { readFile } from "node:fs/promises";
import { ConsulError } from "./consul-error.ts";
import type { ConsulSettings } from "./consul-settings.ts";

/**
 * The token to send now. A token file that is missing or empty is an error and not a request without a token: to an
 * anonymous request ACLs show fewer keys, which would look as if rules had been deleted.
 * @throws ConsulError `forbidden`
 */
export async function readToken(settings: ConsulSettings): Promise<string | undefined> {
  const { token, tokenFile } = settings;
  return tokenFile === undefined
    ? checkToken(token, "CONSUL_HTTP_TOKEN")
    : checkToken(await read(tokenFile), tokenFile);
}

async function read(path: string): Promise<string> {
  try {
    return (await readFile(path, "utf8")).trim();
  } catch (cause) {
    throw new ConsulError(`Cannot read Consul token: ${path} is not readable`, { kind: "forbidden", cause });
  }
}

function checkToken(token: string | undefined, source: string): string | undefined {
  if (token !== undefined && !/^[\x21-\x7e]+$/.test(token)) {
    const problem = token === "" ? "is empty" : "holds characters that no token has";
    throw new ConsulError(`Cannot read Consul token: ${source} ${problem}`, { kind: "forbidden" });
  }
  return token;
}
