import { describeIdentity } from "../inspect/describe.ts";
import type { Family } from "../policy/address.ts";
import type { Attachment } from "../policy/attachment.ts";
import type { RuntimeRules } from "../policy/runtime-rules.ts";
import { isUnread, ok, problem, unknown, warning, type Check, type Fact } from "./check.ts";
import type { ActualRuleset } from "../netfilter/parse-ruleset.ts";
import { compareFamily, type FamilyComparison } from "./compare-chains.ts";
import { countOf, listSome } from "./words.ts";

export interface ChainFacts {
  readonly attachments: Fact<readonly Attachment[]>;
  /** Chains whose record cannot be read: nothing is said of them. */
  readonly unreadable: ReadonlySet<string>;
  /** Filter tables; absent where the host has no such family or no programs for it. */
  readonly kernel: Readonly<Record<Family, Fact<ActualRuleset> | "absent">>;
  /** As cached for the next ADD; undefined where they are not known. */
  readonly runtimeRules: RuntimeRules | undefined;
  readonly nowMs: number;
}

/** Whether the kernel has what this node's records say, and reaches it before anything that lets packets through. */
export function checkChains(facts: ChainFacts): readonly Check[] {
  const { attachments } = facts;
  const tables = ([4, 6] as const).flatMap((family) => {
    const table = facts.kernel[family];
    return table === "absent" ? [] : [{ family, table }];
  });
  const [unread] = [attachments, ...tables.map(({ table }) => table)].filter(isUnread);
  if (unread || isUnread(attachments)) {
    const why = unread?.unread ?? "";
    return NAMES.map((name) => unknown(name, { message: `${ABOUT[name]}: ${why}` }));
  }
  const compared = tables.flatMap(({ family, table }) =>
    isUnread(table) ? [] : [compareFamily({ ...facts, attachments, actual: table, family })],
  );
  return [
    checkMainChains(compared),
    checkOwnChains(compared, attachments),
    checkContents(compared),
    checkLeftovers(compared),
  ];
}

const NAMES = ["main chain", "attachment chains", "chain contents", "leftover chains"] as const;

const ABOUT = {
  "main chain": "whether the main chain is reached first",
  "attachment chains": "whether each attachment has its chain",
  "chain contents": "whether chains are as recorded",
  "leftover chains": "whether chains are left over",
} as const;

const RECONCILE = "outbound reconcile, as root, puts it right; so does the watcher by itself while it runs";

function checkMainChains(compared: readonly FamilyComparison[]): Check {
  const name = "main chain";
  const wrong = compared.filter(({ missedFrom }) => missedFrom.length > 0);
  if (wrong.length > 0) {
    const where = wrong.map(({ family, missedFrom }) => `${missedFrom.join(" and ")} (IPv${family})`).join(", ");
    const mains = [...new Set(wrong.flatMap(({ mainChains }) => mainChains))];
    return problem(name, {
      message: `${mains.join(", ")} is not where it belongs in ${where}: packets may pass before it is reached`,
      remedy: RECONCILE,
    });
  }
  const mains = [...new Set(compared.flatMap(({ mainChains }) => mainChains))];
  if (mains.length === 0) return ok(name, "there is no main chain yet, the first ADD makes it");
  return ok(name, `${mains.join(", ")} is reached before anything that lets packets through`);
}

function checkOwnChains(compared: readonly FamilyComparison[], attachments: readonly Attachment[]): Check {
  const name = "attachment chains";
  const wrong = attachments.flatMap((attachment) => {
    const states = compared.flatMap(({ family, unguarded }) => {
      const state = unguarded.get(attachment.chain);
      return state === undefined ? [] : [`${state} in IPv${family}`];
    });
    return states.length === 0 ? [] : [`${nameOf(attachment)}: ${attachment.chain} is ${states.join(", ")}`];
  });
  if (wrong.length > 0) return problem(name, { message: `${listSome(wrong, 2)}: not filtered`, remedy: RECONCILE });
  if (attachments.length === 0) return ok(name, "nothing is attached on this node");
  return ok(name, `${countOf(attachments.length, "attachment")}, each with its chain where it needs one`);
}

function checkContents(compared: readonly FamilyComparison[]): Check {
  const name = "chain contents";
  const altered = [...new Set(compared.flatMap(({ altered }) => altered))];
  if (altered.length === 0) return ok(name, "all chains are as recorded");
  return problem(name, {
    message: `${countOf(altered.length, "chain is", "chains are")} not as recorded: ${listSome(altered)}`,
    remedy: RECONCILE,
  });
}

function checkLeftovers(compared: readonly FamilyComparison[]): Check {
  const name = "leftover chains";
  const left = [...new Set(compared.flatMap(({ unexplained }) => unexplained))];
  if (left.length === 0) return ok(name, "no chain of ours is left over");
  return warning(name, {
    message: `no record explains ${countOf(left.length, "chain")} of ours: ${listSome(left)}`,
    remedy: "outbound reconcile removes those that nothing leads to; one whose container still runs goes with its DEL",
  });
}

function nameOf({ containerId, identity }: Attachment): string {
  return `${containerId.slice(0, 8)} (${describeIdentity(identity)})`;
}
