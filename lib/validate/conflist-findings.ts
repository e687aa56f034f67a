import { isJsonObject } from "../cni/json-object.ts";
import type { JsonObject } from "../cni/json-object.ts";
import type { Issue } from "../policy/issue.ts";
import { show } from "../policy/show.ts";
import { findInPlugin } from "./plugin-findings.ts";
import type { Findings } from "./validation.ts";

/** Of a list of CNI plugins: the objects of outbound, and its place in the list. Other plugins are not judged. */
export function findInConflist({ plugins }: JsonObject): Findings {
  if (!Array.isArray(plugins)) {
    return {
      issues: [{ path: "$.plugins", message: `found ${show(plugins)}, expected a list of plugins` }],
      warnings: [],
    };
  }
  const entries = plugins.map((plugin: unknown, index) => ({ plugin, path: `$.plugins[${index}]` }));
  const outbound = entries.flatMap(({ plugin, path }) => (isOutbound(plugin) ? [{ plugin, path }] : []));
  const findings = outbound.map(({ plugin, path }) => findInPlugin(plugin, path));
  return {
    rules: findings.reduce((sum, { rules = 0 }) => sum + rules, 0),
    issues: [
      ...entries.filter(({ plugin }) => !isJsonObject(plugin)).map(({ plugin, path }) => noObject(plugin, path)),
      ...outbound
        .slice(1)
        .map(({ path }) => ({ path, message: "found outbound once more, expected it once in the list" })),
      ...notLast(outbound.at(-1)?.path, plugins),
      ...findings.flatMap(({ issues }) => issues),
    ],
    warnings: [
      ...(outbound.length > 0
        ? []
        : [{ path: "$.plugins", message: "outbound is not in the list: nothing is filtered" }]),
      ...findings.flatMap(({ warnings }) => warnings),
    ],
  };
}

function isOutbound(plugin: unknown): plugin is JsonObject {
  return isJsonObject(plugin) && plugin["type"] === "outbound";
}

function noObject(plugin: unknown, path: string): Issue {
  return { path, message: `found ${show(plugin)}, expected a plugin's object` };
}

/** After it nothing may touch the result that it hands on, and DEL, which goes backwards, begins with it. */
function notLast(path: string | undefined, plugins: readonly unknown[]): readonly Issue[] {
  const last = plugins.at(-1);
  if (path === undefined || path === `$.plugins[${plugins.length - 1}]`) return [];
  const name = isJsonObject(last) ? show(last["type"]) : show(last);
  return [{ path, message: `found outbound before ${name}, expected it last in the list` }];
}
