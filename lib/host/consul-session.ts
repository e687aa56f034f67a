import { createConsulClient, type ConsulReply } from "./consul-client.ts";
import { ConsulError } from "./consul-error.ts";
import type { ConsulSettings } from "./consul-settings.ts";

/** Consul's sessions, and the keys that last as long as one of them. Each call throws a ConsulError where it fails. */
export interface ConsulSessions {
  /**
   * Creates a session whose keys are deleted when it ends: destroyed, or not renewed for `ttlSeconds` (10 to 86,400;
   * Consul may take twice as long to notice), or its Consul agent gone. Without a lock delay, which is 15 s where nobody
   * says otherwise, and in which a successor could not take the key.
   */
  create(options: {
    readonly name: string;
    readonly ttlSeconds: number;
    readonly signal: AbortSignal;
  }): Promise<string>;
  /** False where there is no such session any more. */
  renew(options: SessionOptions): Promise<boolean>;
  /** Ends it, and deletes its keys. One that has ended already counts as destroyed. */
  destroy(options: SessionOptions): Promise<void>;
  /**
   * Writes the key and ties it to the session. Also where it is tied to it already; false where it is another's.
   * @throws ConsulError also where there is no such session
   */
  acquire(options: SessionOptions & { readonly key: string; readonly value: string }): Promise<boolean>;
  /** Undefined where there is no such key. */
  read(options: { readonly key: string; readonly signal: AbortSignal }): Promise<HeldKey | undefined>;
  /** Closes idle connections. */
  close(): void;
}

export interface SessionOptions {
  readonly session: string;
  readonly signal: AbortSignal;
}

export interface HeldKey {
  readonly value: string;
  /** Absent where the key is tied to none. */
  readonly session?: string;
}

const TIMEOUT_MS = 10_000;
/** A watcher that ends is not held up by a Consul that does not answer: its session ends by itself. */
const DESTROY_TIMEOUT_MS = 2000;
const MAX_BODY_BYTES = 1024 * 1024;

/** @throws Error when a certificate file cannot be read */
export function createConsulSessions(settings: ConsulSettings): ConsulSessions {
  const client = createConsulClient(settings, { maxBodyBytes: MAX_BODY_BYTES });

  return {
    async create({ name, ttlSeconds, signal }) {
      const action = "create a session of Consul";
      const reply = await client.request(
        (consul, call) => {
          // The package leaves a lock delay of 0 out.
          const options = { ...call, name, ttl: `${ttlSeconds}s`, lockdelay: "0s", behavior: "delete" } as const;
          return consul.session.create(options);
        },
        { action, timeoutMs: TIMEOUT_MS, signal },
      );
      return parseId(reply, action);
    },
    async renew({ session, signal }) {
      try {
        await client.request((consul, call) => consul.session.renew({ ...call, id: session }), {
          action: "renew a session of Consul",
          timeoutMs: TIMEOUT_MS,
          signal,
        });
        return true;
      } catch (error) {
        if (error instanceof ConsulError && error.statusCode === 404) return false;
        throw error;
      }
    },
    async destroy({ session, signal }) {
      await client.request((consul, call) => consul.session.destroy({ ...call, id: session }), {
        action: "destroy a session of Consul",
        timeoutMs: DESTROY_TIMEOUT_MS,
        signal,
      });
    },
    async acquire({ key, value, session, signal }) {
      const action = `write ${key} to Consul`;
      const reply = await client.request(
        (consul, call) => {
          const options = { ...call, key, value, acquire: session };
          return consul.kv.set(options);
        },
        { action, timeoutMs: TIMEOUT_MS, signal },
      );
      return parseBoolean(reply, action);
    },
    async read({ key, signal }) {
      const action = `read ${key} from Consul`;
      const reply = await client.request((consul, call) => consul.kv.get({ ...call, key }), {
        action,
        timeoutMs: TIMEOUT_MS,
        signal,
      });
      return reply.statusCode === 404 ? undefined : parseHeldKey(reply, action);
    },
    close: () => client.close(),
  };
}

function parseId(reply: ConsulReply, action: string): string {
  const json = parseJson(reply);
  if (typeof json === "object" && json !== null && "ID" in json && typeof json.ID === "string") return json.ID;
  throw malformed(reply, { action, problem: "has no ID" });
}

function parseBoolean(reply: ConsulReply, action: string): boolean {
  const json = parseJson(reply);
  if (typeof json === "boolean") return json;
  throw malformed(reply, { action, problem: "is neither true nor false" });
}

function parseHeldKey(reply: ConsulReply, action: string): HeldKey {
  const json = parseJson(reply);
  const entry: unknown = Array.isArray(json) ? json[0] : undefined;
  if (typeof entry !== "object" || entry === null || !("Value" in entry)) {
    throw malformed(reply, { action, problem: "has no KV entry" });
  }
  // An empty value is null.
  const value = typeof entry.Value === "string" ? Buffer.from(entry.Value, "base64").toString("utf8") : "";
  const session = "Session" in entry && typeof entry.Session === "string" ? entry.Session : "";
  return session === "" ? { value } : { value, session };
}

function parseJson({ body }: ConsulReply): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(body));
  } catch {
    return undefined;
  }
}

function malformed(
  { statusCode }: ConsulReply,
  { action, problem }: { readonly action: string; readonly problem: string },
): ConsulError {
  return new ConsulError(`Cannot ${action}: the answer ${statusCode} ${problem}`, { kind: "malformed", statusCode });
}
