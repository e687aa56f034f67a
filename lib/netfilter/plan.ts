import type { Family } from "../policy/address.ts";
import { planAnchors } from "./anchors.ts";
import type { CompiledNode } from "./compile-node.ts";
import { chainsOfScopes, type CompiledAttachment } from "./compiled.ts";
import { dispatchInterface, dispatchRules, findMainChains, isDispatchRule, isForeignDispatch } from "./main-chain.ts";
import { isAcceptScopeChain, isAttachmentChain, isOwnChainName, isPlainChainName } from "./names.ts";
import { chainsThatReach, leadsAlike, type ActualRule, type ActualRuleset } from "./parse-ruleset.ts";
import { prefixesToRead } from "./read-first.ts";
import type { RenderedChain, RenderedRule } from "./render-rule.ts";

/** The edits that make one family's chains what they should be; all of them are applied in one transaction. */
export interface Plan {
  /** Chains to make, or to empty and fill again. */
  readonly write: readonly RenderedChain[];
  readonly remove: readonly string[];
  /** Lines that move or insert the jumps from shared chains. */
  readonly anchors: readonly string[];
  /** Orphans that cannot go because a rule of somebody else leads to them; they are emptied. */
  readonly stuck: readonly StuckChain[];
}

export interface StuckChain {
  readonly chain: string;
  readonly reachedFrom: readonly string[];
}

export interface PlanOptions {
  readonly actual: ActualRuleset;
  readonly family: Family;
}

export function isEmptyPlan({ write, remove, anchors }: Plan): boolean {
  return write.length === 0 && remove.length === 0 && anchors.length === 0;
}

/** The whole node: every chain as compiled, and orphans removed. */
export function planNode(node: CompiledNode, options: NodePlanOptions): Plan {
  const { actual, family, keep, isSettled, expired = new Set() } = options;
  const attachments = node.attachments.map(({ attachment }) => attachment);
  const mains = findMainChains(attachments, { actual, family });
  const kept = reachableFrom(keep, actual);
  const orphans = [...actual.keys()].filter((name) => !kept.has(name) && isOrphan(name, { node, actual }));
  const known = new Set([...node.chains.keys(), ...orphans]);
  const mainChains = mains.map(({ name }) => {
    const own = node.attachments.filter(({ attachment }) => attachment.policy.mainChain === name);
    const others = (actual.get(name) ?? []).filter(
      (rule) => keep.has(rule.target ?? "") || (isForeignDispatch(rule) && !known.has(rule.target ?? "")),
    );
    return { name, rules: [...own.flatMap(({ dispatch }) => dispatch), ...dispatchRules(others)] };
  });
  const safe = [...node.chains.values()].filter(writable(node, options));
  const closed = isSettled ? [] : [...expired].filter((name) => actual.has(name)).map((name) => ({ name, rules: [] }));
  return withRemovals([...safe, ...closed, ...mainChains], {
    actual,
    orphans: isSettled ? orphans : [],
    anchors: planAnchors(mains, { actual, family }),
  });
}

export interface NodePlanOptions extends PlanOptions {
  /** Chains of attachments that nothing is known of but that may still run: they and what they need stay. */
  readonly keep: ReadonlySet<string>;
  /** Whether all of KV that concerns this node has been read since the start; before that nothing is removed. */
  readonly isSettled: boolean;
  /**
   * Whether one KV prefix has been read since the start; left out: all of them where it is settled, otherwise none.
   * Before, a cache may be older than what the kernel has, and a chain that only ours wrote to stays as it is.
   */
  readonly isRead?: (prefix: string) => boolean;
  /** Accepting chains whose rule sets have expired: before KV has been read too, they are emptied. */
  readonly expired?: ReadonlySet<string>;
}

/** Attachment chains that are ours but not of any known attachment, with the interfaces that lead to them. */
export function findUnknownChains(node: CompiledNode, actual: ActualRuleset): readonly UnknownChain[] {
  const unknown = [...actual.keys()].filter((name) => isAttachmentChain(name) && isOrphan(name, { node, actual }));
  if (unknown.length === 0) return [];
  const dispatch = [...actual.values()].flat().filter((rule) => isDispatchRule(rule));
  return unknown.map((chain) => {
    const leading = dispatch.filter(({ target }) => target === chain);
    return { chain, interfaces: leading.flatMap(dispatchInterface), isReached: leading.length > 0 };
  });
}

export interface UnknownChain {
  readonly chain: string;
  readonly interfaces: readonly string[];
  readonly isReached: boolean;
}

/**
 * One attachment, as ADD sees it. Chains that hold what KV says are the watcher's to change: one that exists stays
 * as it is, whatever this process believes.
 */
export function planAttachment(compiled: CompiledAttachment, { actual, family }: PlanOptions): Plan {
  const { attachment, chain, dispatch, contentChains, scopes } = compiled;
  const name = attachment.policy.mainChain;
  const others = dispatchRules((actual.get(name) ?? []).filter(({ target }) => target !== chain.name));
  const own = [...contentChains, ...chainsOfScopes(scopes).filter((shared) => !actual.has(shared.name)), chain];
  return withRemovals([...(dispatch.length === 0 ? [] : own), { name, rules: [...dispatch, ...others] }], {
    actual,
    orphans: [],
    anchors: planAnchors(findMainChains([attachment], { actual, family }), { actual, family }),
  });
}

/** Takes one attachment's chain away. What it shared with others is theirs; a sweep removes what nobody uses. */
export function planDetachment(chain: string, { actual }: Pick<PlanOptions, "actual">): Plan {
  const mains = [...actual].filter(
    ([name, rules]) => isPlainChainName(name) && rules.some((rule) => rule.target === chain && isDispatchRule(rule)),
  );
  const mainChains = mains.map(([name, rules]) => ({
    name,
    rules: dispatchRules(rules.filter(({ target }) => target !== chain)),
  }));
  return withRemovals(mainChains, { actual, orphans: actual.has(chain) ? [chain] : [], anchors: [] });
}

/** Whether a chain reads as compiled: the same rules in the same order, and nothing else among them. */
export function isSame(wanted: RenderedChain, actual: readonly ActualRule[] | undefined): boolean {
  if (wanted.rules === actual) return true;
  return (
    actual !== undefined &&
    wanted.rules.length === actual.length &&
    wanted.rules.every((rule, index) => isSameRule(rule, actual[index]))
  );
}

/**
 * By its hash, and by its target: of a rule that was changed with its comment, as by an edited listing that was restored,
 * that shows. A condition that was changed so does not: the kernel prints conditions in words of its own.
 */
function isSameRule(wanted: RenderedRule, actual: ActualRule | undefined): boolean {
  if (actual?.hash === undefined) return wanted.hash === actual?.text;
  return wanted.hash === actual.hash && leadsAlike(wanted, actual);
}

/** Ours by name and by content: the Go plugin's chains have such names too, and guard containers that still run. */
function isOrphan(name: string, { node, actual }: OrphanOptions): boolean {
  if (!isOwnChainName(name) || node.chains.has(name)) return false;
  const rules = actual.get(name) ?? [];
  return rules.length === 0 || rules.some((rule) => rule.hash !== undefined);
}

interface OrphanOptions {
  readonly node: CompiledNode;
  readonly actual: ActualRuleset;
}

/** The chains of `roots` and all that they go through. */
function reachableFrom(roots: ReadonlySet<string>, actual: ActualRuleset): ReadonlySet<string> {
  const reached = new Set(roots);
  for (const name of reached) {
    for (const { target } of actual.get(name) ?? [])
      if (target !== undefined && actual.has(target)) reached.add(target);
  }
  return reached;
}

/** Which chains may be written: those whose prefixes have been read, and those that could only get stricter. */
function writable(node: CompiledNode, options: NodePlanOptions): (chain: RenderedChain) => boolean {
  const { actual, isSettled, isRead } = options;
  if (isSettled && !isRead) return () => true;
  const prefixes = prefixesToRead(node);
  return (chain) =>
    (prefixes.get(chain.name) ?? []).every((prefix) => isRead?.(prefix) === true) ||
    canWriteUnread(chain, { node, actual });
}

/**
 * Missing, emptied or altered by somebody else: what is compiled can only be stricter than that. Except where a chain
 * of accepts is empty because its rule sets were removed: a cache from before that would bring them back.
 */
function canWriteUnread({ name, rules: wanted }: RenderedChain, { node, actual }: OrphanOptions): boolean {
  const rules = actual.get(name);
  if (!rules || rules.some((rule) => isAltered(rule, wanted))) return true;
  return rules.length === 0 && (!isAcceptScopeChain(name) || isFlushed({ node, actual }));
}

/** Not ours, or ours with another target. */
function isAltered(actual: ActualRule, wanted: readonly RenderedRule[]): boolean {
  const { hash } = actual;
  return hash === undefined || wanted.some((rule) => rule.hash === hash && !leadsAlike(rule, actual));
}

/** An attachment's own chain is never empty unless somebody emptied it. */
function isFlushed({ node, actual }: OrphanOptions): boolean {
  return node.attachments.some(({ chain }) => actual.get(chain.name)?.length === 0);
}

interface RemovalOptions {
  readonly actual: ActualRuleset;
  readonly orphans: readonly string[];
  readonly anchors: readonly string[];
}

/** A chain that something still leads to cannot be deleted, and trying would fail the whole transaction. */
function withRemovals(wanted: readonly RenderedChain[], { actual, orphans, anchors }: RemovalOptions): Plan {
  const write = wanted.filter((chain) => !isSame(chain, actual.get(chain.name)));
  const goingOrRewritten = new Set([...orphans, ...write.map(({ name }) => name)]);
  const stuck = orphans.flatMap((chain) => {
    const reachedFrom = chainsThatReach(chain, actual).filter((name) => !goingOrRewritten.has(name));
    return reachedFrom.length === 0 ? [] : [{ chain, reachedFrom }];
  });
  const kept = new Set(stuck.map(({ chain }) => chain));
  const emptied = [...kept].filter((name) => actual.get(name)?.length !== 0).map((name) => ({ name, rules: [] }));
  return { write: [...write, ...emptied], remove: orphans.filter((chain) => !kept.has(chain)), anchors, stuck };
}
