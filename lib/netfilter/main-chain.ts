import type { Family } from "../policy/address.ts";
import type { Attachment } from "../policy/attachment.ts";
import { isMainJump, type MainChain } from "./anchors.ts";
import { FIREWALL_CHAIN, isAttachmentChain, isOwnChainName } from "./names.ts";
import type { ActualRule, ActualRuleset } from "./parse-ruleset.ts";
import type { RenderedRule } from "./render-rule.ts";

/**
 * The main chains of `attachments`, and those of earlier ones, which are known by our jump to them: a main chain
 * stays when its last attachment has gone, because later ones hang on it.
 */
export function findMainChains(attachments: readonly Attachment[], options: FindOptions): readonly MainChain[] {
  const names = new Set([...attachments.map(({ policy }) => policy.mainChain), ...presentMainChains(options)]);
  return [...names].toSorted().map((name) => ({ name, isInInput: isInInput(name, attachments, options) }));
}

export interface FindOptions {
  readonly actual: ActualRuleset;
  readonly family: Family;
}

/** Of a main chain's rules, those that belong there; anything else was put there by somebody else: drift. */
export function dispatchRules(rules: readonly ActualRule[]): readonly RenderedRule[] {
  return rules.filter((rule) => isDispatchRule(rule)).map(toRendered);
}

export function isDispatchRule(rule: ActualRule): boolean {
  return OWN_DISPATCH.test(rule.text) || isForeignDispatch(rule);
}

/** The Go plugin's dispatch rules (pkg/iptables/iptables_manager.go, AddJumpRule): its containers may still run. */
export function foreignDispatchRules(rules: readonly ActualRule[]): readonly RenderedRule[] {
  return rules.filter(isForeignDispatch).map(toRendered);
}

/** The interface that a dispatch rule matches, if it matches one. */
export function dispatchInterface({ text }: ActualRule): readonly string[] {
  const name = /^(?:-i|-m physdev --physdev-in) (\S+)/.exec(text)?.[1];
  return name === undefined ? [] : [name];
}

const OWN_DISPATCH =
  /^(?:-s [0-9a-f.:]+\/\d+|-i [\w.-]+|-m physdev --physdev-in [\w.-]+) -m comment --comment "?outbound:\d+:[0-9a-f]{16}"? -g CNI-OUT-[0-9a-f]{20}$/;
const FOREIGN_DISPATCH = /^-s [0-9a-f.:]+\/\d+ -j CNI-OUT-[0-9a-f]{20}$/;

export function isForeignDispatch({ text, target }: ActualRule): boolean {
  return FOREIGN_DISPATCH.test(text) && target !== undefined && isAttachmentChain(target);
}

/** The listed text goes back to the kernel as it is: both forms leave no room for anything but names and numbers. */
function toRendered({ text, hash, target = "" }: ActualRule): RenderedRule {
  return { text, hash: hash ?? text, target };
}

function presentMainChains({ actual, family }: FindOptions): readonly string[] {
  const candidates = ["FORWARD", FIREWALL_CHAIN, "INPUT"].flatMap((chain) => actual.get(chain) ?? []);
  return candidates.flatMap((rule) => {
    const { target = "" } = rule;
    return isMainJump(rule, family) && !isOwnChainName(target) ? [target] : [];
  });
}

/** Where no attachment is left to ask, it stays as it is. */
function isInInput(name: string, attachments: readonly Attachment[], { actual, family }: FindOptions): boolean {
  const own = attachments.filter(({ policy }) => policy.mainChain === name);
  return (
    own.some(({ policy }) => policy.hostTraffic === "filter") ||
    (actual.get("INPUT") ?? []).some((rule) => rule.target === name && isMainJump(rule, family))
  );
}
