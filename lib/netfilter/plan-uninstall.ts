import { isMainJump, renderMainJump } from "./anchors.ts";
import { foreignDispatchRules, isDispatchRule } from "./main-chain.ts";
import { FIREWALL_CHAIN, isOwnChainName, isPlainChainName } from "./names.ts";
import type { ActualRule } from "./parse-ruleset.ts";
import { isSame, type Plan, type PlanOptions } from "./plan.ts";

export interface UninstallPlan extends Plan {
  /** Chains of the Go plugin, which guard its containers: they stay, and so does what leads to them. */
  readonly left: readonly string[];
  /** Built-in chains that hold nothing but our jumps. */
  readonly leftEmpty: readonly string[];
}

export interface UninstallOptions extends PlanOptions {
  /** Names that main chains are known to have had; those that our jump leads to are found without. */
  readonly mainChains: readonly string[];
}

/**
 * Takes out of one family all that outbound ever put there: jumps, main chains, attachments' and shared chains. Ours is
 * what our hash says is ours, and empty chains with our names.
 */
export function planUninstall({ actual, family, mainChains }: UninstallOptions): UninstallPlan {
  const isOurJump = (rule: ActualRule): boolean =>
    isMainJump(rule, family) && rule.target !== undefined && !isOwnChainName(rule.target);
  const jumps = ["FORWARD", FIREWALL_CHAIN, "INPUT"].flatMap((from) =>
    (actual.get(from) ?? []).filter(isOurJump).map(({ target = "" }) => ({ from, target })),
  );
  const mains = [...actual.keys()].filter(
    (name) =>
      !isOwnChainName(name) &&
      isPlainChainName(name) &&
      (jumps.some(({ target }) => target === name) || isMainChain(actual.get(name) ?? [], mainChains.includes(name))),
  );
  const sharedWithGo = mains.filter((name) => foreignDispatchRules(actual.get(name) ?? []).length > 0);
  const own = [...actual.keys()].filter((name) => isOwnChainName(name) && isOurs(actual.get(name) ?? []));
  const going = new Set([...own, ...mains.filter((name) => !sharedWithGo.includes(name))]);
  const rewritten = new Map(sharedWithGo.map((name) => [name, foreignDispatchRules(actual.get(name) ?? [])]));

  const others = [...actual].filter(([name]) => !going.has(name));
  const reachedFrom = (chain: string): readonly string[] =>
    others
      .filter(([name, rules]) => rules.some((rule) => rule.target === chain && stays(rule, name)))
      .map(([name]) => name);
  const stays = (rule: ActualRule, name: string): boolean =>
    rewritten.get(name)?.some(({ text }) => text === rule.text) ?? !isOurJump(rule);
  // What the Go plugin's containers hang on keeps our jump where no other rule leads to it.
  const unneeded = jumps.filter(({ target }) => !sharedWithGo.includes(target) || reachedFrom(target).length > 0);

  const stuck = [...going].flatMap((chain) => {
    const from = reachedFrom(chain);
    return from.length === 0 ? [] : [{ chain, reachedFrom: from }];
  });
  const emptied = stuck
    .filter(({ chain }) => actual.get(chain)?.length !== 0)
    .map(({ chain }) => ({ name: chain, rules: [] }));
  const shortened = [...rewritten]
    .map(([name, rules]) => ({ name, rules }))
    .filter((chain) => !isSame(chain, actual.get(chain.name)));
  return {
    write: [...shortened, ...emptied],
    remove: [...going].filter((name) => !stuck.some(({ chain }) => chain === name)),
    anchors: unneeded.map(({ from, target }) => `-D ${from} ${renderMainJump(target, family).text}`),
    stuck,
    leftEmpty: ["FORWARD", "INPUT"].filter((chain) => {
      const own = unneeded.filter(({ from }) => from === chain).length;
      return own > 0 && actual.get(chain)?.length === own;
    }),
    left: [...sharedWithGo, ...[...actual.keys()].filter((name) => isOwnChainName(name) && !own.includes(name))],
  };
}

/** Where no jump of ours says so: a chain of dispatch rules alone is a main chain; an empty one only by its name. */
function isMainChain(rules: readonly ActualRule[], isKnownName: boolean): boolean {
  if (!rules.every((rule) => isDispatchRule(rule))) return false;
  return isKnownName || rules.some(({ hash }) => hash !== undefined);
}

function isOurs(rules: readonly ActualRule[]): boolean {
  return rules.length === 0 || rules.some(({ hash }) => hash !== undefined);
}
