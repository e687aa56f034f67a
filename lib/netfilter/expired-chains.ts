import { isInForce } from "../policy/rule-set.ts";
import type { RuntimeContext } from "../policy/runtime-rules.ts";
import { sharedChainName } from "./names.ts";

/** The chains that hold the accepting rules of rule sets which have expired: they have to close, in sync or not. */
export function expiredChains({ runtimeRules, nowMs }: RuntimeContext): ReadonlySet<string> {
  const expired = runtimeRules.ruleSets.filter(({ ruleSet, hasExpired }) => hasExpired || !isInForce(ruleSet, nowMs));
  return new Set(expired.map(({ key }) => sharedChainName("accept-rules", key)));
}
