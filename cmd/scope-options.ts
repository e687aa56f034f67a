import type { Argv } from "yargs";
import { show } from "../lib/policy/show.ts";
import { formatKey, parseKey, type Scope } from "../lib/policy/scope.ts";
import { UsageError } from "./usage-error.ts";

/** The flags that name what a rule set applies to, so that nobody has to know how keys are written. */
export function scopeOptions<T>(yargs: Argv<T>) {
  return yargs
    .option("global", { type: "boolean", describe: "Every attachment", group: GROUP })
    .option("node", { type: "string", describe: "Attachments on that node", group: GROUP })
    .option("network", { type: "string", describe: "Attachments to that CNI network", group: GROUP })
    .option("namespace", { type: "string", describe: "A Nomad namespace", group: GROUP })
    .option("job", { type: "string", describe: "A job of it, its children included", group: GROUP })
    .option("group", { type: "string", describe: "A task group of that job", group: GROUP })
    .option("alloc", { type: "string", describe: "One allocation, by its whole id", group: GROUP });
}

const GROUP = "Scope:";

export interface ScopeFlags {
  readonly global?: boolean | undefined;
  readonly node?: string | undefined;
  readonly network?: string | undefined;
  readonly namespace?: string | undefined;
  readonly job?: string | undefined;
  readonly group?: string | undefined;
  readonly alloc?: string | undefined;
}

/** Undefined where there is no flag. @throws UsageError where flags contradict each other or one is missing */
export function readScope(flags: ScopeFlags): Scope | undefined {
  const { global: isGlobal, node, network, namespace, job, group, alloc } = flags;
  for (const [flag, value] of Object.entries({ node, network, namespace, job, group, alloc })) {
    if (value === "") throw new UsageError(`Cannot read scope: --${flag} is empty, expected a name`);
    // yargs makes false of --no-job, whatever the option's type.
    if (value !== undefined && typeof value !== "string") {
      throw new UsageError(`Cannot read scope: --${flag} is negated, expected a name`);
    }
  }
  const isInNamespace = [namespace, job, group, alloc].some((value) => value !== undefined);
  const kinds = [
    isGlobal === true && "--global",
    node !== undefined && "--node",
    network !== undefined && "--network",
    isInNamespace && "--namespace",
  ].filter((kind) => kind !== false);
  if (kinds.length > 1) throw new UsageError(`Cannot read scope: found ${kinds.join(" and ")}, expected one of them`);
  if (isGlobal === true) return { kind: "global" };
  if (node !== undefined) return { kind: "node", node };
  if (network !== undefined) return { kind: "network", network };
  if (!isInNamespace) return undefined;
  if (namespace === undefined) {
    throw new UsageError(
      "Cannot read scope: --namespace is missing, expected it with --job, --group and --alloc: add --namespace default where you use none",
    );
  }
  if (alloc !== undefined) {
    if (job !== undefined || group !== undefined) {
      throw new UsageError("Cannot read scope: found --alloc with --job or --group, expected one of the two");
    }
    if (isStartOfId(alloc)) {
      throw new UsageError(
        `Cannot read scope: --alloc ${alloc} is the start of an id, expected the whole one, as outbound list --json has it`,
      );
    }
    return { kind: "alloc", namespace, alloc };
  }
  if (group !== undefined && job === undefined) {
    throw new UsageError("Cannot read scope: --job is missing, expected it with --group");
  }
  if (job === undefined) return { kind: "namespace", namespace };
  return group === undefined ? { kind: "job", namespace, job } : { kind: "group", namespace, job, group };
}

/** A rule set for it would apply to nothing: quarantined by it, an allocation would run free. */
function isStartOfId(alloc: string): boolean {
  const isLike = "00000000-0000-0000-0000-000000000000".startsWith(alloc.replaceAll(/[0-9a-f]/g, "0"));
  return isLike && alloc.length >= 4 && alloc.length < 36;
}

/** A rule set's place in KV. */
export interface RuleSetKey {
  readonly scope: Scope;
  readonly name: string;
  /** Below `<root>/rules/`. */
  readonly key: string;
}

/**
 * A rule set by its name and scope flags, or by its whole key as commands print it.
 *
 * @throws UsageError
 */
export function readRuleSetKey(nameOrKey: string, flags: ScopeFlags): RuleSetKey {
  const scope = readScope(flags);
  if (scope) {
    if (nameOrKey === "") throw new UsageError("Cannot read name: it is empty, expected a rule set's name");
    return { scope, name: nameOrKey, key: formatKey(scope, nameOrKey) };
  }
  const parsed = parseKey(nameOrKey);
  if (parsed.kind === "rule-set") return { scope: parsed.scope, name: parsed.name, key: nameOrKey };
  throw new UsageError(
    nameOrKey.includes("/")
      ? `Cannot read key: ${show(nameOrKey)} fits no scope: ${parsed.kind === "unknown" ? parsed.reason : "it ends in /"}`
      : `Cannot read scope of ${show(nameOrKey)}: none is given, expected --global, --node, --network, or --namespace with --job, --group or --alloc`,
  );
}
