import { ConsulError } from "../lib/host/consul-error.ts";
import { createConsulKv, type ConsulKv } from "../lib/host/consul-kv.ts";
import { parseConsulSettings, type ConsulSettings } from "../lib/host/consul-settings.ts";
import { createConsul, type Consul } from "../lib/host/consul.ts";
import { quote } from "../lib/rules/scope-flags.ts";

/** Consul for as long as a command runs. */
export interface ConsulSession {
  readonly consul: Consul;
  readonly kv: ConsulKv;
  readonly signal: AbortSignal;
}

/** What ACLs must allow, told to those who lack it. */
export interface ConsulNeeds {
  /** What the keys start with: `outbound/rules/namespace/team-a/`. */
  readonly keyPrefix: string;
  readonly policy: "read" | "write";
}

/**
 * Runs `work` with the Consul that the environment names. Consul's failures become errors that say what to do.
 *
 * @throws Error
 */
export async function withConsul<T>(needs: ConsulNeeds, work: (session: ConsulSession) => Promise<T>): Promise<T> {
  const settings = parseConsulSettings(process.env);
  const consul = createConsul(settings);
  const kv = createConsulKv(settings);
  try {
    // Every request has a bound of its own, and SIGINT ends the program.
    return await work({ consul, kv, signal: new AbortController().signal });
  } catch (error) {
    throw error instanceof ConsulError ? new Error(explain(error, { settings, needs }), { cause: error }) : error;
  } finally {
    consul.close();
    kv.close();
  }
}

/** Runs a write. Without an answer nobody knows whether it happened, and the error says so. @throws Error, ConsulError */
export async function withDoubt<T>(key: string, write: () => Promise<T>): Promise<T> {
  try {
    return await write();
  } catch (error) {
    const isUnknown = error instanceof ConsulError && ["unreachable", "timeout", "malformed"].includes(error.kind);
    if (!isUnknown) throw error;
    const look = `outbound rules get ${quote(key)} tells whether it is done`;
    throw new Error(`${error.message}: ${look}`, { cause: error });
  }
}

interface Situation {
  readonly settings: ConsulSettings;
  readonly needs: ConsulNeeds;
}

function explain({ kind, message, statusCode }: ConsulError, { settings, needs }: Situation): string {
  const hasToken = settings.token !== undefined || settings.tokenFile !== undefined;
  switch (kind) {
    case "unreachable":
    case "timeout":
      return `${message}: set CONSUL_HTTP_ADDR to where Consul is, ${describeAddress(settings)} now`;
    case "forbidden":
      // Without a status it is the token's file that cannot be read, and the message says so.
      if (statusCode === undefined) return message;
      if (message.includes("ACL not found")) {
        return `${message}: Consul does not know the token of ${settings.tokenFile ?? "CONSUL_HTTP_TOKEN"}`;
      }
      return `${message}: the token needs ${describePolicy(needs)}${hasToken ? "" : ", and none is set: set CONSUL_HTTP_TOKEN or CONSUL_HTTP_TOKEN_FILE"}`;
    default:
      return message;
  }
}

/** A line of a Consul ACL policy: `key_prefix "outbound/rules/global/" { policy = "read" }`. */
export function describePolicy({ keyPrefix, policy }: ConsulNeeds): string {
  return `key_prefix "${keyPrefix}" { policy = "${policy}" }`;
}

function describeAddress({ socketPath, url }: ConsulSettings): string {
  return socketPath === undefined ? url : `unix://${socketPath}`;
}
