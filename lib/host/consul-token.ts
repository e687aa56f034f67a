import { ConsulError } from "./consul-error.ts";
import type { ConsulSettings } from "./consul-settings.ts";
import { readTokenFrom } from "./token-source.ts";

/** The token to send to Consul now. @throws ConsulError `forbidden` */
export async function readToken(settings: ConsulSettings): Promise<string | undefined> {
  try {
    return await readTokenFrom(settings, { program: "Consul", variable: "CONSUL_HTTP_TOKEN" });
  } catch (error) {
    const { message, cause } = error instanceof Error ? error : new Error(String(error));
    throw new ConsulError(message, { kind: "forbidden", cause });
  }
}
