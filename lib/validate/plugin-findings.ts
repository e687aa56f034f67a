import { NO_NFTABLES, readPluginConfig } from "../cni/config.ts";
import type { JsonObject } from "../cni/json-object.ts";
import { firstIssues } from "../policy/issue.ts";
import type { Rule } from "../policy/rule.ts";
import { warnOfRuntime, warnOfStatic } from "./undecided.ts";
import type { PlacedRule } from "./undecided.ts";
import type { Findings } from "./validation.ts";

/** Of the plugin's object: what ADD would refuse. Its place in the file is `base`: `$`, or `$.plugins[2]`. */
export function findInPlugin(config: JsonObject, base: string): Findings {
  const parsed = readPluginConfig(config);
  if (!parsed.ok) {
    const issues = firstIssues(parsed.issues).map(({ path, message }) => ({
      path: `${base}${path.slice(1)}`,
      message,
    }));
    return { issues, warnings: [] };
  }
  const { backend, outboundRules, runtimeRules } = parsed.value;
  return {
    rules: outboundRules.length + runtimeRules.length,
    issues: backend === "nftables" ? [{ path: `${base}.backend`, message: NO_NFTABLES }] : [],
    warnings: [
      ...warnOfStatic(place(outboundRules, `${base}.outboundRules`)),
      ...warnOfRuntime(place(runtimeRules, `${base}.runtimeRules`)),
    ],
  };
}

function place(rules: readonly Rule[], list: string): readonly PlacedRule[] {
  return rules.map((rule, index) => ({ rule, path: `${list}[${index}]` }));
}
