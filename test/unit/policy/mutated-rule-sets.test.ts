import { describe, expect, test } from "vitest";
import { parseRuleSet } from "../../../lib/policy/parse-rule-set.ts";
import { formatRuleSet, parseRuleSetJson } from "../../../lib/policy/rule-set.ts";
import { validateFile } from "../../../lib/validate/validate-file.ts";
import { learn } from "../../../watcher/known-key.ts";
import { mutatedRuleSets } from "../../support/mutated-rule-sets.ts";

const nowMs = Date.parse("2026-11-24T00:00:00Z");
const all = [...mutatedRuleSets({ seed: 20_261_124, count: 10_000 })];

/** Those for which something holds, as a failure shows them. */
function those(wrong: (value: Uint8Array) => boolean): readonly string[] {
  return all
    .filter(({ value }) => wrong(value))
    .slice(0, 5)
    .map(({ value, mutations }) => `${mutations.join(", ")}: ${new TextDecoder().decode(value).slice(0, 500)}`);
}

function isInside(text: string, { line, column }: { readonly line: number; readonly column: number }): boolean {
  const lines = text.split(/\r\n|\n|\r/);
  const length = lines[line - 1]?.length;
  return length !== undefined && column >= 1 && column <= length + 1;
}

describe("of 10,000 mutated rule sets", () => {
  test("some are valid, most are not, and every kind of mutation is among them", () => {
    const valid = all.filter(({ value }) => parseRuleSet(value).ok).length;
    expect(valid).toBeGreaterThan(1000);
    expect(all.length - valid).toBeGreaterThan(5000);
    expect(new Set(all.flatMap(({ mutations }) => mutations)).size).toBe(21);
    expect(all.filter(({ value, mutations }) => mutations.length === 0 && !parseRuleSet(value).ok)).toEqual([]);
  });

  test("each is a rule set or has issues, each with a path and something to say", () => {
    expect(
      those((value) => {
        const parsed = parseRuleSet(value);
        if (parsed.ok) return false;
        const { issues } = parsed;
        const isWellFormed = issues.every(({ path, message }) => path.startsWith("$") && /\S/.test(message));
        return (
          issues.length === 0 || issues.length > 21 || !isWellFormed || JSON.stringify(issues).includes("undefined")
        );
      }),
    ).toEqual([]);
  });

  test("each valid one is the same again in its canonical form", () => {
    expect(
      those((value) => {
        const parsed = parseRuleSet(value);
        if (!parsed.ok) return false;
        const again = parseRuleSetJson(formatRuleSet(parsed.value));
        return !again.ok || JSON.stringify(again.value) !== JSON.stringify(parsed.value);
      }),
    ).toEqual([]);
  });

  test("the watcher and validate agree on each, to the issue", () => {
    expect(
      those((value) => {
        const { issues, isValid } = validateFile("x.json", { bytes: value, nowMs });
        const known = learn({ key: "global/x", modifyIndex: 7, value }, undefined, { nowMs });
        const refused = known?.rejection?.issues;
        if (isValid) return refused !== undefined || known?.inForce === undefined;
        return JSON.stringify(refused) !== JSON.stringify(issues.map(({ path, message }) => ({ path, message })));
      }),
    ).toEqual([]);
  });

  test("every issue and warning has a line and a column inside the text", () => {
    expect(
      those((value) => {
        const { issues, warnings } = validateFile("x.json", { bytes: value, nowMs });
        const text = new TextDecoder().decode(value);
        return [...issues, ...warnings].some((issue) => !isInside(text, issue));
      }),
    ).toEqual([]);
  });
});
