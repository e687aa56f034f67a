/** A rule of the filter table as it was read. */
export interface ActualRule {
  /** As listed, without `-A CHAIN`. */
  readonly text: string;
  /** `<format>:<hash>` from the comment of a rule of ours. */
  readonly hash: string | undefined;
  /** What it jumps or goes to; absent in a rule that only counts. */
  readonly target: string | undefined;
  /** Absent in a listing without counters. */
  readonly counters?: Counters;
}

export interface Counters {
  readonly packets: number;
  readonly bytes: number;
}

/** Chain name to rules, in order; built-in chains included. */
export type ActualRuleset = ReadonlyMap<string, readonly ActualRule[]>;

const RULE = /^(?:\[(\d+):(\d+)\] )?-A (\S+) ?(.*)$/;
const CHAIN = /^(?::(\S+) |-[NP] (\S+))/;
const HASH = /^"?outbound:(\d+:[0-9a-f]{16})$/;

/**
 * Reads the filter table from `iptables-save` (with or without counters) or `iptables -S`, which print rules alike
 * (iptables-save(8), iptables(8)). Lines of other tables are passed over; so is what is not a chain or a rule.
 */
export function parseRuleset(listing: string): ActualRuleset {
  const chains = new Map<string, ActualRule[]>();
  let isFilter = true;
  for (const line of listing.split("\n")) {
    if (line.startsWith("*")) isFilter = line === "*filter";
    if (!isFilter) continue;
    const rule = RULE.exec(line);
    if (rule) {
      const [, packets, bytes, chain = "", text = ""] = rule;
      const counters = packets !== undefined && { packets: Number(packets), bytes: Number(bytes) };
      rulesOf(chains, chain).push({ text, ...parseRule(text), ...(counters && { counters }) });
      continue;
    }
    const declared = CHAIN.exec(line);
    const name = declared?.[1] ?? declared?.[2];
    if (name !== undefined) rulesOf(chains, name);
  }
  return chains;
}

/** Chains that hold a rule which jumps or goes to `target`. */
export function chainsThatReach(target: string, actual: ActualRuleset): readonly string[] {
  return [...actual].filter(([, rules]) => rules.some((rule) => rule.target === target)).map(([name]) => name);
}

/** What of a rule says where it leads. */
export interface Leading {
  readonly text: string;
  readonly target?: string | undefined;
}

/**
 * Whether a rule never comes back: after a goto the packet goes on behind the rule that led to this chain, and from a
 * built-in chain to its policy (iptables(8)). A goto takes no options, so that it ends a rule.
 */
export function isGoto({ text, target }: Leading): boolean {
  return target !== undefined && ` ${text}`.endsWith(` -g ${target}`);
}

/** Whether two rules lead to the same place, and come back from there alike. */
export function leadsAlike(left: Leading, right: Leading): boolean {
  return left.target === right.target && isGoto(left) === isGoto(right);
}

function rulesOf(chains: Map<string, ActualRule[]>, name: string): ActualRule[] {
  const known = chains.get(name);
  if (known) return known;
  const made: ActualRule[] = [];
  chains.set(name, made);
  return made;
}

/**
 * The parts of a rule that we look at. A comment or another value may hold anything, ` -j ` included, so the text is
 * split as a shell would split it, and no value is taken for an option.
 */
export function parseRule(text: string): Pick<ActualRule, "hash" | "target"> {
  const words = splitWords(text);
  let comment: string | undefined;
  for (let index = 0; index < words.length; index++) {
    const word = words[index];
    if (word === "-j" || word === "-g") return { hash: hashIn(comment), target: words[index + 1] };
    // iptables leaves a value of letters and dashes unquoted: a comment may read -j, or --comment.
    if (word === "--comment") {
      index += 1;
      comment ??= words[index];
    }
  }
  return { hash: hashIn(comment), target: undefined };
}

function hashIn(comment = ""): string | undefined {
  return HASH.exec(comment)?.[1];
}

/** `--comment "a \"b\""` is an option and a value. A quoted value keeps its first quote: it cannot equal an option. */
function splitWords(text: string): readonly string[] {
  if (!text.includes('"')) return text.split(" ");
  return Array.from(text.matchAll(/("(?:[^"\\]|\\.)*)"|[^ ]+/g), ([plain, quoted]) => quoted ?? plain);
}
