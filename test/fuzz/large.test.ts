import { parseCniArgs, parseJobRules } from "../../lib/cni/args.ts";
import { parsePluginConfig } from "../../lib/cni/config.ts";
import { CniError } from "../../lib/cni/errors.ts";
import { isJsonObject } from "../../lib/cni/json-object.ts";
import { readPrevResult } from "../../lib/cni/prev-result.ts";
import { parseRuntimeRules } from "../../lib/host/runtime-rules-text.ts";
import { planUninstall } from "../../lib/netfilter/plan-uninstall.ts";
import { parseRuleset } from "../../lib/netfilter/parse-ruleset.ts";
import { renderPlan } from "../../lib/netfilter/render-plan.ts";
import { parseLogLine } from "../../lib/observed/parse-log-line.ts";
import { parseAttachment } from "../../lib/policy/attachment-record.ts";
import { parseKey } from "../../lib/policy/scope.ts";
import { parseNodeStatus } from "../../lib/status/node-status.ts";
import { viewNode } from "../../lib/status/node-view.ts";
import { validateFile } from "../../lib/validate/validate-file.ts";
import { learn } from "../../watcher/known-key.ts";
import { LARGE_CORPUS } from "./corpus/large.ts";
import { fuzz } from "./support/campaign.ts";
import { largeTexts, makeLargeText } from "./support/large-text.ts";

/** Whoever reads it does so within the time that one input may take, and says no more than people can read. */
fuzz("texts as large as any that come in", {
  inputs: { short: 12, long: 300 },
  arbitrary: largeTexts(),
  corpus: LARGE_CORPUS,
  check: (made) => {
    const text = makeLargeText(made);
    const bytes = new TextEncoder().encode(text);
    learn({ key: "global/a", modifyIndex: 1, value: bytes }, undefined, { nowMs: 0 });
    validateFile("a.json", { bytes, nowMs: 0 });
    // The kernel lets no variable of the environment be longer than 128 KiB.
    const args = text.slice(0, 131_072);
    parseCniArgs(args);
    parseKey(text);
    parseLogLine(text);
    parseLogLine(`outbound 8623ac7a-28ba-20c3: ${text}`);
    renderPlan(planUninstall({ actual: parseRuleset(text), family: 4, mainChains: [] }));
    for (const read of [
      () => parseJobRules(args, "accept"),
      () => parseAttachment(text),
      () => parseRuntimeRules(text, { choose: () => () => true }),
      () => viewNode(parseNodeStatus(text)),
      () => readConfiguration(text),
    ]) {
      try {
        read();
      } catch (error) {
        if (!(error instanceof Error)) throw error;
        if (error instanceof CniError && error.message.length > 100_000) throw error;
      }
    }
  },
});

function readConfiguration(text: string): void {
  const json: unknown = JSON.parse(text);
  if (!isJsonObject(json)) return;
  readPrevResult({ cniVersion: "1.0.0", prevResult: json }, { ifname: "eth0" });
  parsePluginConfig(json);
}
