import { expect, test } from "vitest";
import { parseReadyAnswer } from "../../../lib/doctor/ready-answer.ts";
import { checkWatcher, isWatcherInSync, type WatcherFacts } from "../../../lib/doctor/watcher.ts";
import { states } from "./checks.ts";

const good: WatcherFacts = {
  isRunning: true,
  listen: "127.0.0.1:9710",
  ready: { inSync: true, attachments: 2, problems: [] },
};

test("a watcher that runs and is in sync is good", () => {
  expect(states(checkWatcher(good))).toEqual(["ok watcher", "ok in sync"]);
  expect(isWatcherInSync(good)).toBe(true);
});

test("none that runs is a problem, and then nobody can be in sync", () => {
  const checks = checkWatcher({ ...good, isRunning: false, ready: { unread: "is not listened on" } });
  expect(states(checks)).toEqual(["problem watcher", "unknown in sync"]);
});

test("one that is not in sync is a problem with the first reason", () => {
  const behind: WatcherFacts = { ...good, ready: { inSync: false, attachments: 2, problems: ["no leader", "b"] } };
  expect(checkWatcher(behind)[1]).toMatchObject({
    state: "problem",
    message: "it is not in sync: no leader, and 1 more",
  });
  expect(checkWatcher({ ...good, ready: { inSync: false, attachments: 0, problems: [] } })[1]?.state).toBe("problem");
  expect(isWatcherInSync(behind)).toBe(false);
});

test("one that hangs, or was stopped, is told of otherwise than one that listens elsewhere", () => {
  const remedyFor = (unread: string) => checkWatcher({ ...good, ready: { unread } })[1]?.remedy;
  expect(remedyFor("does not answer within 2000 ms")).toMatch(/kill -CONT/);
  expect(remedyFor("is not listened on")).toMatch(/--listen/);
});

test("one that does not answer where it is asked is a warning, one that is not asked unknown", () => {
  const silent = checkWatcher({ ...good, ready: { unread: "is not listened on" } })[1];
  expect(silent).toMatchObject({
    state: "warning",
    message: "whether it is in sync: http://127.0.0.1:9710/ready is not listened on",
  });
  expect(checkWatcher({ ...good, listen: "", ready: { unread: "is not asked" } })[1]?.state).toBe("unknown");
  expect(checkWatcher({ ...good, isRunning: { unread: "needs root" } })[0]?.state).toBe("unknown");
});

test("an answer of /ready tells each problem once, and another program's answer is none", () => {
  const prefix = { status: "failing", consecutiveFailures: 2, problem: "no leader" };
  const body = {
    inSync: false,
    attachments: 1,
    prefixes: [
      { prefix: "a/", ...prefix },
      { prefix: "b/", ...prefix },
    ],
  };
  expect(parseReadyAnswer(JSON.stringify(body))).toEqual({ inSync: false, attachments: 1, problems: ["no leader"] });
  expect(() => parseReadyAnswer("<html>")).toThrow("is not answered by a watcher");
  expect(() => parseReadyAnswer("{}")).toThrow("is not answered by a watcher");
});
