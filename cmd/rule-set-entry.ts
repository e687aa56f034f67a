import type { Argv } from "yargs";
import { ConsulError } from "../lib/host/consul-error.ts";
import { rulesRoot } from "../lib/policy/roots.ts";
import { parseKey, watchedPrefix } from "../lib/policy/scope.ts";
import { toEntry, type RuleSetEntry } from "../lib/rules/entry.ts";
import { findNearKeys } from "../lib/rules/near-keys.ts";
import type { ConsulNeeds, ConsulSession } from "./consul-session.ts";
import { readRuleSetKey, readScope, type RuleSetKey, type ScopeFlags } from "./scope-options.ts";

/** Where a rule set is in KV. */
export interface RuleSetPlace extends RuleSetKey {
  /** What all rule sets' keys start with: `outbound/rules/`. */
  readonly root: string;
}

export function namePositional<T>(yargs: Argv<T>) {
  return yargs.positional("name", {
    type: "string",
    demandOption: true,
    describe: "Its name in the scope that flags name, or its whole key",
  });
}

/** As `readRuleSetKey`; a whole key may have `<root>/rules/` before it, as Consul shows it. @throws UsageError */
export function readPlace(nameOrKey: string, flags: ScopeFlags & { readonly prefix: string }): RuleSetPlace {
  const root = rulesRoot(flags.prefix);
  const relative = nameOrKey.startsWith(root) ? nameOrKey.slice(root.length) : nameOrKey;
  return { root, ...readRuleSetKey(relative, flags) };
}

/** A key that fits no scope, and so is no rule set's: somebody's mistake that should be removable. */
export interface StrayKey {
  readonly root: string;
  /** Below `root`. */
  readonly key: string;
  readonly reason: string;
}

/** Undefined where scope flags or the key itself name a rule set. */
export function readStrayKey(key: string, flags: ScopeFlags & { readonly prefix: string }): StrayKey | undefined {
  if (readScope(flags)) return undefined;
  const root = rulesRoot(flags.prefix);
  const relative = key.startsWith(root) ? key.slice(root.length) : key;
  const parsed = parseKey(relative);
  return parsed.kind === "unknown" ? { root, key: relative, reason: parsed.reason } : undefined;
}

/** The ACL rule that a rule set takes: a namespace's are delegated as a whole. */
export function needsFor({ root, scope }: RuleSetPlace, policy: ConsulNeeds["policy"]): ConsulNeeds {
  return { keyPrefix: `${root}${watchedPrefix(scope)}`, policy };
}

/** What KV has at a key, read consistently; undefined where there is no such key. @throws ConsulError */
export async function readEntry(
  { root, key }: Pick<RuleSetPlace, "root" | "key">,
  { consul, signal }: ConsulSession,
): Promise<RuleSetEntry | undefined> {
  const prefix = `${root}${key}`;
  // A key that ACLs hide would look as if it were not there.
  await consul.checkReadable({ prefix, signal });
  const { entries } = await consul.readPrefix({ prefix, index: 0n, waitSeconds: 0, consistent: true, signal });
  const entry = entries.find((each) => each.key === prefix);
  return entry && toEntry({ ...entry, key });
}

/** ` Did you mean …?` for a key that is not there; empty where nothing is like it, or may not be read. */
export async function suggestKeys(place: RuleSetPlace, { consul, signal }: ConsulSession): Promise<string> {
  const { root } = place;
  try {
    const { entries } = await consul.readPrefix({
      prefix: root,
      index: 0n,
      waitSeconds: 0,
      consistent: false,
      signal,
    });
    const near = findNearKeys(
      entries.map(({ key }) => key.slice(root.length)),
      place,
    );
    return near.length === 0 ? "" : `: did you mean ${near.join(", ")}?`;
  } catch (error) {
    if (error instanceof ConsulError) return "";
    throw error;
  }
}
