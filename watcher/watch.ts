import type { Clock } from "../lib/host/clock.ts";
import type { Consul } from "../lib/host/consul.ts";
import type { Log } from "../lib/host/log.ts";
import type { RulesetMonitor } from "../lib/host/ruleset-monitor.ts";
import type { Attachment } from "../lib/policy/attachment.ts";
import { nextExpiry } from "../lib/policy/expiry.ts";
import type { RuntimeContext, RuntimeRules } from "../lib/policy/runtime-rules.ts";
import { neededPrefixes } from "../lib/policy/scope.ts";
import { formatTimestamp } from "../lib/policy/timestamp.ts";
import { createExpiryWarnings } from "./expiry-warnings.ts";
import type { IdentitySearch } from "./identity-search.ts";
import { createKeptRules } from "./kept-rules.ts";
import { logLoss } from "./loss-log.ts";
import type { NodeRunner, PassReport } from "./node-runner.ts";
import type { Observed } from "./observed.ts";
import { createPassLoop, type PassRequest } from "./pass-loop.ts";
import { logRejections } from "./rejection-log.ts";
import type { RequestLimit } from "./request-limit.ts";
import { applyAnswer, closeExpired, createSnapshot, hasKeys, isInSync, retainPrefixes } from "./snapshot.ts";
import { startingRules } from "./starting-rules.ts";
import { untilNextTick } from "./tick.ts";
import type { WatchState } from "./watch-state.ts";
import { createUnfilteredNotice } from "./unfiltered.ts";
import type { DeliveredAnswer } from "./watch-prefix.ts";
import { createPrefixWatches } from "./watch-prefixes.ts";

export type { WatchState };

export interface Watcher {
  readonly state: () => WatchState;
  /** Resolves when everything has ended after `signal` aborted. */
  readonly ended: Promise<void>;
}

export interface WatchOptions {
  readonly node: string;
  /** What all of ours in KV starts with, without a slash at the end. */
  readonly prefix: string;
  readonly cached: RuntimeRules | undefined;
  /** The longest time between two looks at the kernel where nobody tells of changes by others. */
  readonly resyncMs: number;
  readonly signal: AbortSignal;
}

export interface WatchPorts {
  readonly consul: Consul;
  readonly runner: NodeRunner;
  readonly limit: RequestLimit;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Log;
  readonly saveRuntimeRules: (rules: RuntimeRules) => void;
  /** Calls back when attachments may have come or gone, until `signal` aborts. */
  readonly onAttachmentsChanged: (changed: () => void, signal: AbortSignal) => void;
  /** Calls back when somebody else may have changed the kernel's rules, until `signal` aborts. */
  readonly onRulesetChanged: (changed: () => void, signal: AbortSignal) => RulesetMonitor;
  readonly observe: (observation: PassObservation) => void;
  /** Called when the state may have changed. */
  readonly onChange: () => void;
  /** Looked at once a second. */
  readonly observed: Pick<Observed, "look" | "audited">;
  /** Told in each pass which attachments there are; what it finds out asks for another. */
  readonly identities: Pick<IdentitySearch, "follow" | "onLearnt" | "unidentified">;
}

/** What one pass did and took. */
export interface PassObservation {
  readonly report: PassReport | undefined;
  readonly seconds: number;
}

/** A look at the kernel costs more the more it holds; where changes are told, it is only a second line. */
const MONITORED_RESYNC_MS = 300_000;
/** The longest time until an attachment whose network namespace has gone is noticed. */
const LOOK_MS = 10_000;

/** Runs the watcher: reads KV, follows this node's attachments, and keeps the kernel at what both say. */
export function startWatch(options: WatchOptions, ports: WatchPorts): Watcher {
  const { node, prefix, signal } = options;
  const { clock, log } = ports;
  let snapshot = createSnapshot(startingRules(options));
  let attachments: readonly Attachment[] = [];
  let prefixes: readonly string[] = [];
  let applied: RuntimeContext | undefined;
  let isListed = false;
  let isSettled = false;
  let isLastPassGood = false;
  const warnings = createExpiryWarnings();
  const kept = createKeptRules(ports);
  const unfiltered = createUnfilteredNotice(log);

  const watches = createPrefixWatches(
    { root: `${prefix}/rules/` },
    { ...ports, hadKeys: (each) => hasKeys(snapshot, each), onAnswer: takeIn, onState: () => ports.onChange() },
  );
  const loop = createPassLoop({ ...ports, pass, signal });
  follow(neededPrefixes({ node, networks: [], namespaces: [] }));
  ports.onAttachmentsChanged(() => loop.request({ isResync: false, isListing: true }), signal);
  const monitor = ports.onRulesetChanged(() => loop.request({ isResync: true, isListing: true }), signal);
  ports.identities.onLearnt(() => loop.request({ isResync: false, isListing: true }));
  loop.request({ isResync: true, isListing: true });
  const ticking = tick();

  return {
    state: () => ({
      snapshot,
      prefixes: watches.states(),
      isInSync:
        isLastPassGood && isInSync(snapshot, prefixes) && watches.states().every(({ status }) => status === "ok"),
      ...unfiltered.state(),
      attachments,
      applied,
      ...(!kept.isKept() && { isKept: false }),
      audited: ports.observed.audited(),
      unidentified: ports.identities.unidentified(),
    }),
    ended: Promise.all([loop.ended, ticking]).then(() => watches.close()),
  };

  function takeIn(answer: DeliveredAnswer): void {
    const applied = applyAnswer(snapshot, answer, { nowMs: clock.nowMs() });
    const { prefix } = answer;
    logLoss({ prefix, before: snapshot.runtimeRules, after: applied.snapshot.runtimeRules }, log);
    snapshot = applied.snapshot;
    logRejections(applied, log);
    settle();
    loop.request({ isResync: false, isListing: false });
  }

  /** Which prefixes are needed is known only once the attachments have been listed; they may also become fewer. */
  function settle(): void {
    if (isSettled || !isListed || !isInSync(snapshot, prefixes)) return;
    isSettled = true;
    log.info({ prefixes, ruleSets: snapshot.runtimeRules.ruleSets.length }, "In sync with Consul");
    loop.request({ isResync: false, isListing: false });
  }

  async function pass({ isResync, isListing }: PassRequest): Promise<void> {
    const startedMs = clock.monotonicMs();
    let report: PassReport | undefined;
    try {
      const nowMs = clock.nowMs();
      close(nowMs);
      const { runtimeRules, answered } = snapshot;
      report = await ports.runner.pass({
        runtimeRules,
        isSettled,
        ...(!isInSync(snapshot, prefixes) && { isRead: (each: string) => answered.has(each) }),
        isResync,
        isListing,
        onAttachments: (listed) => followAttachments(listed),
        persist: () => kept.keep(runtimeRules),
      });
      attachments = report.attachments;
      applied = { runtimeRules, nowMs };
      isListed = true;
      settle();
      if (report.drifted.length > 0)
        log.warn({ families: report.drifted }, "Somebody changed our chains, they are repaired");
      unfiltered.tell(report.unfiltered);
    } finally {
      isLastPassGood = report !== undefined && report.unfiltered === undefined;
      ports.observe({ report, seconds: (clock.monotonicMs() - startedMs) / 1000 });
      ports.onChange();
    }
  }

  function close(nowMs: number): void {
    const before = new Set(snapshot.runtimeRules.ruleSets);
    snapshot = closeExpired(snapshot, nowMs);
    for (const ruleSet of snapshot.runtimeRules.ruleSets) {
      const { key, modifyIndex } = ruleSet;
      if (!before.has(ruleSet)) log.info({ key, modifyIndex }, "A rule set has expired");
    }
  }

  function followAttachments(listed: readonly Attachment[]): void {
    ports.identities.follow(listed);
    const networks = listed.map(({ network }) => network);
    const namespaces = listed.flatMap(({ identity }) => identity.namespace ?? []);
    follow(neededPrefixes({ node, networks, namespaces }));
  }

  function follow(needed: readonly string[]): void {
    if (needed.join("\n") === prefixes.join("\n")) return;
    prefixes = needed;
    snapshot = retainPrefixes(snapshot, needed);
    watches.setPrefixes(needed);
  }

  async function tick(): Promise<void> {
    let expiry = nextExpiry(snapshot.runtimeRules, clock.nowMs());
    let lookedAtMs = clock.monotonicMs();
    let resyncedAtMs = lookedAtMs;
    while (!signal.aborted) {
      try {
        await clock.sleep(untilNextTick(expiry, clock.nowMs()), signal);
      } catch {
        return;
      }
      const audited = ports.observed.audited();
      ports.observed.look({ attachments, runtimeRules: snapshot.runtimeRules, isSettled });
      if (ports.observed.audited() !== audited) ports.onChange();
      const nowMs = clock.monotonicMs();
      const isResync = nowMs - resyncedAtMs >= (monitor.isLive() ? MONITORED_RESYNC_MS : options.resyncMs);
      const isLook = nowMs - lookedAtMs >= LOOK_MS;
      const next = nextExpiry(snapshot.runtimeRules, clock.nowMs());
      if (isResync) resyncedAtMs = nowMs;
      if (isLook) lookedAtMs = nowMs;
      // One that came and expired between two ticks has changed nothing in what expires next.
      const isOver = next !== expiry || closeExpired(snapshot, clock.nowMs()) !== snapshot;
      if (isResync || isLook || isOver) loop.request({ isResync, isListing: isResync || isLook });
      expiry = next;
      for (const { key, modifyIndex, ruleSet } of warnings.due(snapshot.runtimeRules, clock.nowMs())) {
        const expiresAt = formatTimestamp(ruleSet.expiresAt ?? 0);
        log.warn({ key, modifyIndex, expiresAt }, "A rule set expires within ten minutes");
      }
    }
  }
}
