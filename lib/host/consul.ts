import { createConsulClient } from "./consul-client.ts";
import type { ConsulReply } from "./consul-client.ts";
import { ConsulError } from "./consul-error.ts";
import type { ConsulSettings } from "./consul-settings.ts";

/** One KV key with its value, as it came. */
export interface KvEntry {
  readonly key: string;
  readonly value: Uint8Array;
  readonly modifyIndex: number;
}

export interface PrefixAnswer {
  /** X-Consul-Index; undefined where it is missing or not a number of 64 bits. */
  readonly index: bigint | undefined;
  /** In Consul's order, which is the keys' byte order. */
  readonly entries: readonly KvEntry[];
  /** ACLs hid some of the keys, or all. Consul says so since 1.11. */
  readonly isFiltered: boolean;
  readonly isEmpty: boolean;
}

export interface ReadPrefixOptions {
  /** Compared byte by byte with the start of keys: end it with `/`. */
  readonly prefix: string;
  /** Blocks until the prefix is at a later index, for `waitSeconds` and a sixteenth at most. 0n does not block. */
  readonly index: bigint;
  readonly waitSeconds: number;
  /** Has the leader ask the other servers whether it still is one. */
  readonly consistent: boolean;
  readonly signal: AbortSignal;
}

/** Reads Consul's KV store. */
export interface Consul {
  /** @throws ConsulError; the signal's reason when it aborts */
  readPrefix(options: ReadPrefixOptions): Promise<PrefixAnswer>;
  /**
   * Resolves when ACLs let us read keys under the prefix. Consul leaves keys that they hide out of `readPrefix`'s answer
   * without a word: always before 1.11, and for requests without a token. It refuses to read a single key, there or not
   * (agent/consul/kvs_endpoint.go, KVS.Get).
   * @throws ConsulError, `forbidden` where ACLs hide keys; the signal's reason when it aborts
   */
  checkReadable(options: Pick<ReadPrefixOptions, "prefix" | "signal">): Promise<void>;
  /** Closes idle connections. */
  close(): void;
}

export interface ConsulLimits {
  /** How long an answer may take beyond the time that Consul was asked to wait. */
  readonly slackMs: number;
  readonly maxBodyBytes: number;
}

const LIMITS: ConsulLimits = { slackMs: 10_000, maxBodyBytes: 64 * 1024 * 1024 };

/** @throws Error when a certificate file cannot be read */
export function createConsul(settings: ConsulSettings, limits: ConsulLimits = LIMITS): Consul {
  const client = createConsulClient(settings, limits);

  return {
    async readPrefix({ prefix, index, waitSeconds, consistent, signal }) {
      const isBlocking = index > 0n;
      const waitMs = isBlocking ? waitSeconds * 1000 * (1 + 1 / 16) : 0;
      const action = `read ${prefix} from Consul`;
      const reply = await client.request(
        (consul, call) => {
          const blocking = isBlocking ? { index: index.toString(), wait: `${waitSeconds}s` } : {};
          const options = { ...call, ...blocking, key: prefix, recurse: true, consistent };
          return consul.kv.get(options);
        },
        { action, timeoutMs: Math.ceil(waitMs + limits.slackMs), signal },
      );
      return parseAnswer(reply, { prefix, action });
    },
    async checkReadable({ prefix, signal }) {
      const action = `read ${prefix} from Consul`;
      await client.request((consul, call) => consul.kv.get({ ...call, key: prefix }), {
        action,
        timeoutMs: limits.slackMs,
        signal,
      });
    },
    close: () => client.close(),
  };
}

function parseAnswer(reply: ConsulReply, { prefix, action }: { prefix: string; action: string }): PrefixAnswer {
  const index = parseIndex(reply.headers["x-consul-index"]);
  const entries = parseEntries(reply, action);
  if (entries.some(({ key }) => !key.startsWith(prefix))) {
    throw malformed(reply, action, "has keys outside the prefix");
  }
  // Some proxy's 404 or `[]` must not pass for a prefix without rules.
  if (entries.length === 0 && index === undefined) {
    throw malformed(reply, action, "says empty without X-Consul-Index");
  }
  return {
    index,
    entries,
    isFiltered: reply.headers["x-consul-results-filtered-by-acls"] === "true",
    isEmpty: entries.length === 0,
  };
}

/** Consul answers 404 without a body where no key has the prefix. */
function parseEntries(reply: ConsulReply, action: string): readonly KvEntry[] {
  if (reply.statusCode === 404) {
    if (reply.body.length > 0) {
      throw malformed(reply, action, "has a body");
    }
    return [];
  }
  const json = parseJson(reply.body);
  if (!Array.isArray(json)) {
    throw malformed(reply, action, "is not a JSON array");
  }
  return json.map((entry: unknown, position) => {
    const parsed = parseEntry(entry);
    if (parsed === undefined) {
      throw malformed(reply, action, `has no KV entry at position ${position}`);
    }
    return parsed;
  });
}

function parseEntry(entry: unknown): KvEntry | undefined {
  if (typeof entry !== "object" || entry === null || !("Key" in entry && "Value" in entry && "ModifyIndex" in entry)) {
    return undefined;
  }
  const { Key: key, Value: value, ModifyIndex: modifyIndex } = entry;
  if (typeof key !== "string" || !isIndex(modifyIndex) || !(typeof value === "string" || value === null)) {
    return undefined;
  }
  // An empty value is null.
  return { key, value: Buffer.from(value ?? "", "base64"), modifyIndex };
}

/** What is compared, told and kept as a number must be one exactly. */
function isIndex(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) >= 0 && !Object.is(value, -0);
}

function parseJson(body: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(body));
  } catch {
    return undefined;
  }
}

function parseIndex(header: string | string[] | undefined): bigint | undefined {
  if (typeof header !== "string" || !/^\d{1,20}$/.test(header)) {
    return undefined;
  }
  const index = BigInt(header);
  return index < 2n ** 64n ? index : undefined;
}

function malformed(reply: ConsulReply, action: string, problem: string): ConsulError {
  return new ConsulError(`Cannot ${action}: the answer ${reply.statusCode} ${problem}`, {
    kind: "malformed",
    statusCode: reply.statusCode,
  });
}
