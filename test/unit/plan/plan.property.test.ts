import * as fc from "fast-check";
import { expect, test } from "vitest";
import { explain } from "../../../lib/inspect/explain.ts";
import { attachedBy, attachedHere } from "../../../lib/plan/attached.ts";
import { toPlanJson, type EffectJson } from "../../../lib/plan/plan-json.ts";
import { makePlan, type KnownCluster } from "../../../lib/plan/plan.ts";
import type { Attachment } from "../../../lib/policy/attachment.ts";
import { formatRuleSet } from "../../../lib/policy/rule-set.ts";
import type { RuntimeRules } from "../../../lib/policy/runtime-rules.ts";
import { attachmentScopes, scopePrefix } from "../../../lib/policy/scope.ts";
import { formatNodeStatus, parseNodeStatus } from "../../../lib/status/node-status.ts";
import { attachmentOf } from "../../support/attachment.ts";
import { policyCases, world, worldRuntimeRules, type PolicyCase } from "../../support/policy-cases.ts";
import { isIn, packetsAround, toVerdictChange } from "../../support/verdict-change.ts";
import { statusOf } from "./fixtures.ts";

const containerIds = ["8623ac7a-28ba-20c3-24a6-e615a39bbbf3", "0f3c5d1e-0a1b-2c3d-4e5f-0123456789ab"] as const;
const { node, nowMs, network, identity } = world;
const choices = fc.array(fc.nat(), { minLength: 40, maxLength: 40 });

test("what plan says of every attachment is what explain says before and after", () => {
  const cases = fc.tuple(
    policyCases(containerIds[0]),
    policyCases(containerIds[1]),
    worldRuntimeRules(containerIds[0]),
    fc.nat(),
    fc.boolean(),
  );
  let changed = 0;
  fc.assert(
    fc.property(cases, choices, ([one, two, other, at, isLocal], choice) => {
      const before = one.runtimeRules;
      const changes = [...other.ruleSets, ...before.ruleSets];
      const next = changes[at % changes.length];
      if (next === undefined) return;
      const isRemoval = before.ruleSets.includes(next);
      const rest = before.ruleSets.filter(({ key }) => key !== next.key);
      const after: RuntimeRules = { node, ruleSets: isRemoval ? rest : [...rest, next] };
      const attachments = [attachmentFor(one, containerIds[0]), attachmentFor(two, containerIds[1])];
      const { effects } = toPlanJson(
        makePlan(clusterOf(attachments, { before, isLocal }), {
          ...next,
          after: isRemoval ? undefined : next.ruleSet,
          nowMs,
        }),
        { notes: [] },
      );
      const packets = packetsAround([...before.ruleSets, ...after.ruleSets].flatMap(({ ruleSet }) => ruleSet.rules));
      for (const attachment of attachments) {
        const isMember = attachmentScopes(attachment, node).map(scopePrefix).includes(scopePrefix(next.scope));
        const effect = effectOn(attachment.containerId, effects);
        expect(effect !== undefined).toBe(isMember);
        for (const packet of choice.map(packets.at)) {
          const [was, now] = [before, after].map((runtimeRules) => {
            const { verdict, from, source, rule, text } = explain(attachment, {
              packet,
              context: { runtimeRules, nowMs },
              hostAddresses: new Set(),
            });
            return { verdict, from, source, text: rule === null ? null : text };
          });
          const said = (effect?.changes ?? [])
            .filter((change) => isIn(toVerdictChange(change), packet))
            .map(({ before, after }) => ({ before, after }));
          expect({ packet, said }).toEqual({
            packet,
            said: was?.verdict === now?.verdict ? [] : [{ before: was, after: now }],
          });
          if (was?.verdict !== now?.verdict) changed += 1;
        }
      }
    }),
    { numRuns: 400 },
  );
  expect(changed).toBeGreaterThan(100);
});

function attachmentFor({ policy, jobRules }: PolicyCase, containerId: string): Attachment {
  // The host's own addresses are another question.
  return attachmentOf({ network, containerId, identity, policy: { ...policy, hostTraffic: "filter" }, jobRules });
}

/** As watchers tell it and Consul keeps it, or as it is on the node itself. */
function clusterOf(
  attachments: readonly Attachment[],
  { before, isLocal }: { readonly before: RuntimeRules; readonly isLocal: boolean },
): KnownCluster {
  const entries = before.ruleSets.map(({ key, modifyIndex, ruleSet }) => {
    return { key, modifyIndex, value: new TextEncoder().encode(JSON.stringify(formatRuleSet(ruleSet))) };
  });
  if (isLocal) return { source: "state", nodes: [attachedHere(node, attachments)], statuses: [], entries };
  const told = statusOf(node, {
    policies: attachments.map(({ policy: { defaultAction, staticRules, initialRules }, jobRules }) => {
      return { defaultAction, staticRules, initialRules, jobRules };
    }),
    groups: attachments.map(({ containerId, identity: { region: _region, ...rest } }, policy) => {
      return { network, ...rest, policy, allocations: [containerId] };
    }),
  });
  const status = parseNodeStatus(formatNodeStatus(told));
  return { source: "status", nodes: [attachedBy(status)], statuses: [status], entries };
}

function effectOn(containerId: string, effects: readonly EffectJson[]): EffectJson | undefined {
  return effects.find(({ attachments }) => attachments.some(({ allocations }) => allocations.includes(containerId)));
}
