import { expect, test } from "vitest";
import { parseRuleset } from "../../../lib/netfilter/parse-ruleset.ts";
import { isAsKnown, renderEdits, renderListing, renderPlan } from "../../../lib/netfilter/render-plan.ts";

test("renderPlan declares, fills, moves jumps and removes in one transaction", () => {
  const rules = [{ text: "-j DROP", hash: "1:a", target: "DROP" }];
  const plan = {
    write: [
      { name: "NEW", rules },
      { name: "EMPTIED", rules: [] },
    ],
    remove: ["OLD"],
    anchors: ["-I FORWARD 1 -j NEW"],
    stuck: [],
  };
  expect(renderPlan(plan)).toBe(`*filter
:NEW - [0:0]
:EMPTIED - [0:0]
:OLD - [0:0]
-A NEW -j DROP
-I FORWARD 1 -j NEW
-X OLD
COMMIT
`);
});

test("renderListing lists chains in the order given", () => {
  expect(renderListing(["INPUT", "X"])).toBe("*filter\n-S INPUT\n-S X\nCOMMIT\n");
});

const X = "CNI-OUTDR-0123456789abcdef01";
const ruleOf = (digit: string, target: string) => {
  const hash = `1:${digit.repeat(16)}`;
  return { text: `-m comment --comment outbound:${hash} -j ${target}`, hash, target };
};

test("renderEdits lists a chain that keeps rules and edits it, and fills every other one", () => {
  const known = parseRuleset(
    [X, "MAIN"]
      .flatMap((name) => [`-A ${name} ${ruleOf("a", "DROP").text}`, `-A ${name} ${ruleOf("b", "NEW").text}`])
      .join("\n"),
  );
  const rules = [ruleOf("c", "OLD"), ruleOf("a", "DROP")];
  const plan = {
    write: [
      { name: "NEW", rules: [] },
      { name: X, rules },
      { name: "MAIN", rules },
    ],
    remove: ["OLD"],
    anchors: ["-I FORWARD 1 -j NEW"],
    stuck: [],
  };
  const edits = renderEdits(plan, known);
  expect(edits.text).toBe(`*filter
-S ${X}
:NEW - [0:0]
:MAIN - [0:0]
:OLD - [0:0]
-A MAIN ${ruleOf("c", "OLD").text}
-A MAIN ${ruleOf("a", "DROP").text}
-D ${X} ${ruleOf("b", "NEW").text}
-I ${X} 1 ${ruleOf("c", "OLD").text}
-I FORWARD 1 -j NEW
-X OLD
COMMIT
`);
  const listed = `-N ${X}\n-A ${X} ${ruleOf("a", "DROP").text}\n`;
  expect(isAsKnown(edits, { printed: `${listed}-A ${X} ${ruleOf("b", "NEW").text}\n`, known })).toBe(true);
  expect(isAsKnown(edits, { printed: listed, known })).toBe(false);
  expect(isAsKnown(edits, { printed: "", known })).toBe(false);
});

test("a chain that cannot be edited is filled again: none of its rules stays, or one is not ours", () => {
  const rules = [ruleOf("a", "DROP")];
  const filled = renderPlan({ write: [{ name: X, rules }], remove: [], anchors: [], stuck: [] });
  const knownAs = (...texts: readonly string[]) => parseRuleset(texts.map((text) => `-A ${X} ${text}`).join("\n"));
  for (const known of [knownAs(ruleOf("b", "DROP").text), knownAs(ruleOf("a", "DROP").text, "-j DROP")]) {
    expect(renderEdits({ write: [{ name: X, rules }], remove: [], anchors: [], stuck: [] }, known).text).toBe(filled);
  }
});
