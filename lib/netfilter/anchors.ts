import type { Family } from "../policy/address.ts";
import { FIREWALL_CHAIN, isPlainChainName } from "./names.ts";
import { isGoto, type ActualRule, type ActualRuleset } from "./parse-ruleset.ts";
import { renderRule, type RenderedRule } from "./render-rule.ts";

/** The comment of the firewall plugin's jump to the admin chain (plugins/meta/firewall/iptables.go). */
const ADMIN_COMMENT = /--comment "CNI firewall plugin admin overrides"/;
/** The firewall plugin's chains for ingressPolicy, which it puts before its own (ingresspolicy.go). */
const ISOLATION_CHAIN = /^CNI-ISOLATION-/;
const HARMLESS_TARGETS: ReadonlySet<string> = new Set(["DROP", "REJECT", "LOG", "NFLOG"]);

/** Targets of the filter table behind which the next rule does not come, and that are no chain. */
const LETTING_THROUGH: ReadonlySet<string> = new Set(["ACCEPT", "RETURN", "QUEUE", "NFQUEUE"]);

/** A main chain and where it has to be reached from. */
export interface MainChain {
  readonly name: string;
  /** Whether any of its attachments filters traffic to the host's own addresses. */
  readonly isInInput: boolean;
}

/**
 * Lines for iptables-restore that put the jumps to the main chains where nothing can come before them. The firewall
 * plugin's chain keeps its jump even while FORWARD does not lead to it first: the plugin may put that right at any
 * time, and its accepts must not come back without ours before them.
 */
export function planAnchors(mains: readonly MainChain[], { actual, family }: AnchorOptions): readonly string[] {
  const isForwardNeeded = !isFirewallChainInFront(actual, mains);
  const everywhere = ["FORWARD", FIREWALL_CHAIN, "INPUT"].filter((chain) => actual.has(chain));
  return everywhere.flatMap((chain) => {
    const wanted = mains.filter(
      (main) =>
        chain === FIREWALL_CHAIN || (chain === "FORWARD" && isForwardNeeded) || (chain === "INPUT" && main.isInInput),
    );
    return planJumps(chain, { wanted, mains, rules: actual.get(chain) ?? [], family });
  });
}

/**
 * Whether every packet that the main chains are for goes through them, whatever `planAnchors` would still put in order:
 * a jump that stands there twice lets nothing through.
 */
export function areReached(mains: readonly MainChain[], { actual, family }: AnchorOptions): boolean {
  const isFirewallChainFirst = isFirewallChainInFront(actual, mains);
  const leadsTo = (chain: string, { name }: MainChain): boolean =>
    jumpsInFront(actual.get(chain) ?? [], { mains, family }).some(({ target }) => target === name);
  return mains.every(
    (main) =>
      (leadsTo("FORWARD", main) || (isFirewallChainFirst && leadsTo(FIREWALL_CHAIN, main))) &&
      (!main.isInInput || leadsTo("INPUT", main)),
  );
}

export interface AnchorOptions {
  readonly actual: ActualRuleset;
  readonly family: Family;
}

/** The jump to a main chain, the same wherever it stands. */
export function renderMainJump(name: string, family: Family): RenderedRule {
  return renderRule({ match: {}, target: { kind: "jump", chain: name } }, family);
}

/**
 * Whether a rule is our jump to what it leads to, to the letter. One that somebody gave another target or a condition
 * keeps our comment, but cannot be deleted by our text: trying would fail the whole transaction, each time.
 */
export function isMainJump(rule: ActualRule, family: Family): boolean {
  const { hash, target, text } = rule;
  if (hash === undefined || target === undefined || isGoto(rule)) return false;
  return isPlainChainName(target) && isUnconditional(text) && hash === renderMainJump(target, family).hash;
}

/**
 * Whether the firewall plugin's chain is reached by every forwarded packet. Where something that could accept stands
 * before it (Docker puts its own chains first when it restarts), or where it is not reached at all, a jump belongs at
 * the top of FORWARD too.
 */
function isFirewallChainInFront(actual: ActualRuleset, mains: readonly MainChain[]): boolean {
  if (!actual.has(FIREWALL_CHAIN)) return false;
  const rules = actual.get("FORWARD") ?? [];
  const jump = rules.findIndex(({ target, text }) => target === FIREWALL_CHAIN && isUnconditional(text));
  return jump !== -1 && rules.slice(0, jump).every((rule) => isHarmless(rule, mains));
}

interface JumpOptions {
  readonly wanted: readonly MainChain[];
  readonly mains: readonly MainChain[];
  readonly rules: readonly ActualRule[];
  readonly family: Family;
}

/**
 * Every wanted jump once, before any rule that could let a packet through. When anything is amiss all copies are
 * deleted and one of each inserted: in one transaction, so that no packet sees the chain without them.
 */
function planJumps(chain: string, { wanted, mains, rules, family }: JumpOptions): readonly string[] {
  const isOurs = (rule: ActualRule): boolean => isJumpToOneOf(mains, rule, family);
  const ours = rules.filter(isOurs);
  const inFront = jumpsInFront(rules, { mains, family });
  const isRight =
    ours.length === wanted.length && wanted.every((main) => inFront.some((rule) => rule.target === main.name));
  if (isRight) return [];
  const others = rules.filter((rule) => !isOurs(rule));
  const position = leading(others, isAdminJump).length + 1;
  return [
    ...ours.map((rule) => `-D ${chain} ${renderMainJump(rule.target ?? "", family).text}`),
    ...wanted.map((main) => `-I ${chain} ${position} ${renderMainJump(main.name, family).text}`),
  ];
}

/** Our jumps that nothing before them can keep a packet from. */
function jumpsInFront(
  rules: readonly ActualRule[],
  { mains, family }: Pick<JumpOptions, "mains" | "family">,
): readonly ActualRule[] {
  const isPassed = (rule: ActualRule): boolean => isHarmless(rule, mains) || isAdminJump(rule);
  return leading(rules, isPassed).filter((rule) => isJumpToOneOf(mains, rule, family));
}

function isJumpToOneOf(mains: readonly MainChain[], rule: ActualRule, family: Family): boolean {
  return mains.some(({ name }) => name === rule.target) && isMainJump(rule, family);
}

/**
 * Whether a packet that a rule lets on comes to the next one. It does not after a goto, whatever chain that leads to.
 * A name like our chains' says nothing of what is in a chain: the Go plugin's have accepts.
 */
function isHarmless(rule: ActualRule, mains: readonly MainChain[]): boolean {
  const { target } = rule;
  if (target === undefined || HARMLESS_TARGETS.has(target)) return true;
  return !isGoto(rule) && (ISOLATION_CHAIN.test(target) || mains.some((main) => main.name === target));
}

/** Its chain has a name of the operator's choice; what ends a packet's way itself is no jump, whatever it says. */
function isAdminJump(rule: ActualRule): boolean {
  return ADMIN_COMMENT.test(rule.text) && !LETTING_THROUGH.has(rule.target ?? "") && !isGoto(rule);
}

/** No condition but a comment. */
function isUnconditional(text: string): boolean {
  return /^(?:-m comment --comment (?:"(?:[^"\\]|\\.)*"|\S+) )?-[jg] \S+$/.test(text);
}

function leading<T>(items: readonly T[], isPart: (item: T) => boolean): readonly T[] {
  const end = items.findIndex((item) => !isPart(item));
  return end === -1 ? items : items.slice(0, end);
}
