import type { Clock } from "../lib/host/clock.ts";
import type { Log } from "../lib/host/log.ts";
import { NomadError, type NomadErrorKind } from "../lib/host/nomad-error.ts";
import type { Nomad } from "../lib/host/nomad.ts";
import type { Attachment, Identity } from "../lib/policy/attachment.ts";
import { completeIdentity, isIdentified } from "../lib/policy/identity.ts";
import type { Unidentified } from "../lib/policy/identity-problem.ts";
import { backoffMs, LONGEST_BACKOFF_MS } from "./backoff.ts";
import type { RequestLimit } from "./request-limit.ts";

/** Finds out whose allocations those are of which CNI_ARGS said too little. */
export interface IdentitySearch {
  /** Tells which attachments there are now. */
  readonly follow: (attachments: readonly Attachment[]) => void;
  /** What Nomad said of an allocation that is attached. */
  readonly identityOf: (containerId: string) => Identity | undefined;
  /** The attachments whose identity is not known; the same list while nothing changes. */
  readonly unidentified: () => readonly Unidentified[];
  /** Calls back whenever there is more to be had from `identityOf`. */
  readonly onLearnt: (learnt: () => void) => void;
  /** Resolves when the search has ended, after `signal` aborted. Never rejects. */
  readonly ended: Promise<void>;
}

export interface IdentitySearchPorts {
  /** Undefined where nothing says where it is. */
  readonly nomad: Nomad | undefined;
  readonly limit: RequestLimit;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Log;
  /** Called when `unidentified` has changed, and once at the start. */
  readonly onChange: (unidentified: readonly Unidentified[]) => void;
}

/** An allocation that is asked for. */
interface Wanted {
  readonly failures: number;
  /** Not asked for before, by the monotonic clock. */
  readonly dueMs: number;
  readonly problem?: string;
}

/** Nomad's ids of allocations; other programs that use CNI give their containers other ones. */
const ALLOCATION_ID = /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/;
/** One that Nomad does not show may have been collected there while it runs here, or be hidden by ACLs. */
const LONGEST_UNSEEN_MS = 300_000;

/**
 * Asks Nomad for one allocation after the other, and for each until it has answered once: where CNI_ARGS say all, as
 * since Nomad 1.9.4, it asks nothing at all. What fails for one allocation alone does not hold up the others.
 */
export function startIdentitySearch(
  { signal }: { readonly signal: AbortSignal },
  ports: IdentitySearchPorts,
): IdentitySearch {
  const { nomad, limit, clock, random, log } = ports;
  let attachments: readonly Attachment[] = [];
  let unidentified: readonly Unidentified[] | undefined;
  let failure: { readonly kind: NomadErrorKind | "internal"; readonly message: string } | undefined;
  let failures = 0;
  const learnt = new Map<string, Identity>();
  const wanted = new Map<string, Wanted>();
  let wake = (): void => {};
  let tellLearnt = (): void => {};
  signal.addEventListener("abort", () => wake(), { once: true });

  return {
    follow(listed) {
      if (listed === attachments && unidentified) return;
      attachments = listed;
      const present = new Set(listed.map(({ containerId }) => containerId));
      for (const id of learnt.keys()) if (!present.has(id)) learnt.delete(id);
      const missing = new Set(listed.filter(isWanted).map(({ containerId }) => containerId));
      for (const id of wanted.keys()) if (!missing.has(id)) wanted.delete(id);
      for (const id of missing) {
        if (!wanted.has(id)) wanted.set(id, { failures: 0, dueMs: clock.monotonicMs() });
      }
      update();
      wake();
    },
    identityOf: (containerId) => learnt.get(containerId),
    unidentified: () => unidentified ?? [],
    onLearnt(callBack) {
      tellLearnt = callBack;
    },
    ended: run(),
  };

  function isWanted({ containerId, identity }: Attachment): boolean {
    return (
      nomad !== undefined && !isIdentified(identity) && ALLOCATION_ID.test(containerId) && !learnt.has(containerId)
    );
  }

  async function run(): Promise<void> {
    while (!signal.aborted) {
      const next = nextWanted();
      const waitMs = next ? next.dueMs - clock.monotonicMs() : Number.POSITIVE_INFINITY;
      if (next && waitMs <= 0) await ask(next.id);
      else await sleep(waitMs);
    }
  }

  function nextWanted(): { readonly id: string; readonly dueMs: number } | undefined {
    const [first] = [...wanted].toSorted(([, a], [, b]) => a.dueMs - b.dueMs);
    return first && { id: first[0], dueMs: first[1].dueMs };
  }

  /** Until `ms` are over, or there is more to ask. */
  async function sleep(ms: number): Promise<void> {
    const woken = new AbortController();
    wake = () => woken.abort();
    if (signal.aborted) return;
    try {
      if (ms === Number.POSITIVE_INFINITY) {
        await new Promise<void>((resolve) => woken.signal.addEventListener("abort", () => resolve()));
      } else await clock.sleep(ms, woken.signal);
    } catch {
      // Woken: whoever waits looks at what is wanted.
    }
  }

  async function ask(id: string): Promise<void> {
    try {
      await limit.take(signal);
      if (!nomad) return;
      takeIn(id, await nomad.readAllocation(id, { signal }));
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof NomadError && error.kind === "not-found") missed(id, error);
      else await failed(error);
    }
    update();
  }

  function takeIn(id: string, identity: Identity): void {
    answered();
    // It may have gone meanwhile.
    if (!wanted.delete(id)) return;
    learnt.set(id, identity);
    const { namespace, job, group } = identity;
    const isContradicted = attachments.some(
      (each) => each.containerId === id && !completeIdentity(each.identity, identity),
    );
    if (isContradicted) log.warn({ allocation: id, namespace, job, group }, "Nomad contradicts CNI_ARGS, which stay");
    else log.info({ allocation: id, namespace, job, group }, "Nomad says whose allocation this is");
    tellLearnt();
  }

  function missed(id: string, { message }: NomadError): void {
    answered();
    const before = wanted.get(id);
    if (!before) return;
    if (before.failures === 0) {
      log.warn({ allocation: id, problem: message }, "Nomad shows no such allocation, its identity is not known");
    }
    const again = before.failures + 1;
    const dueMs = clock.monotonicMs() + backoffMs(again, { random, longestMs: LONGEST_UNSEEN_MS });
    wanted.set(id, { failures: again, dueMs, problem: message });
  }

  function answered(): void {
    if (failures > 0) log.info({ failures }, "Nomad answers again");
    failures = 0;
    failure = undefined;
  }

  async function failed(error: unknown): Promise<void> {
    const kind = error instanceof NomadError ? error.kind : "internal";
    const message = error instanceof Error ? error.message : String(error);
    failures += 1;
    if (failure?.kind !== kind) {
      log.warn({ kind, problem: message }, "Nomad cannot be asked whose allocations these are");
    }
    failure = { kind, message };
    update();
    const longestMs = kind === "unreachable" ? LONGEST_UNREACHABLE_MS : LONGEST_BACKOFF_MS;
    try {
      await clock.sleep(backoffMs(failures, { random, longestMs }), signal);
    } catch {
      // Aborted: whoever waits looks at the signal.
    }
  }

  function update(): void {
    const now = attachments.filter(({ identity }) => !isIdentified(identity)).map(describe);
    if (unidentified && JSON.stringify(now) === JSON.stringify(unidentified)) return;
    const hadProblem = unidentified?.some(({ problem }) => problem === NOT_CONFIGURED);
    if (now.some(({ problem }) => problem === NOT_CONFIGURED) && hadProblem !== true) {
      log.warn({ attachments: now.length }, "Identities are not known and no Nomad is configured");
    }
    unidentified = now;
    ports.onChange(now);
  }

  function describe({ containerId, addedAt, identity }: Attachment): Unidentified {
    const problem = problemOf(containerId, identity);
    return { allocation: containerId, since: addedAt, ...(problem !== undefined && { problem }) };
  }

  function problemOf(containerId: string, told: Identity): string | undefined {
    if (!ALLOCATION_ID.test(containerId)) return "its container id is not one that Nomad gives";
    if (!nomad) return NOT_CONFIGURED;
    const known = learnt.get(containerId);
    if (known && !completeIdentity(told, known)) return "Nomad and CNI_ARGS contradict each other";
    return wanted.get(containerId)?.problem ?? (known ? undefined : failure?.message);
  }
}

const NOT_CONFIGURED = "Nomad is not asked: the watcher is no task of its, and NOMAD_ADDR is not set";
/** A local agent that is gone costs nobody anything to try. */
const LONGEST_UNREACHABLE_MS = 5000;
