import type { Counters } from "../netfilter/parse-ruleset.ts";
import type { ObservedConnection } from "../observed/connection.ts";
import type { Attachment } from "../policy/attachment.ts";
import type { Source } from "../policy/evaluate.ts";
import { formatRule, type Action, type RuleInput } from "../policy/rule.ts";
import type { RuntimeContext } from "../policy/runtime-rules.ts";
import { countAudited, countDefault, countRules } from "./count-rules.ts";
import { describeRule, describeSource } from "./describe.ts";
import { listAttachment, type ListedAttachment, type ListedOptions } from "./attachment-list.ts";
import { auditedSets, decidingLists, idleRules, phaseOf, type IdleRules, type Phase } from "./effective-rules.ts";
import { readTables } from "./kernel.ts";
import { createRuleBudget, type RuleBounds } from "./rule-budget.ts";
import { seenAudited, seenDenied, type SeenConnection } from "./seen-connections.ts";

/** One attachment of `outbound show --json`. */
export interface AttachmentView extends ListedAttachment {
  readonly hostTraffic: "filter" | "allow";
  /** In order of decision: the first that matches decides. */
  readonly rules: readonly RuleView[];
  /** How many more rules there are of each phase; absent where all are here. */
  readonly leftOut?: Readonly<Record<Phase, number>>;
  /** What becomes of a packet that no rule matches. */
  readonly defaultAction: { readonly action: Action; readonly counters: Counters | null };
  /** What the default action denied it, as far as the kernel logged it (`logDenied`); the last first. */
  readonly denied: readonly SeenConnection[];
  /** Rule sets that decide nothing and count what they would have decided. */
  readonly audited: readonly AuditView[];
  /** Rules that concern it and decide nothing now. */
  readonly idle: readonly IdleView[];
}

export interface RuleView {
  readonly phase: Phase;
  /** Where it is written, in words and as data. */
  readonly from: string;
  readonly source: Source;
  readonly rule: RuleInput;
  readonly text: string;
  /** Of all attachments that the rule applies to; null where the kernel does not have it or could not be read. */
  readonly counters: Counters | null;
}

export interface AuditView {
  readonly from: string;
  readonly key: string;
  readonly rules: readonly AuditedRuleView[];
  readonly leftOut?: AttachmentView["leftOut"];
  /** What it would have decided of this attachment's connections, as far as the kernel logged it; the last first. */
  readonly seen: readonly SeenConnection[];
}

/** Counters are what the rule would have decided, of all attachments that the rule set applies to. */
export interface AuditedRuleView extends Pick<RuleView, "rule" | "text" | "counters"> {
  readonly phase: Exclude<Phase, "static">;
}

export interface IdleView {
  readonly from: string;
  readonly why: IdleRules["why"];
  readonly rules: readonly RuleInput[];
  readonly texts: readonly string[];
}

export function viewAttachment(
  attachment: Attachment,
  { context, observed = [], bounds, ...listed }: ViewOptions,
): AttachmentView {
  const { policy } = attachment;
  const tables = readTables(listed.kernel);
  const budget = createRuleBudget(bounds);
  const rules = decidingLists(attachment, context).flatMap((list) => {
    const places = list.rules.map((rule) => budget.take(rule, phaseOf(rule, list)));
    const counted = countRules(list, tables, (index) => places[index] === "counted");
    return list.rules.flatMap((rule, index): readonly RuleView[] => {
      if (places[index] === "left-out") return [];
      const source = list.sourceOf(index);
      return [
        {
          phase: phaseOf(rule, list),
          from: describeSource(source),
          source,
          rule: formatRule(rule),
          text: describeRule(rule),
          counters: counted[index] ?? null,
        },
      ];
    });
  });
  return {
    ...listAttachment(attachment, listed),
    hostTraffic: policy.hostTraffic,
    rules: PHASES.flatMap((phase) => rules.filter((rule) => rule.phase === phase)),
    ...(bounds && { leftOut: budget.leftOut() }),
    defaultAction: { action: policy.defaultAction, counters: countDefault(attachment, tables) ?? null },
    denied: seenDenied(attachment, observed),
    audited: auditedSets(attachment, context).map((set) => {
      const ofSet = createRuleBudget(bounds);
      const places = set.ruleSet.rules.map((rule) => ofSet.take(rule, phaseOf(rule, { isStatic: false })));
      const counted = countAudited(set, tables, (index) => places[index] === "counted");
      return {
        from: `KV ${set.key}`,
        key: set.key,
        rules: set.ruleSet.rules.flatMap((rule, index): readonly AuditedRuleView[] => {
          if (places[index] === "left-out") return [];
          return [
            {
              phase: rule.action === "ACCEPT" ? "accept" : "deny",
              rule: formatRule(rule),
              text: describeRule(rule),
              counters: counted[index] ?? null,
            },
          ];
        }),
        ...(bounds && { leftOut: ofSet.leftOut() }),
        seen: seenAudited(attachment, { ...set, observed }),
      };
    }),
    idle: idleRules(attachment, context).map(({ key, why, rules: idle }) => ({
      from: key === undefined ? "conflist runtimeRules" : `KV ${key}`,
      why,
      rules: idle.map(formatRule),
      texts: idle.map(describeRule),
    })),
  };
}

export interface ViewOptions extends ListedOptions {
  readonly context: RuntimeContext;
  /** What the watcher has seen in the kernel's log. */
  readonly observed?: readonly ObservedConnection[];
  /** For who cannot wait for the rest: a rule set may have thousands of rules. Default: everything. */
  readonly bounds?: RuleBounds;
}

const PHASES: readonly Phase[] = ["deny", "static", "accept"];
