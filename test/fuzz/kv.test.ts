import * as fc from "fast-check";
import { expect, test } from "vitest";
import { createCompiler } from "../../lib/netfilter/compile-node.ts";
import type { Attachment } from "../../lib/policy/attachment.ts";
import { evaluateFor } from "../../lib/policy/evaluate.ts";
import { parseRuleSet } from "../../lib/policy/parse-rule-set.ts";
import { formatRuleSet, parseRuleSetJson } from "../../lib/policy/rule-set.ts";
import { ruleSchema } from "../../lib/policy/rule.ts";
import { parseKey } from "../../lib/policy/scope.ts";
import { applyAnswer, createSnapshot, type Snapshot } from "../../watcher/snapshot.ts";
import { attachmentOf } from "../support/attachment.ts";
import { sentBy, tracerOf } from "../support/compiled-verdict.ts";
import { mutatedRuleSets } from "../support/mutated-rule-sets.ts";
import { KV_CORPUS } from "./corpus/kv.ts";
import { fuzz } from "./support/campaign.ts";
import { claim, claimSame } from "./support/claim.ts";
import { kvCases, values, type KvAnswer, type KvCase } from "./support/kv-cases.ts";
import { probesOf } from "./support/probes.ts";
import { NODE, NOW_MS } from "./support/runtime-rule-sets.ts";

/** Of all probes each run sends every so many. */
const STRIDE = 5;
/** So that a campaign in which no rule set is ever in force is not taken for one that finds nothing. */
const seen = { inForce: 0, rejected: 0, passed: 0, stopped: 0 };

fuzz("values of KV", {
  inputs: { short: 8000, long: 80_000 },
  arbitrary: fc.oneof(
    values(),
    fc.nat().map((seed) => mutatedRuleSets({ seed, count: 1 }).next().value?.value ?? new Uint8Array()),
  ),
  check: (value) => {
    const parsed = parseRuleSet(value);
    if (parsed.ok) {
      claimSame(parseRuleSetJson(formatRuleSet(parsed.value)), parsed, "a rule set's canonical form means the same");
      return;
    }
    const { issues } = parsed;
    claim(issues.length > 0 && issues.length <= 21, "a refusal has a few reasons", issues.length);
    claim(JSON.stringify(issues).length < 50_000, "a refusal is short", issues);
  },
});

fuzz("KV as a node follows it", {
  inputs: { short: 500, long: 6000 },
  arbitrary: kvCases(),
  corpus: KV_CORPUS,
  check: (one) => {
    const attachments = containersOf(one);
    const compilers = { 4: createCompiler(4), 6: createCompiler(6) };
    let snapshot = createSnapshot({ node: NODE, ruleSets: [] });
    for (const answer of one.answers) {
      const before = snapshot;
      snapshot = applyAnswer(before, answer, { nowMs: NOW_MS }).snapshot;
      claimLastGood(before, snapshot, answer);
      const { runtimeRules } = snapshot;
      seen.inForce += runtimeRules.ruleSets.length;
      for (const family of [4, 6] as const) {
        const input = { runtimeRules, nowMs: NOW_MS };
        const send = tracerOf(compilers[family].compileNode(attachments, input));
        for (const attachment of attachments) {
          const own = withoutOthers(snapshot, attachment);
          const rules = [...attachment.policy.staticRules, ...own.ruleSets.flatMap(({ ruleSet }) => ruleSet.rules)];
          for (const [index, packet] of probesOf(rules).entries()) {
            if (packet.family !== family || (index + one.phase) % STRIDE !== 0) continue;
            const { verdict } = send(sentBy(attachment, packet));
            const decision = evaluateFor(attachment, packet, { runtimeRules: own, nowMs: NOW_MS });
            claimSame(verdict, decision.verdict, `the kernel decides as the reference does: ${JSON.stringify(packet)}`);
            seen[verdict === "accept" ? "passed" : "stopped"] += 1;
          }
        }
      }
    }
    seen.rejected += [...snapshot.known.values()].filter(({ rejection }) => rejection).length;
  },
});

test("some values were in force and some rejected, and packets passed and were stopped", () => {
  for (const count of Object.values(seen)) expect(count).toBeGreaterThan(50);
});

/** One container in each of two namespaces, otherwise alike. */
function containersOf({ defaultAction, staticRules }: KvCase): readonly Attachment[] {
  const policy = { defaultAction, staticRules: staticRules.map((each) => ruleSchema.parse(each)) };
  const identity = { job: "web", group: "app" };
  return [
    attachmentOf({ policy, containerId: "alloc-1", identity: { namespace: "default", ...identity } }),
    attachmentOf({
      policy,
      containerId: "alloc-2",
      identity: { namespace: "other", ...identity },
      addresses: ["10.88.0.3", "fd00:88::3"],
      hostInterface: { name: "veth2", isBridgePort: true },
    }),
  ];
}

/** Whatever the keys of another namespace hold, they are not this container's. */
function withoutOthers({ runtimeRules }: Snapshot, { identity }: Attachment): Snapshot["runtimeRules"] {
  const other = identity.namespace === "default" ? "namespace/other/" : "namespace/default/";
  return { ...runtimeRules, ruleSets: runtimeRules.ruleSets.filter(({ key }) => !key.startsWith(other)) };
}

/** Each key's last good value is in force, and what is not under the prefix is as it was. */
function claimLastGood(before: Snapshot, after: Snapshot, { prefix, entries }: KvAnswer): void {
  const inForce = (snapshot: Snapshot) =>
    new Map(snapshot.runtimeRules.ruleSets.map((each) => [each.key, formatRuleSet(each.ruleSet)]));
  const expected = new Map([...inForce(before)].filter(([key]) => !key.startsWith(prefix)));
  // Of a key that comes twice the last counts, and the one before it is its last good one.
  const lastGood = inForce(before);
  for (const { key, value } of entries) {
    if (parseKey(key).kind !== "rule-set") continue;
    const parsed = parseRuleSet(value);
    const good = parsed.ok ? formatRuleSet(parsed.value) : lastGood.get(key);
    if (good === undefined) expected.delete(key);
    else expected.set(key, good);
  }
  claimSame(Object.fromEntries(inForce(after)), Object.fromEntries(expected), "last good values are in force");
  const keys = after.runtimeRules.ruleSets.map(({ key }) => key);
  claimSame(keys, [...new Set(keys)].toSorted(), "rule sets are sorted, each key once");
}
