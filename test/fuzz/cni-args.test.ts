import * as fc from "fast-check";
import { parseCniArgs, parseJobRules } from "../../lib/cni/args.ts";
import { CniError } from "../../lib/cni/errors.ts";
import { CNI_ARGS_CORPUS } from "./corpus/cni-args.ts";
import { fuzz } from "./support/campaign.ts";
import { claim, claimSame } from "./support/claim.ts";
import { damagedJson } from "./support/damaged-json.ts";
import { damagedText } from "./support/damaged-text.ts";
import { hostileTexts } from "./support/hostile-text.ts";
import { rulesJson } from "./support/rule-json.ts";

const IDENTITY = {
  NOMAD_REGION: "region",
  NOMAD_NAMESPACE: "namespace",
  NOMAD_JOB_ID: "job",
  NOMAD_GROUP_NAME: "group",
} as const;
const IDENTITY_NAMES = ["NOMAD_REGION", "NOMAD_NAMESPACE", "NOMAD_JOB_ID", "NOMAD_GROUP_NAME"] as const;

fuzz("CNI_ARGS", {
  inputs: { short: 10_000, long: 250_000 },
  arbitrary: damagedText(cniArgs()),
  corpus: CNI_ARGS_CORPUS,
  check: (given) => {
    const text = given.toWellFormed();
    const { identity, additionalRules, ambiguous } = parseCniArgs(given);
    // Split here by other means than there.
    const valuesOf = (name: string) => [
      ...new Set(
        `;${text}`.split(`;${name}=`).flatMap((rest, index) => (index === 0 ? [] : rest.split(";", 1).filter(Boolean))),
      ),
    ];
    for (const name of IDENTITY_NAMES) {
      const values = valuesOf(name);
      claimSame(identity[IDENTITY[name]], values.length === 1 ? values[0] : undefined, `${name} is what is said once`);
      claimSame(ambiguous.includes(name), values.length > 1, `${name} is ambiguous where it is said twice`);
    }
    claimSame(additionalRules, valuesOf("outbound.additional_rules")[0], "the first rules count");
    if (additionalRules !== undefined) checkJobRules(additionalRules);
  },
});

/** Parsed, or refused with CNI's code for a bad environment and a message that fits on a screen. */
function checkJobRules(text: string): void {
  claimSame(parseJobRules(text, "ignore"), { rules: [], ignored: 0 }, "ignored rules are not looked at");
  try {
    const accepted = parseJobRules(text, "accept");
    const denying = parseJobRules(text, "deny-only");
    const denies = accepted.rules.filter(({ action }) => action !== "ACCEPT");
    claimSame(denying.rules, denies, "deny-only lets no accept in");
    claimSame(denying.ignored, accepted.rules.length - denies.length, "accepts left out are counted");
  } catch (error) {
    if (!(error instanceof CniError)) throw error;
    claimSame(error.code, 4, "the code is that of a bad environment");
    claim(error.message.includes("outbound.additional_rules"), "a refusal says of what", error.message);
    claim(error.message.length < 20_000, "a refusal is short", error.message.length);
  }
}

function cniArgs(): fc.Arbitrary<string> {
  const jobRules = damagedJson(rulesJson());
  const value = fc.oneof(fc.constantFrom("default", "web", "web/dispatch-1-ab", "app", ""), hostileTexts());
  const pair = fc.oneof(
    { weight: 4, arbitrary: fc.tuple(fc.constantFrom(...IDENTITY_NAMES), value) },
    { weight: 2, arbitrary: fc.tuple(fc.constant("outbound.additional_rules"), jobRules) },
    { weight: 1, arbitrary: fc.tuple(fc.constantFrom("IgnoreUnknown", "K8S_POD_NAME", "__proto__", ""), value) },
    { weight: 1, arbitrary: fc.tuple(hostileTexts(), hostileTexts()) },
  );
  return fc.array(pair, { maxLength: 7 }).map((pairs) => pairs.map(([key, each]) => `${key}=${each}`).join(";"));
}
