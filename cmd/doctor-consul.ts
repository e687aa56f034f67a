import { isUnread, type Fact } from "../lib/doctor/check.ts";
import type { AccessFacts, PrefixAccess, StatusAccess } from "../lib/doctor/consul-access.ts";
import type { ConsulFacts } from "../lib/doctor/consul.ts";
import { createConsulDiagnosis, type ConsulDiagnosis, type ConsulSelf } from "../lib/host/consul-diagnosis.ts";
import { ConsulError } from "../lib/host/consul-error.ts";
import { parseConsulSettings, type ConsulSettings } from "../lib/host/consul-settings.ts";
import { createConsul, type Consul } from "../lib/host/consul.ts";
import { awaitFact, mapFact, readFact } from "../lib/host/read-fact.ts";
import { encodeSegment, neededPrefixes } from "../lib/policy/scope.ts";

export interface ConsulQuestions {
  /** What all keys start with, without a slash. */
  readonly prefix: string;
  readonly node: string;
  readonly networks: readonly string[];
  readonly namespaces: readonly string[];
  readonly isWatcherInSync: Promise<boolean>;
  readonly signal: AbortSignal;
}

/** What Consul says, by this environment's variables. */
export async function gatherConsul(questions: ConsulQuestions): Promise<Fact<ConsulFacts>> {
  const ports = readFact(() => {
    const settings = parseConsulSettings(process.env);
    const diagnosis = createConsulDiagnosis(settings, { nowMs: Date.now });
    return { settings, diagnosis, consul: createConsul(settings, { slackMs: 3000, maxBodyBytes: 64 * 1024 * 1024 }) };
  });
  if (isUnread(ports)) return ports;
  try {
    return await ask(questions, ports);
  } finally {
    ports.diagnosis.close();
    ports.consul.close();
  }
}

interface ConsulPorts {
  readonly settings: ConsulSettings;
  readonly diagnosis: ConsulDiagnosis;
  readonly consul: Consul;
}

async function ask(questions: ConsulQuestions, ports: ConsulPorts): Promise<ConsulFacts> {
  const { settings, diagnosis } = ports;
  const { signal } = questions;
  const answer = await awaitFact(diagnosis.leader(signal));
  const hasLeader = !isUnread(answer) && answer.leader !== "";
  const [self, prefixes, isWatcherInSync] = await Promise.all([
    isUnread(answer) ? answer : readSelf(ports, signal),
    hasLeader ? readPrefixes(questions, ports) : [],
    questions.isWatcherInSync,
  ]);
  const statusKey = `${questions.prefix}/status/${encodeSegment(questions.node)}`;
  const access: AccessFacts = {
    root: `${questions.prefix}/`,
    hasToken: settings.token !== undefined || settings.tokenFile !== undefined,
    isWatcherInSync,
    prefixes,
    statusKey,
    mayWriteStatus: hasLeader ? await askStatus(statusKey, { self, ports, signal }) : undefined,
  };
  return {
    address: settings.socketPath === undefined ? settings.url : `unix://${settings.socketPath}`,
    isAddressSet: (process.env["CONSUL_HTTP_ADDR"] ?? "") !== "",
    answer,
    version: mapFact(self, ({ version }) => version),
    access,
  };
}

/** Not to be allowed to ask is common, and nothing wrong. */
async function readSelf({ diagnosis }: ConsulPorts, signal: AbortSignal): Promise<Fact<ConsulSelf>> {
  try {
    return await diagnosis.self(signal);
  } catch (error) {
    const isForbidden = error instanceof ConsulError && error.kind === "forbidden";
    return { unread: isForbidden ? "the token may not ask for it" : describeError(error) };
  }
}

function readPrefixes(questions: ConsulQuestions, ports: ConsulPorts): Promise<readonly PrefixAccess[]> {
  const needed = neededPrefixes(questions).map((prefix) => `${questions.prefix}/rules/${prefix}`);
  return Promise.all(
    needed.map(async (prefix) => ({ prefix, outcome: await readOutcome(prefix, { ...ports, ...questions }) })),
  );
}

interface ReadOptions {
  readonly consul: Consul;
  readonly signal: AbortSignal;
}

async function readOutcome(prefix: string, { consul, signal }: ReadOptions): Promise<PrefixAccess["outcome"]> {
  try {
    await consul.checkReadable({ prefix, signal });
    const { isFiltered } = await consul.readPrefix({ prefix, index: 0n, waitSeconds: 0, consistent: false, signal });
    return isFiltered ? "filtered" : "readable";
  } catch (error) {
    const isForbidden = error instanceof ConsulError && error.kind === "forbidden" && error.statusCode !== undefined;
    return isForbidden ? "hidden" : { unread: describeError(error) };
  }
}

interface StatusOptions {
  readonly self: Fact<ConsulSelf>;
  readonly ports: ConsulPorts;
  readonly signal: AbortSignal;
}

function askStatus(name: string, { self, ports, signal }: StatusOptions): Promise<Fact<StatusAccess> | undefined> {
  const session = isUnread(self) ? [] : [{ resource: "session", name: self.node, access: "write" } as const];
  const questions = [{ resource: "key", name, access: "write" } as const, ...session];
  return awaitFact(
    ports.diagnosis.authorize(questions, signal).then((answers): StatusAccess | undefined => {
      const [key, mayHaveSession] = answers ?? [];
      return key === undefined ? undefined : { key, session: mayHaveSession };
    }),
  );
}

function describeError(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
