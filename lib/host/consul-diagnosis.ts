import type NpmConsul from "consul";
import * as z from "zod";
import type { ConsulAnswer } from "../doctor/consul.ts";
import { createConsulClient, type CallOptions } from "./consul-client.ts";
import { ConsulError } from "./consul-error.ts";
import type { ConsulSettings } from "./consul-settings.ts";

/** What can be asked of Consul's agent about itself and about our token. Nothing of it writes. */
export interface ConsulDiagnosis {
  /** @throws ConsulError; the signal's reason when it aborts */
  leader(signal: AbortSignal): Promise<ConsulAnswer>;
  /** The agent's node and version: needs `agent_prefix "" { policy = "read" }`. @throws ConsulError */
  self(signal: AbortSignal): Promise<ConsulSelf>;
  /** Which of these ACLs allow; undefined where this Consul cannot be asked. @throws ConsulError */
  authorize(questions: readonly AccessQuestion[], signal: AbortSignal): Promise<readonly boolean[] | undefined>;
  close(): void;
}

export interface ConsulSelf {
  readonly version: string;
  readonly node: string;
}

export interface AccessQuestion {
  readonly resource: "key" | "session";
  readonly name: string;
  readonly access: "read" | "write";
}

// The package has no call for it; papi, on which it stands, documents this one.
declare module "consul/lib/consul.js" {
  interface Consul {
    _post(options: PostOptions, ...steps: readonly PostStep[]): Promise<unknown>;
  }
}

interface PostOptions {
  readonly path: string;
  readonly body: Buffer;
  readonly headers: Readonly<Record<string, string>>;
  readonly timeout: number;
  readonly ctx: CallOptions["ctx"];
}

interface PostRequest {
  readonly err?: Error;
  readonly res?: unknown;
}

type PostStep = (request: PostRequest, next: (stop: false, error?: Error, value?: unknown) => void) => void;

const TIMEOUT_MS = 3000;
const MAX_BODY_BYTES = 4 * 1024 * 1024;

/** @throws Error when a certificate file cannot be read */
export function createConsulDiagnosis(
  settings: ConsulSettings,
  { nowMs }: { readonly nowMs: () => number },
): ConsulDiagnosis {
  const client = createConsulClient(settings, { maxBodyBytes: MAX_BODY_BYTES });
  return {
    async leader(signal) {
      const sentMs = nowMs();
      const { headers, body } = await client.request((consul, call) => consul.status.leader(call), {
        action: "ask Consul for its leader",
        timeoutMs: TIMEOUT_MS,
        signal,
      });
      const dateMs = Date.parse(headers.date ?? "");
      return {
        leader: parse(leaderSchema, body),
        dateMs: Number.isNaN(dateMs) ? undefined : dateMs,
        atMs: (sentMs + nowMs()) / 2,
      };
    },
    async self(signal) {
      const action = "ask Consul for its version";
      const reply = await client.request((consul, call) => consul.agent.self(call), {
        action,
        timeoutMs: TIMEOUT_MS,
        signal,
      });
      const { Version: version, NodeName: node } = parse(selfSchema, reply.body).Config;
      return { version, node };
    },
    async authorize(questions, signal) {
      try {
        const { body } = await client.request(
          (consul: NpmConsul, call) => consul._post(authorizeRequest(questions, call), answerWithResponse),
          { action: "ask Consul what the token may do", timeoutMs: TIMEOUT_MS, signal },
        );
        const answers = parse(authorizeSchema, body);
        return answers.length === questions.length ? answers.map(({ Allow }) => Allow) : undefined;
      } catch (error) {
        const status = error instanceof ConsulError ? error.statusCode : undefined;
        // Consul without ACLs refuses to be asked (agent/acl_endpoint.go, ACLAuthorize).
        if (status === 401) return questions.map(() => true);
        if (status === 404 || status === 405) return undefined;
        throw error;
      }
    },
    close: () => client.close(),
  };
}

const leaderSchema = z.string();
const selfSchema = z.object({ Config: z.object({ Version: z.string(), NodeName: z.string() }) });
const authorizeSchema = z.array(z.object({ Allow: z.boolean() }));

/** `/v1/internal/acl/authorize` is how Consul's own UI finds out what to offer; it is there since 1.8 or earlier. */
function authorizeRequest(questions: readonly AccessQuestion[], { token, timeout, ctx }: CallOptions): PostOptions {
  const body = questions.map(({ resource, name, access }) => ({ Resource: resource, Segment: name, Access: access }));
  return {
    path: "/internal/acl/authorize",
    body: Buffer.from(JSON.stringify(body)),
    headers: { "content-type": "application/json", ...(token !== undefined && { "x-consul-token": token }) },
    timeout,
    ctx,
  };
}

/** As the package's own calls end: with the response, also where that is an error. */
function answerWithResponse({ err, res }: PostRequest, next: Parameters<PostStep>[1]): void {
  if (err) next(false, Object.assign(err, { response: res }));
  else next(false, undefined, [res]);
}

function parse<T>(schema: z.ZodType<T>, body: Uint8Array): T {
  try {
    return schema.parse(JSON.parse(new TextDecoder().decode(body)));
  } catch (cause) {
    throw new ConsulError("the answer is not Consul's", { kind: "malformed", cause });
  }
}
