import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parseRuleset, type ActualRuleset } from "../../../lib/netfilter/parse-ruleset.ts";
import { isEmptyPlan, planDetachment, planNode } from "../../../lib/netfilter/plan.ts";
import { predictRuleset } from "../../../lib/netfilter/predict.ts";
import { attachmentOf } from "../../support/attachment.ts";
import { exampleNode } from "../../support/example-node.ts";
import { policyCases, world } from "../../support/policy-cases.ts";
import { createCompiler } from "../../../lib/netfilter/compile-node.ts";
import { tableOf } from "./fixtures.ts";

const containerId = "8623ac7a-28ba-20c3-24a6-e615a39bbbf3";
const { network, identity, nowMs } = world;

describe("predictRuleset", () => {
  test("reads as the table does after the plan, whatever policy follows whatever other", async () => {
    const pairs = fc.array(policyCases(containerId), { minLength: 2, maxLength: 4 });
    await fc.assert(
      fc.asyncProperty(pairs, async (cases) => {
        const table = await tableOf();
        const compiler = createCompiler(4);
        let remembered: ActualRuleset | undefined;
        for (const { policy, jobRules, runtimeRules } of cases) {
          const attachment = attachmentOf({ network, containerId, identity, policy, jobRules });
          const node = compiler.compileNode([attachment], { runtimeRules, nowMs });
          const plan = (actual: ActualRuleset) =>
            planNode(node, { actual, family: 4, keep: new Set(), isSettled: true });
          const actual = remembered ?? (await table.read());
          const planned = plan(actual);
          await table.applyPlan(planned);
          const after = await table.read();
          expect(isEmptyPlan(plan(after))).toBe(true);
          remembered = predictRuleset(actual, planned);
          expect(lookedAt(remembered ?? after)).toEqual(lookedAt(after));
        }
      }),
      { numRuns: 100 },
    );
  });

  test("knows what a detachment leaves", async () => {
    const table = await tableOf();
    const node = createCompiler(4).compileNode(exampleNode.attachments, exampleNode.input);
    await table.applyPlan(planNode(node, { actual: await table.read(), family: 4, keep: new Set(), isSettled: true }));
    const actual = await table.read();
    const plan = planDetachment(exampleNode.attachments[0]?.chain ?? "", { actual });
    await table.applyPlan(plan);
    const predicted = predictRuleset(actual, plan);
    expect(predicted && lookedAt(predicted)).toEqual(lookedAt(await table.read()));
  });

  test("does not guess where jumps were moved", () => {
    const plan = { write: [], remove: [], anchors: ["-I FORWARD 1 -j X"], stuck: [] };
    expect(predictRuleset(parseRuleset(":FORWARD ACCEPT [0:0]\n"), plan)).toBeUndefined();
  });

  test("leaves the table that it was given as it was", () => {
    const actual = parseRuleset(":X - [0:0]\n-A X -j DROP\n");
    predictRuleset(actual, { write: [{ name: "X", rules: [] }], remove: ["X"], anchors: [], stuck: [] });
    expect(actual.get("X")).toHaveLength(1);
  });
});

function lookedAt(actual: ActualRuleset): Readonly<Record<string, unknown>> {
  return Object.fromEntries(
    [...actual].map(([chain, rules]) => [chain, rules.map(({ hash, target }) => ({ hash, target }))]),
  );
}
