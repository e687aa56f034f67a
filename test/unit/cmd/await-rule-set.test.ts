import { beforeEach, expect, test } from "vitest";
import { awaitRuleSet, type AwaitedRuleSet } from "../../../cmd/await-rule-set.ts";
import { systemClock } from "../../../lib/host/clock.ts";
import { formatNodeStatus } from "../../../lib/status/node-status.ts";
import { createFakeConsul, type FakeConsul } from "../../fakes/consul.ts";
import { DENY, ruleSetOf, statusOf } from "../status/fixtures.ts";

const key = "global/own";
let consul: FakeConsul;

beforeEach(() => {
  consul = createFakeConsul({ clock: systemClock });
  // The first write to a fake has ModifyIndex 11.
  consul.put(`outbound/rules/${key}`, JSON.stringify(DENY));
});

function tell(modifyIndex?: number): void {
  const ruleSets = modifyIndex === undefined ? [] : [ruleSetOf(key, modifyIndex)];
  consul.put("outbound/status/n1", formatNodeStatus(statusOf("n1", { ruleSets })));
}

function wait(change: AwaitedRuleSet["change"], timeoutMs = 5000) {
  const session = { consul: { ...consul, close: () => {} }, signal: new AbortController().signal };
  return awaitRuleSet({ prefix: "outbound", key, change, timeoutMs }, session);
}

test("a rule set that was written is waited for until its node has it", async () => {
  tell();
  setTimeout(() => tell(11), 50);
  const { exitCode, text } = await wait("put");
  expect(exitCode).toBe(0);
  expect(text).toContain("in force: version 11, on 1 of 1 node, 2 attachments");
});

test("one that was removed is waited for until no node has it any more", async () => {
  tell(11);
  consul.remove(`outbound/rules/${key}`);
  setTimeout(() => tell(), 50);
  expect(await wait("removed")).toMatchObject({
    exitCode: 0,
    text: "Gone from every node that reports: n1",
    cluster: { ruleSets: [] },
  });
});

test.each(["put", "removed"] as const)(
  "that it is not %s everywhere in time is told, with where not",
  async (change) => {
    tell(9);
    if (change === "removed") consul.remove(`outbound/rules/${key}`);
    const { exitCode, text } = await wait(change, 50);
    expect(exitCode).toBe(1);
    expect(text).toMatch(/n1 +2 +9 {2}in force, PENDING/);
  },
);

test("with nobody to report it is not known to be gone", async () => {
  consul.remove(`outbound/rules/${key}`);
  expect(await wait("removed", 50)).toMatchObject({ exitCode: 1 });
});
