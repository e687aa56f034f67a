import { nearestWord } from "../policy/nearest-word.ts";
import { parseKey, scopePrefix, type Scope } from "../policy/scope.ts";

const MOST = 5;

/** Keys that may have been meant instead of one that is not there: its name in other scopes, or a name like it in its own. */
export function findNearKeys(
  keys: readonly string[],
  { scope, name }: { readonly scope: Scope; readonly name: string },
): readonly string[] {
  return keys
    .filter((key) => {
      const parsed = parseKey(key);
      if (parsed.kind !== "rule-set") return false;
      if (parsed.name === name) return true;
      const isOwnScope = scopePrefix(parsed.scope) === scopePrefix(scope);
      return isOwnScope && nearestWord(name, { known: [parsed.name], aliases: {} }) !== undefined;
    })
    .slice(0, MOST);
}
