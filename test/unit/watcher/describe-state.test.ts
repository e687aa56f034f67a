import { afterEach, beforeEach, expect, test } from "vitest";
import { parseNodeStatus, type NodeStatus } from "../../../lib/status/node-status.ts";
import { describeState } from "../../../watcher/describe-state.ts";
import type { PassReport } from "../../../watcher/node-runner.ts";
import { createRequestLimit } from "../../../watcher/request-limit.ts";
import { startWatch, type Watcher } from "../../../watcher/watch.ts";
import { createFakeClock, type FakeClock } from "../../fakes/clock.ts";
import { createFakeConsul, type FakeConsul } from "../../fakes/consul.ts";
import { createMemoryLog, type MemoryLog } from "../../fakes/log.ts";
import { attachmentOf } from "../../support/attachment.ts";
import { DENY } from "../status/fixtures.ts";

const key = "global/own";
const attachment = attachmentOf();

let clock: FakeClock;
let consul: FakeConsul;
let stop: AbortController;
let watcher: Watcher;
let isRefused: boolean;
let unfiltered: PassReport["unfiltered"];
let log: MemoryLog;
let changes: number;

beforeEach(async () => {
  clock = createFakeClock(Date.parse("2026-11-24T12:00:00Z"));
  consul = createFakeConsul({ clock });
  stop = new AbortController();
  isRefused = false;
  unfiltered = undefined;
  log = createMemoryLog();
  changes = 0;
  consul.put(`outbound/rules/${key}`, JSON.stringify(DENY));
  watcher = startWatch(
    { node: "n1", prefix: "outbound", cached: undefined, resyncMs: 8000, signal: stop.signal },
    {
      consul: { ...consul, readPrefix: consul.readPrefix, close: () => {} },
      clock,
      log,
      limit: createRequestLimit({ clock }),
      random: () => 0.5,
      runner: {
        pass: ({ onAttachments, persist }) => {
          onAttachments([attachment]);
          persist();
          if (isRefused) return Promise.reject(new Error("the kernel refuses"));
          const report = { attachments: [attachment], changed: [], drifted: [] };
          return Promise.resolve({ ...report, ...(unfiltered && { unfiltered }) });
        },
      },
      saveRuntimeRules: () => {},
      onAttachmentsChanged: () => {},
      onRulesetChanged: () => ({ isLive: () => true }),
      observe: () => {},
      onChange: () => (changes += 1),
      observed: { look: () => {}, audited: () => [] },
      identities: { follow: () => {}, onLearnt: () => {}, unidentified: () => [] },
    },
  );
  await clock.advance(50);
});
afterEach(async () => {
  stop.abort();
  await watcher.ended;
});

function read(): NodeStatus {
  return parseNodeStatus(describeState(watcher.state(), { node: "n1", version: "1.2.3" }));
}

const modifyIndex = (): number | undefined => read().ruleSets[0]?.modifyIndex;

test("a node in sync says so, and what it has in force", () => {
  expect(read()).toMatchObject({
    node: "n1",
    version: "1.2.3",
    isInSync: true,
    problems: [],
    ruleSets: [{ key, state: "in-force", attachments: 1 }],
    groups: [{ allocations: [attachment.containerId] }],
  });
});

test("a change is told to whoever listens, and what is read at rest changes nothing of the text", async () => {
  const before = describeState(watcher.state(), { node: "n1", version: "1.2.3" });
  const changesBefore = changes;
  consul.put(`outbound/rules/${key}`, JSON.stringify([DENY]));
  await clock.advance(50);
  expect(changes).toBeGreaterThan(changesBefore);
  const after = describeState(watcher.state(), { node: "n1", version: "1.2.3" });
  expect(after).not.toBe(before);
  await clock.advance(600_000);
  expect(describeState(watcher.state(), { node: "n1", version: "1.2.3" })).toBe(after);
});

test("what the kernel refuses is not said to be in force", async () => {
  const before = modifyIndex();
  isRefused = true;
  consul.put(`outbound/rules/${key}`, JSON.stringify([DENY, DENY]));
  await clock.advance(50);
  expect(modifyIndex()).toBe(before);
  expect(read()).toMatchObject({
    isInSync: false,
    problems: ["the last pass failed, what the one before it put into the kernel stays"],
  });
  isRefused = false;
  await clock.advance(10_000);
  expect(modifyIndex()).toBeGreaterThan(before ?? 0);
  expect(read().isInSync).toBe(true);
});

test("a value that is refused is told with the version that stays in force", async () => {
  const before = modifyIndex();
  consul.put(`outbound/rules/${key}`, "{}");
  await clock.advance(50);
  expect(read()).toMatchObject({
    isInSync: true,
    ruleSets: [{ key, modifyIndex: before }],
    rejections: [{ key, keptModifyIndex: before, issues: [{ path: "$.action" }] }],
  });
});

test("prefixes that cannot be read are named, with why", async () => {
  consul.faults.fails = "forbidden";
  consul.put(`outbound/rules/${key}`, JSON.stringify([DENY]));
  await clock.advance(60_000);
  const { isInSync, problems, ruleSets } = read();
  expect(isInSync).toBe(false);
  expect(problems).toContain("global/: Cannot read: the fake is told to say forbidden");
  expect(ruleSets).toMatchObject([{ key }]);
});

test("says which container cannot be filtered in a family whose program is missing, until it is over", async () => {
  const told = () => log.lines.filter(({ message }) => message.includes("running container")).map(({ level }) => level);
  unfiltered = { family: 6, containerId: "0f3c", address: "fd00:88::2" };
  for (const host of ["10.4.4.1", "10.4.4.2"]) {
    consul.put(`outbound/rules/${key}`, JSON.stringify({ ...DENY, host }));
    await clock.advance(1000);
    expect(read()).toMatchObject({
      isInSync: false,
      problems: ["Cannot filter IPv6: ip6tables-restore is not installed and 0f3c has fd00:88::2"],
    });
  }
  expect(told()).toEqual(["error"]);
  unfiltered = undefined;
  consul.put(`outbound/rules/${key}`, JSON.stringify(DENY));
  await clock.advance(1000);
  expect(read()).toMatchObject({ isInSync: true, problems: [] });
  expect(told()).toEqual(["error", "info"]);
});
