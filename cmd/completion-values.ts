import * as z from "zod";
import { DEFAULTS } from "../lib/cni/defaults.ts";
import { describeIdentity } from "../lib/inspect/describe.ts";
import { toPrintable } from "../lib/inspect/printable.ts";
import type { Attachment, Identity } from "../lib/policy/attachment.ts";
import type { Action, Protocol } from "../lib/policy/rule.ts";
import type { RuleSet } from "../lib/policy/rule-set.ts";

export interface CompletionRequest {
  /** The command line as far as the cursor; the last word is being written, and may be empty. */
  readonly words: readonly string[];
  /** The same as yargs parses it. */
  readonly parsed: unknown;
  /** This node's attachments, by its state folder. */
  readonly readAttachments: (stateDir: string) => readonly Attachment[];
}

export interface Candidate {
  readonly value: string;
  readonly about: string;
}

/**
 * What may stand where the last word is, where yargs does not know it: the words of a rule; ids of allocations, and
 * names that scope flags take, as far as this node has them. Empty: a file's name; undefined: yargs's own options and
 * commands.
 */
export function completeValue({ words, parsed, readAttachments }: CompletionRequest): readonly Candidate[] | undefined {
  const current = words.at(-1) ?? "";
  const option = words.at(-2) ?? "";
  if (current.startsWith("-")) return undefined;
  if (FILE_OPTIONS.has(option)) return [];
  const rule = WORDS.get(option);
  if (rule) return Object.entries(rule).map(([value, about]) => ({ value, about }));
  const { stateDir = DEFAULTS.stateDir, _: places, namespace, job } = argumentsSchema.parse(parsed);
  // The first is the program's own name.
  const [, command, ...values] = places;
  if (command === "rules" && values[0] === "validate" && !option.startsWith("-")) return [];
  const isAlloc = TAKES_ALLOC.has(String(command)) && values.length === 1 && !candidateOf[option];
  const read = isAlloc ? candidateOf["--alloc"] : candidateOf[option];
  if (!read) return undefined;
  // A flag whose value is being written says nothing yet.
  const scope = { ...(option !== "--namespace" && { namespace }), ...(option !== "--job" && { job }) };
  const inScope = readAttachments(stateDir).filter(({ identity }) => isWithin(identity, scope));
  return distinct(inScope.flatMap((attachment) => read(attachment) ?? []));
}

/** A flag that is there twice, or without a value, says nothing. */
const given = z.string().min(1).optional().catch(undefined);

const argumentsSchema = z.object({
  _: z.array(z.union([z.string(), z.number()])),
  stateDir: given,
  namespace: given,
  job: given,
});

const FILE_OPTIONS: ReadonlySet<string> = new Set([
  "-f",
  "--file",
  "--state-dir",
  "--cache-dir",
  "--cni-config-dir",
  "--cni-path",
]);

const MODES: Readonly<Record<RuleSet["mode"], string>> = { enforce: "the rules decide", audit: "count only" };
const ACTIONS: Readonly<Record<Action, string>> = {
  ACCEPT: "let it through",
  DROP: "let it wait in vain",
  REJECT: "refuse it at once",
};
const PROTOCOLS: Readonly<Record<Protocol, string>> = {
  tcp: "with ports",
  udp: "with ports",
  sctp: "with ports",
  icmp: "of IPv4",
  icmpv6: "of IPv6",
  all: "any protocol",
};

/** Not yargs's choices: what is wrong with a rule is told with the nearest word, and the case is free. */
const WORDS = new Map<string, Readonly<Record<string, string>>>([
  ["--mode", MODES],
  ["--action", ACTIONS],
  ["--proto", PROTOCOLS],
]);

const TAKES_ALLOC: ReadonlySet<string> = new Set(["show", "explain"]);

const candidateOf: Readonly<Record<string, ((attachment: Attachment) => Candidate | undefined) | undefined>> = {
  "--alloc": ({ containerId, identity }) => ({ value: containerId, about: describeIdentity(identity) }),
  "--namespace": ({ identity: { namespace } }) => named(namespace, "namespace"),
  "--job": ({ identity: { namespace = "?", job } }) => named(job, `job of ${namespace}`),
  "--group": ({ identity: { job = "?", group } }) => named(group, `group of ${job}`),
  "--network": ({ network }) => named(network, "network"),
};

function named(value: string | undefined, about: string): Candidate | undefined {
  return value === undefined ? undefined : { value, about };
}

type ScopeSoFar = Pick<z.infer<typeof argumentsSchema>, "namespace" | "job">;

function isWithin(identity: Identity, { namespace, job }: ScopeSoFar): boolean {
  return (namespace === undefined || identity.namespace === namespace) && (job === undefined || identity.job === job);
}

/** A name that a shell would show as something else is left out. */
function distinct(candidates: readonly Candidate[]): readonly Candidate[] {
  const plain = candidates.filter(({ value }) => value !== "" && toPrintable(value) === value && !value.includes("\n"));
  return [...new Map(plain.map((candidate) => [candidate.value, candidate])).values()].toSorted((a, b) =>
    a.value < b.value ? -1 : 1,
  );
}
