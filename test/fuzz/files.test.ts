import * as fc from "fast-check";
import { expect, test } from "vitest";
import { formatReports } from "../../lib/validate/format-reports.ts";
import { validateFile } from "../../lib/validate/validate-file.ts";
import { mutatedRuleSets } from "../support/mutated-rule-sets.ts";
import { FILE_CORPUS } from "./corpus/texts.ts";
import { fuzz } from "./support/campaign.ts";
import { claim } from "./support/claim.ts";
import { damagedJson } from "./support/damaged-json.ts";
import { damagedBytes } from "./support/damaged-text.ts";
import { hostileTexts } from "./support/hostile-text.ts";
import { ruleSetJson, rulesJson } from "./support/rule-json.ts";
import { NOW_MS } from "./support/runtime-rule-sets.ts";
import { claimPrintable } from "./support/terminal.ts";

/** So that a check that refuses everything is not taken for a careful one. */
const seen = { valid: 0, wrong: 0 };

fuzz("files of rules", {
  inputs: { short: 3000, long: 40_000 },
  arbitrary: fc.tuple(fc.oneof(fc.constantFrom("a.json", "a.conflist", "<stdin>"), hostileTexts()), contents()),
  corpus: FILE_CORPUS,
  check: ([name, bytes]) => {
    const report = validateFile(name, { bytes, nowMs: NOW_MS });
    const { issues, warnings, isValid } = report;
    claim(isValid === (issues.length === 0), "what is wrong has a reason", issues);
    const text = new TextDecoder().decode(bytes);
    const lines = text.split(/\r\n|\n|\r/);
    for (const { line, column, path, message } of [...issues, ...warnings]) {
      const length = lines[line - 1]?.length ?? -1;
      claim(column >= 1 && column <= length + 1, "an issue is somewhere in its file", { line, column });
      claim(path.startsWith("$") && message.length < 5000, "an issue says where and what", { path, message });
    }
    seen[isValid ? "valid" : "wrong"] += 1;
    JSON.stringify(report);
    claimPrintable(formatReports([report], { isQuiet: false }), Math.max(1, issues.length + warnings.length + 1));
  },
});

test("some files were valid, and some were wrong", () => {
  for (const count of Object.values(seen)) expect(count).toBeGreaterThan(200);
});

function contents(): fc.Arbitrary<Uint8Array> {
  const plugin = fc.record(
    {
      type: fc.constant("outbound"),
      outboundRules: rulesJson(),
      defaultAction: fc.constantFrom("DROP", "drop", "DENY"),
      hostTraffic: fc.constantFrom("filter", "allow"),
      logging: fc.constant({ enable: true, directory: "/var/log/cni" }),
    },
    { requiredKeys: ["type"] },
  );
  const conflist = fc.record({
    cniVersion: fc.constant("1.0.0"),
    name: fc.constant("egress"),
    plugins: fc.tuple(plugin).map(([own]) => [{ type: "bridge" }, { type: "firewall" }, own]),
  });
  const json = fc.oneof(ruleSetJson(), plugin, conflist);
  const damaged = damagedJson(json).map((text) => new TextEncoder().encode(text));
  return fc.oneof(
    damaged,
    damagedBytes(damaged),
    fc.nat().map((seed) => mutatedRuleSets({ seed, count: 1 }).next().value?.value ?? new Uint8Array()),
  );
}
