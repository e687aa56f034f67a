import * as fc from "fast-check";
import { attachmentScopes, formatKey, parseKey, scopePrefix, watchedPrefix } from "../../lib/policy/scope.ts";
import { KEY_CORPUS, SCOPE_CORPUS, type NamedScope } from "./corpus/keys.ts";
import { fuzz } from "./support/campaign.ts";
import { claim, claimSame } from "./support/claim.ts";
import { damagedText } from "./support/damaged-text.ts";
import { hostileTexts } from "./support/hostile-text.ts";
import { anyScopes, names } from "./support/named-scopes.ts";

/** What every version of Consul takes in a key, and HTTP clients leave alone. */
const SAFE_KEY = /^[A-Za-z0-9._=-]+(?:\/[A-Za-z0-9._=-]+)+$/;

fuzz("scopes as keys", {
  inputs: { short: 4000, long: 60_000 },
  arbitrary: fc.tuple(namedScopes(), namedScopes()),
  corpus: SCOPE_CORPUS,
  check: ([one, other]) => {
    const [key, otherKey] = [one, other].map(keyOf);
    if (key !== undefined) {
      claim(SAFE_KEY.test(key) && !/(?:^|\/)\.\.?(?:\/|$)/.test(key), "a key passes every Consul's check", key);
      claimSame(parseKey(key), { kind: "rule-set", ...one }, "a key is read as it was written");
      claim(key.startsWith(watchedPrefix(one.scope)), "a key is under the prefix that is watched for it", key);
    }
    if (key !== undefined && key === otherKey) claimSame(one, other, "two rule sets have two keys");
    if (key === undefined || otherKey === undefined) return;
    const [prefix, otherPrefix] = [scopePrefix(one.scope), scopePrefix(other.scope)];
    if (prefix === otherPrefix) claimSame(one.scope, other.scope, "two scopes have two prefixes");
  },
});

fuzz("keys as scopes", {
  inputs: { short: 6000, long: 150_000 },
  arbitrary: damagedText(
    fc.oneof(
      namedScopes()
        .filter((each) => keyOf(each) !== undefined)
        .map((each) => keyOf(each) ?? ""),
      fc.array(names(), { maxLength: 8 }).map((segments) => segments.join("/")),
      hostileTexts(),
    ),
  ),
  corpus: KEY_CORPUS,
  check: (key) => {
    const parsed = parseKey(key);
    if (parsed.kind === "unknown") claim(parsed.reason.length < 500, "a reason is short", parsed.reason);
    if (parsed.kind !== "rule-set") return;
    claimSame(formatKey(parsed.scope, parsed.name), key, "no two keys are of one rule set");
    // A key of one namespace applies to nothing of another, whatever its names hold.
    const identity = { namespace: "default", job: "web/dispatch-1-ab", group: "app" };
    const prefixes = attachmentScopes({ network: "egress", containerId: "alloc-1", identity }, "n1").map(scopePrefix);
    if (!prefixes.includes(scopePrefix(parsed.scope))) return;
    const isWide = ["global/", "node/n1/", "network/egress/"].some((wide) => key.startsWith(wide));
    claim(isWide || key.startsWith("namespace/default/"), "a rule set applies where its key says", key);
  },
});

function namedScopes(): fc.Arbitrary<NamedScope> {
  return fc.record({ scope: anyScopes(), name: names() }, { noNullPrototype: true });
}

/** Undefined where a name is no Unicode text, and so has no key. */
function keyOf({ scope, name }: NamedScope): string | undefined {
  try {
    return formatKey(scope, name);
  } catch {
    return undefined;
  }
}
