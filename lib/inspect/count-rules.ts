import { compileAttachmentChain } from "../netfilter/compile-attachment.ts";
import { compileRule } from "../netfilter/compile-rules.ts";
import { compileAudited, ruleChainNames } from "../netfilter/compile-shared.ts";
import { sharedChainName } from "../netfilter/names.ts";
import type { ActualRule, ActualRuleset, Counters } from "../netfilter/parse-ruleset.ts";
import { renderRule } from "../netfilter/render-rule.ts";
import type { Family } from "../policy/address.ts";
import type { Attachment } from "../policy/attachment.ts";
import type { RuntimeRuleSet } from "../policy/runtime-rules.ts";
import { phaseOf, type RuleList } from "./effective-rules.ts";

/**
 * What the kernel counted for each rule of a list, over all netfilter rules and families that it was compiled to.
 * Undefined for a rule of which the kernel has nothing. The chain is shared by all attachments that the list applies to.
 * Only rules that `isWanted` are looked at: of each phase the first ones, as equal rules are told apart by their order.
 */
export function countRules(
  list: RuleList,
  tables: ReadonlyMap<Family, ActualRuleset>,
  isWanted: (index: number) => boolean = () => true,
): readonly (Counters | undefined)[] {
  const counted: (Counters | undefined)[] = list.rules.map(() => undefined);
  const names = chainNames(list);
  for (const [family, table] of tables) {
    const take = takeFrom(table, names);
    list.rules.forEach((rule, index) => {
      if (!isWanted(index)) return;
      for (const compiled of compileRule(rule, family)) {
        counted[index] = sum(counted[index], take(phaseOf(rule, list), renderRule(compiled, family).hash));
      }
    });
  }
  return counted;
}

/**
 * What the kernel counted for each rule of an audited rule set: packets that the rule would have decided. The chain is
 * shared as an enforced one is. `isWanted` as for `countRules`.
 */
export function countAudited(
  { key, ruleSet }: Pick<RuntimeRuleSet, "key" | "ruleSet">,
  tables: ReadonlyMap<Family, ActualRuleset>,
  isWanted: (index: number) => boolean = () => true,
): readonly (Counters | undefined)[] {
  const counted: (Counters | undefined)[] = ruleSet.rules.map(() => undefined);
  const names = {
    static: undefined,
    deny: sharedChainName("deny-audit", key),
    accept: sharedChainName("accept-audit", key),
  };
  for (const [family, table] of tables) {
    const take = takeFrom(table, names);
    ruleSet.rules.forEach((rule, index) => {
      if (!isWanted(index)) return;
      for (const compiled of compileAudited(rule, { family, key })) {
        const { hash } = renderRule(compiled, family);
        counted[index] = sum(counted[index], take(phaseOf(rule, { isStatic: false }), hash));
      }
    });
  }
  return counted;
}

/** What the default action stopped or let go: counted by the last rules of the attachment's own chain. */
export function countDefault(attachment: Attachment, tables: ReadonlyMap<Family, ActualRuleset>): Counters | undefined {
  let total: Counters | undefined;
  for (const [family, table] of tables) {
    const wanted = defaultHashes(attachment, family);
    const actual = (table.get(attachment.chain) ?? []).slice(-wanted.length);
    if (!wanted.every((hash, index) => actual[index]?.hash === hash)) continue;
    for (const { counters } of actual) total = sum(total, counters);
  }
  return total;
}

/** In a chain that goes through no others, all that comes after the replies' rule is the default action. */
function defaultHashes(attachment: Attachment, family: Family): readonly string[] {
  const unlogged = { ...attachment, policy: { ...attachment.policy, logDenied: false } };
  const jumps = { deny: [], static: undefined, accept: [] };
  const { rules } = compileAttachmentChain(unlogged, { family, jumps });
  const replies = rules.findIndex(({ match }) => match.isReply);
  return rules.slice(replies + 1).map((rule) => renderRule(rule, family).hash);
}

type ChainNames = Readonly<Record<ReturnType<typeof phaseOf>, string | undefined>>;

/** A chain that is not there has counted nothing. */
function chainNames({ isStatic, rules, identity }: RuleList): ChainNames {
  const names = ruleChainNames(rules, identity);
  return isStatic ? { ...names, deny: undefined, accept: undefined } : { ...names, static: undefined };
}

/** Equal rules of one chain have equal hashes: the first to ask gets the first of them. */
function takeFrom(
  table: ActualRuleset,
  names: ChainNames,
): (phase: keyof ChainNames, hash: string) => Counters | undefined {
  const waiting = new Map<string, ActualRule[]>();
  for (const name of Object.values(names)) {
    for (const rule of table.get(name ?? "") ?? []) {
      const slot = `${name} ${rule.hash}`;
      const before = waiting.get(slot);
      if (before) before.push(rule);
      else waiting.set(slot, [rule]);
    }
  }
  return (phase, hash) => waiting.get(`${names[phase]} ${hash}`)?.shift()?.counters;
}

function sum(left: Counters | undefined, right: Counters | undefined): Counters | undefined {
  if (!left || !right) return left ?? right;
  return { packets: left.packets + right.packets, bytes: left.bytes + right.bytes };
}
