import { expect, test } from "vitest";
import { renderListing, renderPlan } from "../../../lib/netfilter/render-plan.ts";

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
