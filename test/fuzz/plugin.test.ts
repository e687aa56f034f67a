import { expect, test } from "vitest";
import type { Attachment } from "../../lib/policy/attachment.ts";
import { PLUGIN_CORPUS } from "./corpus/plugin.ts";
import { attachedAfter, isNewest } from "./support/attached.ts";
import { fuzz } from "./support/campaign.ts";
import { claimAnswer } from "./support/claim-answer.ts";
import { createMemoryNode } from "./support/memory-node.ts";
import { pluginCases, type PluginCase } from "./support/plugin-cases.ts";
import { NODE, NOW_MS } from "./support/runtime-rule-sets.ts";
import { claimNotWider } from "./support/wider.ts";

/** So that a campaign that attaches nobody is not taken for one that finds nothing. */
const seen = { attached: 0, refused: 0, passed: 0, stopped: 0 };

fuzz("the plugin's stdin and environment", {
  inputs: { short: 1000, long: 12_000 },
  arbitrary: pluginCases(),
  corpus: PLUGIN_CORPUS,
  check: async (one: PluginCase) => {
    const { requests, runtimeRules, families, refused, phase } = one;
    const node = createMemoryNode({
      runtimeRules,
      nowMs: NOW_MS,
      families,
      refuses: (transaction) => refused.includes(transaction),
    });
    try {
      let attached: readonly Attachment[] = [];
      for (const request of requests) {
        const outcome = await node.run(request.env, request.stdin);
        claimAnswer(request, outcome);
        attached = attachedAfter(attached, { request, outcome, stored: node.store.list().attachments });
        const context = { runtimeRules: runtimeRules ?? { node: NODE, ruleSets: [] }, nowMs: NOW_MS };
        const judged = { attachments: attached.filter(isNewest), context, iptables: node.iptables, phase };
        const { passed, stopped } = await claimNotWider(judged);
        if (outcome.exitCode !== 0) seen.refused += 1;
        seen.attached += attached.length;
        seen.passed += passed;
        seen.stopped += stopped;
      }
    } finally {
      node.close();
    }
  },
});

test("some were attached and some refused, and packets of theirs passed and were stopped", () => {
  for (const count of Object.values(seen)) expect(count).toBeGreaterThan(100);
});
