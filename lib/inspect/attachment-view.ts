import type { Counters } from "../netfilter/parse-ruleset.ts";
import type { Attachment } from "../policy/attachment.ts";
import type { Source } from "../policy/evaluate.ts";
import { formatRule, type Action, type RuleInput } from "../policy/rule.ts";
import type { RuntimeContext } from "../policy/runtime-rules.ts";
import { countDefault, countRules } from "./count-rules.ts";
import { describeRule, describeSource } from "./describe.ts";
import { listAttachment, type ListedAttachment } from "./attachment-list.ts";
import { decidingLists, idleRules, phaseOf, type IdleRules, type Phase } from "./effective-rules.ts";
import { readTables, type KernelTables } from "./kernel.ts";

/** One attachment of `outbound show --json`. */
export interface AttachmentView extends ListedAttachment {
  readonly hostTraffic: "filter" | "allow";
  /** In order of decision: the first that matches decides. */
  readonly rules: readonly RuleView[];
  /** What becomes of a packet that no rule matches. */
  readonly defaultAction: { readonly action: Action; readonly counters: Counters | null };
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

export interface IdleView {
  readonly from: string;
  readonly why: IdleRules["why"];
  readonly rules: readonly RuleInput[];
  readonly texts: readonly string[];
}

export function viewAttachment(attachment: Attachment, { context, kernel }: ViewOptions): AttachmentView {
  const { policy } = attachment;
  const tables = readTables(kernel);
  const rules = decidingLists(attachment, context).flatMap((list) => {
    const counted = countRules(list, tables);
    return list.rules.map((rule, index): RuleView => {
      const source = list.sourceOf(index);
      return {
        phase: phaseOf(rule, list),
        from: describeSource(source),
        source,
        rule: formatRule(rule),
        text: describeRule(rule),
        counters: counted[index] ?? null,
      };
    });
  });
  return {
    ...listAttachment(attachment, kernel),
    hostTraffic: policy.hostTraffic,
    rules: PHASES.flatMap((phase) => rules.filter((rule) => rule.phase === phase)),
    defaultAction: { action: policy.defaultAction, counters: countDefault(attachment, tables) ?? null },
    idle: idleRules(attachment, context).map(({ key, why, rules: idle }) => ({
      from: key === undefined ? "conflist runtimeRules" : `KV ${key}`,
      why,
      rules: idle.map(formatRule),
      texts: idle.map(describeRule),
    })),
  };
}

export interface ViewOptions {
  readonly context: RuntimeContext;
  readonly kernel: KernelTables;
}

const PHASES: readonly Phase[] = ["deny", "static", "accept"];
