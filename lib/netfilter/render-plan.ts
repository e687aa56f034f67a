import { editChain } from "./edit-chain.ts";
import { isOwnChainName } from "./names.ts";
import { leadsAlike, parseRuleset, type ActualRule, type ActualRuleset } from "./parse-ruleset.ts";
import type { Plan } from "./plan.ts";

/**
 * A plan as one transaction for `iptables-restore --noflush`. A chain that is declared is emptied first; the commit
 * makes everything valid at one instant, or, on any error, nothing (iptables-restore(8)).
 */
export function renderPlan(plan: Plan): string {
  return renderEdits(plan, new Map()).text;
}

/**
 * The same for one who knows what is there: own chains that keep some of their rules are edited, so that the counters
 * of these go on, and take no longer than to be filled again. Positions hold only where such a chain is what it is
 * taken for, so the transaction lists it first; who applies it compares with `isAsKnown`.
 */
export function renderEdits({ write, remove, anchors }: Plan, known: ActualRuleset): Edits {
  const edits = new Map<string, readonly string[]>();
  for (const chain of write) {
    const actual = isOwnChainName(chain.name) ? known.get(chain.name) : undefined;
    const lines = actual && editChain(chain, actual);
    if (lines) edits.set(chain.name, lines);
  }
  const filled = write.filter(({ name }) => !edits.has(name));
  const text = [
    "*filter",
    ...[...edits.keys()].map((name) => `-S ${name}`),
    ...[...filled.map(({ name }) => name), ...remove].map((name) => `:${name} - [0:0]`),
    ...filled.flatMap(({ name, rules }) => rules.map(({ text: rule }) => `-A ${name} ${rule}`)),
    ...[...edits.values()].flat(),
    ...anchors,
    ...remove.map((name) => `-X ${name}`),
    "COMMIT",
    "",
  ].join("\n");
  return { text, edited: [...edits.keys()] };
}

export interface Edits {
  readonly text: string;
  /** Chains that it lists before it edits them. */
  readonly edited: readonly string[];
}

/** Whether what the transaction printed shows the edited chains as they were taken to be. */
export function isAsKnown({ edited }: Edits, { printed, known }: Listed): boolean {
  if (edited.length === 0) return true;
  const listed = parseRuleset(printed);
  return edited.every((name) => readsAlike(listed.get(name) ?? [], known.get(name) ?? []));
}

interface Listed {
  readonly printed: string;
  readonly known: ActualRuleset;
}

/**
 * Lists chains, in a transaction of its own: iptables-restore takes listing commands too. It stops at the first
 * chain that does not exist, so the ones that always do come first.
 */
export function renderListing(chains: readonly string[]): string {
  return ["*filter", ...chains.map((chain) => `-S ${chain}`), "COMMIT", ""].join("\n");
}

function readsAlike(left: readonly ActualRule[], right: readonly ActualRule[]): boolean {
  return (
    left.length === right.length &&
    left.every((rule, index) => {
      const other = right[index];
      return other && (rule.hash ?? rule.text) === (other.hash ?? other.text) && leadsAlike(rule, other);
    })
  );
}
