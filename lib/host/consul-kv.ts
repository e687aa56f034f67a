import { createConsulClient, type ConsulReply } from "./consul-client.ts";
import { ConsulError } from "./consul-error.ts";
import type { ConsulSettings } from "./consul-settings.ts";

/** Changes single keys of Consul's KV store, each only if nobody else has changed it since it was read. */
export interface ConsulKv {
  /**
   * Check-and-set: writes only if the key's ModifyIndex still is `modifyIndex`; 0: only if there is no such key.
   * Resolves with whether it was written.
   * @throws ConsulError; the signal's reason when it aborts
   */
  put(change: KvChange & { readonly value: string }): Promise<boolean>;
  /** Removes the key, as `put` writes it: false where it has changed. An absent key counts as removed. */
  remove(change: KvChange): Promise<boolean>;
  /** Closes idle connections. */
  close(): void;
}

export interface KvChange {
  readonly key: string;
  readonly modifyIndex: number;
  readonly signal: AbortSignal;
}

const TIMEOUT_MS = 10_000;
const MAX_BODY_BYTES = 64 * 1024;

/** @throws Error when a certificate file cannot be read */
export function createConsulKv(settings: ConsulSettings): ConsulKv {
  const client = createConsulClient(settings, { maxBodyBytes: MAX_BODY_BYTES });

  return {
    async put({ key, value, modifyIndex, signal }) {
      const action = `write ${key} to Consul`;
      const reply = await client.request(
        (consul, call) => {
          const options = { ...call, key, value, cas: modifyIndex };
          return consul.kv.set(options);
        },
        { action, timeoutMs: TIMEOUT_MS, signal },
      );
      return parseBoolean(reply, action);
    },
    async remove({ key, modifyIndex, signal }) {
      const action = `remove ${key} from Consul`;
      const reply = await client.request(
        (consul, call) => {
          const options = { ...call, key, cas: modifyIndex };
          return consul.kv.del(options);
        },
        { action, timeoutMs: TIMEOUT_MS, signal },
      );
      return parseBoolean(reply, action);
    },
    close: () => client.close(),
  };
}

function parseBoolean({ statusCode, body }: ConsulReply, action: string): boolean {
  const text = new TextDecoder().decode(body).trim();
  if (statusCode === 200 && (text === "true" || text === "false")) return text === "true";
  throw new ConsulError(`Cannot ${action}: the answer ${statusCode} is neither true nor false`, {
    kind: "malformed",
    statusCode,
  });
}
