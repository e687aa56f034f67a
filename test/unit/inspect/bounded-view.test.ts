import { expect, test } from "vitest";
import { viewAttachment } from "../../../lib/inspect/attachment-view.ts";
import { rule, runtimeRulesOf } from "../policy/fixtures.ts";
import { attachmentWith, tableOf } from "./fixtures.ts";

const accept = (id: number) => rule({ host: `10.0.0.${id}`, action: "ACCEPT" });
const drop = (id: number) => rule({ host: `10.1.0.${id}`, action: "DROP" });
const manyHosts = rule({ host: Array.from({ length: 50 }, (_, index) => `10.2.0.${index}`), action: "DROP" });

const attachment = attachmentWith();
const context = {
  runtimeRules: runtimeRulesOf({
    "global/many": { rules: [accept(1), accept(2), accept(3), drop(1), manyHosts, drop(2)] },
    "global/tried": { rules: [drop(3), drop(4), drop(5)], mode: "audit" },
  }),
  nowMs: 0,
};
const table = tableOf([attachment], { ...context, family: 4, count: () => 1 });
const kernel = { 4: table, 6: "absent" } as const;
const whole = viewAttachment(attachment, { context, kernel });
const bounded = (mostRules: number, mostCost = 1000) =>
  viewAttachment(attachment, { context, kernel, bounds: { mostRules, mostCost } });

test("of each phase the first rules are there, and how many are not", () => {
  const view = bounded(2);
  expect(view.rules.map(({ phase, text }) => `${phase} ${text.split(" ")[3]}`)).toEqual([
    "deny 10.1.0.1",
    "deny 10.2.0.0,",
    "accept 10.0.0.1",
    "accept 10.0.0.2",
  ]);
  expect(view.leftOut).toEqual({ deny: 1, static: 0, accept: 1 });
  expect(view.audited[0]).toMatchObject({ leftOut: { deny: 1 }, rules: [{}, {}] });
});

test("what is there has the counters that it has in the whole view", () => {
  expect(whole.rules.every(({ counters }) => counters !== null)).toBe(true);
  expect(bounded(2).rules).toEqual(whole.rules.filter(({ from }) => !/\[[25]\]$/.test(from)));
  expect(bounded(100).rules).toEqual(whole.rules);
});

test("rules are counted as long as that costs little, and shown all the same", () => {
  const counted = bounded(100, 20).rules.filter(({ phase }) => phase === "deny");
  expect(counted.map(({ counters }) => counters?.packets ?? null)).toEqual([1, null, null]);
});

test("without bounds nothing is left out, and nothing says so", () => {
  expect(whole.rules).toHaveLength(6);
  expect(whole).not.toHaveProperty("leftOut");
});
