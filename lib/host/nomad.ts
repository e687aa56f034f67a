import * as z from "zod";
import type { Identity } from "../policy/attachment.ts";
import { kindOfStatus } from "./consul-error.ts";
import { get, NoAnswerError, TooMuchError, type HttpAnswer } from "./http-get.ts";
import type { Environment } from "./http-settings.ts";
import { NomadError, type NomadErrorKind } from "./nomad-error.ts";
import { parseNomadSettings, type NomadSettings } from "./nomad-settings.ts";
import { tlsOptions } from "./tls-options.ts";
import { readTokenFrom } from "./token-source.ts";

/** Reads Nomad's allocations. */
export interface Nomad {
  /**
   * Whose allocation this is. That never changes, and Nomad's servers know of an allocation before the client that runs
   * it: one answer is final, and there is nothing to block on.
   * @throws NomadError; the signal's reason when it aborts
   */
  readAllocation(id: string, options: { readonly signal: AbortSignal }): Promise<Identity>;
}

export interface NomadLimits {
  readonly timeoutMs: number;
  /** An allocation comes with its whole job. */
  readonly maxBytes: number;
}

const LIMITS: NomadLimits = { timeoutMs: 10_000, maxBytes: 16 * 1024 * 1024 };

/**
 * Settings, certificates and the token are read for each request: none of them may keep a watcher from starting, which
 * needs Nomad only where CNI_ARGS say too little.
 */
export function createNomad(env: Environment, limits: NomadLimits = LIMITS): Nomad {
  return {
    async readAllocation(id, { signal }) {
      const fail: Fail = (problem, options) => new NomadError(`Cannot read allocation from Nomad: ${problem}`, options);
      const settings = await prepare(env);
      const { token } = settings;
      const answer = await ask(settings, { path: `/v1/allocation/${id}`, limits, signal, fail });
      if (answer.statusCode !== 200) throw refusalOf(answer, { token, fail });
      const allocation = parseAllocation(answer.body);
      if (allocation === undefined) throw fail("the answer is no allocation", { kind: "malformed" });
      if (allocation.id !== id) throw fail("the answer is another allocation", { kind: "malformed" });
      return allocation.identity;
    },
  };
}

type Fail = (problem: string, options: { readonly kind: NomadErrorKind; readonly cause?: unknown }) => NomadError;

interface Prepared extends NomadSettings {
  readonly tls: object;
}

async function prepare(env: Environment): Promise<Prepared> {
  let settings: NomadSettings;
  let tls: object;
  try {
    settings = parseNomadSettings(env);
    tls = settings.url.startsWith("https:") ? tlsOptions(settings) : {};
  } catch (cause) {
    throw new NomadError(messageOf(cause), { kind: "misconfigured", cause });
  }
  try {
    const token = await readTokenFrom(settings, { program: "Nomad", variable: "NOMAD_TOKEN" });
    return { ...settings, token, tls };
  } catch (cause) {
    throw new NomadError(messageOf(cause), { kind: "forbidden", cause });
  }
}

interface AskOptions {
  readonly path: string;
  readonly limits: NomadLimits;
  readonly signal: AbortSignal;
  readonly fail: Fail;
}

async function ask(settings: Prepared, { path, limits, signal, fail }: AskOptions): Promise<HttpAnswer> {
  const { token, tls } = settings;
  const headers = token === undefined ? {} : { "x-nomad-token": token };
  try {
    return await get(settings, { path, headers, tls, signal, ...limits });
  } catch (error) {
    signal.throwIfAborted();
    // node:http's errors hold no headers, but a cause is for nobody here: the token stays where it is.
    if (error instanceof NoAnswerError) throw fail(error.message, { kind: "timeout" });
    throw fail(messageOf(error), { kind: error instanceof TooMuchError ? "malformed" : "unreachable" });
  }
}

/** For an allocation that ACLs hide it says that there is none (nomad/alloc_endpoint.go, GetAlloc), with 404 or 500. */
function refusalOf(
  { statusCode, body }: HttpAnswer,
  { token, fail }: { readonly token: string | undefined; readonly fail: Fail },
): NomadError {
  if (statusCode === 404 || /^unknown allocation/i.test(body)) {
    return fail("there is none that this token may see", { kind: "not-found" });
  }
  const text = body.slice(0, 4096).trim();
  // Cut only then: half a token is one too.
  const shown = (token === undefined ? text : text.replaceAll(token, "[token]")).slice(0, 200);
  const explanation = shown === "" ? "" : `, ${JSON.stringify(shown)}`;
  return fail(`Nomad answers ${statusCode}${explanation}`, { kind: kindOfStatus(statusCode, body) });
}

/** A key in KV is made of it, and half a surrogate pair has none. */
const name = z
  .string()
  .min(1)
  .max(4096)
  .refine((text) => text.isWellFormed());
const allocationSchema = z.object({
  ID: name,
  Namespace: name,
  JobID: name,
  TaskGroup: name,
  Job: z.object({ Region: name.optional().catch(undefined) }).nullish(),
});

function parseAllocation(body: string): { readonly id: string; readonly identity: Identity } | undefined {
  const result = allocationSchema.safeParse(parseJson(body));
  if (!result.success) return undefined;
  const { ID: id, Namespace: namespace, JobID: job, TaskGroup: group, Job } = result.data;
  const region = Job?.Region;
  return { id, identity: { ...(region !== undefined && { region }), namespace, job, group } };
}

function parseJson(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return undefined;
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
