import { expect, test } from "vitest";
import { logLoss } from "../../../watcher/loss-log.ts";
import { createMemoryLog } from "../../fakes/log.ts";
import { ruleSetOf } from "../status/fixtures.ts";

const rulesOf = (...keys: readonly string[]) => ({
  node: "n1",
  ruleSets: keys.map((key, index) => ruleSetOf(key, index)),
});
const all = rulesOf("global/a", "global/b", "namespace/default/a");

test.each([
  ["all of several go", "global/", rulesOf("namespace/default/a"), 2],
  ["one of several stays", "global/", rulesOf("global/b", "namespace/default/a"), 0],
  ["the only one goes, as people remove them", "namespace/default/", rulesOf("global/a", "global/b"), 0],
  ["there was none", "node/n1/", all, 0],
])("the loss of a prefix's rule sets is told: %s", (_, prefix, after, lost) => {
  const log = createMemoryLog();
  logLoss({ prefix, before: all, after }, log);
  const told = [{ level: "warn", message: "A prefix has lost all its rule sets", fields: { prefix, ruleSets: lost } }];
  expect(log.lines).toMatchObject(lost > 0 ? told : []);
  expect(log.lines).toHaveLength(lost > 0 ? 1 : 0);
});
