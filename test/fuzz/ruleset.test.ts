import { expect, test } from "vitest";
import type { Iptables } from "../../lib/host/iptables.ts";
import { createCompiler, type CompiledNode } from "../../lib/netfilter/compile-node.ts";
import { parseRuleset, type ActualRuleset } from "../../lib/netfilter/parse-ruleset.ts";
import { planUninstall } from "../../lib/netfilter/plan-uninstall.ts";
import { planAttachment, planDetachment, type Plan } from "../../lib/netfilter/plan.ts";
import { predictRuleset } from "../../lib/netfilter/predict.ts";
import { renderEdits, renderPlan } from "../../lib/netfilter/render-plan.ts";
import type { Family } from "../../lib/policy/address.ts";
import { ruleSchema } from "../../lib/policy/rule.ts";
import type { RuntimeRules } from "../../lib/policy/runtime-rules.ts";
import type { Reconciliation } from "../../lib/reconcile.ts";
import { planSweep, sweep } from "../../lib/sweep.ts";
import { createFakeIptables } from "../fakes/fake-iptables.ts";
import { createMemoryLog } from "../fakes/log.ts";
import { attachmentOf } from "../support/attachment.ts";
import { DRIFT_CORPUS, LISTING_CORPUS } from "./corpus/ruleset.ts";
import { fuzz } from "./support/campaign.ts";
import { claim, claimSame } from "./support/claim.ts";
import { NOW_MS } from "./support/runtime-rule-sets.ts";
import { addNoise, driftCases, editListing, listingCases } from "./support/table-cases.ts";
import { claimNotWider } from "./support/wider.ts";

const rule = (json: unknown) => ruleSchema.parse(json);
const policy = {
  staticRules: [rule({ host: "10.1.0.0/16", action: "DROP" }), rule({ proto: "tcp", port: 443, action: "ACCEPT" })],
  initialRules: [rule({ host: "2001:db8::/64", action: "ACCEPT" })],
};
const attachments = [
  attachmentOf({ policy, containerId: "alloc-1" }),
  attachmentOf({
    policy,
    containerId: "alloc-2",
    addresses: ["10.88.0.3", "fd00:88::3"],
    hostInterface: { name: "p2", isBridgePort: false },
    sequence: 1001,
  }),
];
const family: Family = 4;
/** Of the firewall plugin and of Docker, before ours come. */
const OTHERS = [
  "*filter",
  ":CNI-ADMIN - [0:0]",
  ":CNI-FORWARD - [0:0]",
  ":DOCKER-USER - [0:0]",
  "-A FORWARD -j DOCKER-USER",
  '-A FORWARD -m comment --comment "CNI firewall plugin rules" -j CNI-FORWARD',
  '-A CNI-FORWARD -m comment --comment "CNI firewall plugin admin overrides" -j CNI-ADMIN',
  "-A CNI-FORWARD -s 10.88.0.2/32 -j ACCEPT",
  "COMMIT",
  "",
].join("\n");
const interfaces = { exists: () => true };
/** So that a campaign in which nothing ever drifts is not taken for one that finds nothing. */
const seen = { repaired: 0, passed: 0, stopped: 0 };

fuzz("listings of the filter table", {
  inputs: { short: 800, long: 40_000 },
  arbitrary: listingCases(),
  corpus: LISTING_CORPUS,
  check: async ({ runtimeRules, edits, noise }) => {
    const node = compiled(runtimeRules);
    const good = await settledListing(node);
    const actual = parseRuleset(addNoise(editListing(good, edits), noise));
    for (const plan of plansFor(node, actual)) {
      claim(
        plan.remove.every((name) => !node.chains.has(name)),
        "no chain that is needed is removed",
        plan.remove,
      );
      predictRuleset(actual, plan);
      claimOneTransaction(renderPlan(plan));
      claimOneTransaction(renderEdits(plan, actual).text);
    }
    for (const plan of removalsFrom(actual)) claimOneTransaction(renderPlan(plan));
  },
});

fuzz("tables that others have changed", {
  inputs: { short: 500, long: 8000 },
  arbitrary: driftCases(),
  corpus: DRIFT_CORPUS,
  check: async ({ runtimeRules, edits, phase }) => {
    const node = compiled(runtimeRules);
    const iptables = createFakeIptables();
    const drifted = editListing(await settledListing(node), edits);
    try {
      await iptables.restore(family, drifted);
    } catch {
      // The kernel would not hold such a table.
      return;
    }
    const { isChanged } = await sweepOnce(node, iptables);
    const context = { runtimeRules, nowMs: NOW_MS };
    const ofFamily = { save: iptables.save, has: (each: Family) => each === family };
    const { passed, stopped } = await claimNotWider({ attachments, context, iptables: ofFamily, phase });
    // A chain that nobody needs goes only when what led to it has gone.
    await sweepOnce(node, iptables);
    claim(!(await sweepOnce(node, iptables)).isChanged, "two passes put everything right", drifted);
    seen.repaired += Number(isChanged);
    seen.passed += passed;
    seen.stopped += stopped;
  },
});

test("some tables were repaired, and packets passed and were stopped afterwards", () => {
  for (const count of Object.values(seen)) expect(count).toBeGreaterThan(50);
});

function compiled(runtimeRules: RuntimeRules): CompiledNode {
  return createCompiler(family).compileNode(attachments, { runtimeRules, nowMs: NOW_MS });
}

async function settledListing(node: CompiledNode): Promise<string> {
  const iptables = createFakeIptables();
  await iptables.restore(family, OTHERS);
  await sweepOnce(node, iptables);
  return iptables.save(family);
}

function sweepOnce(node: CompiledNode, iptables: Iptables): Promise<Reconciliation> {
  return sweep(family, { node, gone: new Set(), interfaces, iptables, log: createMemoryLog() });
}

/** What every reader of a listing makes of it. */
function plansFor(node: CompiledNode, actual: ActualRuleset): readonly Plan[] {
  return [
    planSweep(actual, { node, family, gone: new Set(), interfaces }),
    planSweep(actual, { node, family, gone: new Set(), interfaces, isSettled: false, isRead: () => false }),
    ...node.attachments.map((each) => planAttachment(each, { actual, family })),
  ];
}

/** What those make of it that take something away. */
function removalsFrom(actual: ActualRuleset): readonly Plan[] {
  const chains = attachments.map(({ chain }) => chain);
  const nowhere = { exists: () => false };
  return [
    planSweep(actual, { family, gone: new Set(), unreadable: new Set(chains.slice(1)), interfaces: nowhere }),
    planSweep(actual, { family, gone: new Set(chains), interfaces: nowhere }),
    planUninstall({ actual, family, mainChains: ["CNI-OUTBOUND"] }),
    ...chains.map((chain) => planDetachment(chain, { actual })),
  ];
}

const CHAIN = "[A-Za-z0-9_.][A-Za-z0-9_.-]{0,27}";
/** What our transactions may consist of. */
const LINE = new RegExp(
  `^(?:-S ${CHAIN}|:${CHAIN} - \\[0:0\\]|-X ${CHAIN}|-A ${CHAIN} (?<added>.+)|-I ${CHAIN} \\d+ (?<inserted>.+)|-D ${CHAIN} [ -~]+)$`,
  "u",
);
/** Commands that a rule's own text may not hold outside of quotes. */
const COMMAND =
  /^-(?:[ADICRLSFZNXEPt]|-(?:append|delete|insert|check|replace|list|list-rules|flush|zero|new-chain|new|delete-chain|rename-chain|policy|table|modprobe|noflush))$/;

/** One transaction, in which each line is one command. */
function claimOneTransaction(text: string): void {
  const lines = text.split("\n");
  claimSame(lines.slice(-2), ["COMMIT", ""], "a transaction ends in COMMIT");
  claimSame(lines[0], "*filter", "a transaction begins with its table");
  for (const line of lines.slice(1, -2)) {
    const { added, inserted } = LINE.exec(line)?.groups ?? {};
    // A rule that is deleted is in the words of the listing: it may be refused, and is one line at any rate.
    const words = (added ?? inserted ?? "").match(/"(?:[^"\\]|\\.)*"|\S+/g) ?? [];
    const isOneCommand = LINE.test(line) && !/\p{Cc}/u.test(line) && !words.some((word) => COMMAND.test(word));
    claim(isOneCommand, "a line of a transaction is one command of ours", line);
  }
}
