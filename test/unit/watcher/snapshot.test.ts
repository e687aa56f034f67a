import { describe, expect, test } from "vitest";
import type { KvEntry } from "../../../lib/host/consul.ts";
import {
  applyAnswer,
  closeExpired,
  createSnapshot,
  hasKeys,
  isInSync,
  rejections,
  retainPrefixes,
  runtimeRules,
  unknownKeys,
} from "../../../watcher/snapshot.ts";
import type { Snapshot } from "../../../watcher/snapshot.ts";

const empty = createSnapshot({ node: "n1", ruleSets: [] });
const allow = '{ "host": "10.0.0.1", "proto": "tcp", "port": 443, "action": "ACCEPT" }';
const deny = '{ "host": "10.0.0.2", "action": "DROP" }';

function entry(key: string, modifyIndex: number, value: string): KvEntry {
  return { key, modifyIndex, value: new TextEncoder().encode(value) };
}

function apply(snapshot: Snapshot, prefix: string, entries: readonly KvEntry[], nowMs = 0) {
  return applyAnswer(snapshot, { prefix, entries }, { nowMs });
}

function keysInForce(snapshot: Snapshot): readonly string[] {
  return runtimeRules(snapshot).ruleSets.map(({ key }) => key);
}

test("rule sets of all prefixes are in force, sorted by key", () => {
  const one = apply(empty, "namespace/", [entry("namespace/b/x", 5, allow), entry("namespace/a/x", 6, deny)]);
  const two = apply(one.snapshot, "global/", [entry("global/z", 7, deny), entry("global/Z", 8, deny)]);

  expect(keysInForce(two.snapshot)).toEqual(["global/Z", "global/z", "namespace/a/x", "namespace/b/x"]);
  expect(runtimeRules(two.snapshot).ruleSets[2]).toMatchObject({
    scope: { kind: "namespace", namespace: "a" },
    name: "x",
    modifyIndex: 6,
  });
});

test("a value that does not validate leaves the last good version in force and is told with its key and issues", () => {
  const good = apply(empty, "global/", [entry("global/a", 5, allow), entry("global/b", 5, allow)]);
  const bad = apply(good.snapshot, "global/", [entry("global/a", 6, '{"host": 1}'), entry("global/b", 7, deny)], 1234);

  expect(keysInForce(bad.snapshot)).toEqual(["global/a", "global/b"]);
  expect(runtimeRules(bad.snapshot).ruleSets[0]).toBe(runtimeRules(good.snapshot).ruleSets[0]);
  expect(runtimeRules(bad.snapshot).ruleSets[1]?.modifyIndex).toBe(7);
  expect(bad.rejections).toMatchObject([{ key: "global/a", modifyIndex: 6, keptModifyIndex: 5, sinceMs: 1234 }]);
  expect(bad.rejections[0]?.issues.length).toBeGreaterThan(0);
});

test("a rejection is told once and remembered until the value is good again", () => {
  const bad = [entry("global/a", 5, "no JSON")];
  const first = apply(empty, "global/", bad, 10);
  const again = apply(first.snapshot, "global/", [...bad, entry("global/b", 6, allow)], 20);
  const fixed = apply(again.snapshot, "global/", [entry("global/a", 7, allow), entry("global/b", 6, allow)], 30);

  expect(again.rejections).toEqual([]);
  expect(rejections(again.snapshot)).toMatchObject([{ key: "global/a", sinceMs: 10 }]);
  expect(keysInForce(again.snapshot)).toEqual(["global/b"]);
  expect(rejections(fixed.snapshot)).toEqual([]);
  expect(keysInForce(fixed.snapshot)).toEqual(["global/a", "global/b"]);
});

test("a key that is gone takes its rule set with it, its last good version too", () => {
  const good = apply(empty, "global/", [entry("global/a", 5, allow)]);
  const bad = apply(good.snapshot, "global/", [entry("global/a", 6, "{}")]);
  const gone = apply(bad.snapshot, "global/", []);

  expect(gone.changes).toMatchObject([{ kind: "removed", previous: { key: "global/a", modifyIndex: 5 } }]);
  expect(keysInForce(gone.snapshot)).toEqual([]);
  expect(rejections(gone.snapshot)).toEqual([]);
});

test("an answer about one prefix leaves the others alone", () => {
  const one = apply(empty, "namespace/a/", [entry("namespace/a/x", 5, allow)]);
  const two = apply(one.snapshot, "namespace/ab/", []);

  expect(keysInForce(two.snapshot)).toEqual(["namespace/a/x"]);
});

test("folders are ignored and keys that fit no scope are told with the reason", () => {
  const answer = apply(empty, "namespace/", [
    entry("namespace/", 3, ""),
    entry("namespace/default/", 3, ""),
    entry("namespace/default/jobs/web/x", 4, allow),
  ]);

  expect(keysInForce(answer.snapshot)).toEqual([]);
  expect(answer.unknownKeys.map(({ key }) => key)).toEqual(["namespace/default/jobs/web/x"]);
  expect(answer.unknownKeys[0]?.reason).toContain("expected");
  expect(unknownKeys(answer.snapshot)).toEqual(answer.unknownKeys);
  expect(rejections(answer.snapshot)).toEqual([]);
});

test("an answer that says nothing new gives the same snapshot and the same rules", () => {
  const one = apply(empty, "global/", [entry("global/a", 5, allow), entry("global/b", 6, "bad")]);
  const two = apply(one.snapshot, "global/", [entry("global/a", 5, allow), entry("global/b", 6, "bad")]);

  expect(two.snapshot).toBe(one.snapshot);
  expect(two.changes).toEqual([]);
});

test("a change to one key keeps the objects of all others", () => {
  const one = apply(empty, "global/", [entry("global/a", 5, allow), entry("global/b", 6, allow)]);
  const two = apply(one.snapshot, "global/", [entry("global/a", 5, allow), entry("global/b", 7, deny)]);

  expect(runtimeRules(two.snapshot)).not.toBe(runtimeRules(one.snapshot));
  expect(runtimeRules(two.snapshot).ruleSets[0]).toBe(runtimeRules(one.snapshot).ruleSets[0]);
  expect(two.changes).toMatchObject([
    { kind: "put", ruleSet: { key: "global/b", modifyIndex: 7 }, previous: { modifyIndex: 6 } },
  ]);
});

test("a value that only looks different keeps its rule set object under the new index", () => {
  const one = apply(empty, "global/", [entry("global/a", 5, allow)]);
  const two = apply(one.snapshot, "global/", [entry("global/a", 9, `[ ${allow} ]`)]);

  expect(runtimeRules(two.snapshot).ruleSets[0]?.modifyIndex).toBe(9);
  expect(runtimeRules(two.snapshot).ruleSets[0]?.ruleSet).toBe(runtimeRules(one.snapshot).ruleSets[0]?.ruleSet);
});

test("another value under the same ModifyIndex is seen: wiped servers count from the start", () => {
  const one = apply(empty, "global/", [entry("global/a", 5, allow)]);
  const two = apply(one.snapshot, "global/", [entry("global/a", 5, deny)]);

  expect(runtimeRules(two.snapshot).ruleSets[0]?.ruleSet.rules[0]?.action).toBe("DROP");
});

test("it is in sync when every needed prefix has been answered, even with nothing", () => {
  const one = apply(empty, "global/", []).snapshot;

  expect(isInSync(empty, ["global/"])).toBe(false);
  expect(isInSync(one, ["global/"])).toBe(true);
  expect(isInSync(one, ["global/", "node/n1/"])).toBe(false);
});

test("rules of an earlier run are in force and not in sync, and survive a bad value", () => {
  const earlier = runtimeRules(apply(empty, "global/", [entry("global/a", 5, allow)]).snapshot);
  const cached = createSnapshot(earlier);
  const bad = apply(cached, "global/", [entry("global/a", 6, "bad")]).snapshot;

  expect(isInSync(cached, ["global/"])).toBe(false);
  expect(hasKeys(cached, "global/")).toBe(true);
  expect(hasKeys(cached, "node/n1/")).toBe(false);
  expect(keysInForce(bad)).toEqual(["global/a"]);
  expect(isInSync(bad, ["global/"])).toBe(true);
});

test("rules of an earlier run that KV still has are the same objects", () => {
  const earlier = runtimeRules(apply(empty, "global/", [entry("global/a", 5, allow)]).snapshot);
  const read = apply(createSnapshot(earlier), "global/", [entry("global/a", 5, allow)]);

  expect(read.changes).toEqual([]);
  expect(runtimeRules(read.snapshot)).toBe(earlier);
});

test("a prefix that is no longer needed keeps its rules, is out of sync, and its problems are forgotten", () => {
  const one = apply(empty, "namespace/a/", [
    entry("namespace/a/bad", 5, "bad"),
    entry("namespace/a/good", 6, allow),
    entry("namespace/a/what/is/this/key", 7, allow),
  ]).snapshot;
  const two = apply(one, "global/", [entry("global/bad", 5, "bad")]).snapshot;

  const retained = retainPrefixes(two, ["global/"]);

  expect(keysInForce(retained)).toEqual(["namespace/a/good"]);
  expect(isInSync(retained, ["namespace/a/"])).toBe(false);
  expect(isInSync(retained, ["global/"])).toBe(true);
  expect(rejections(retained).map(({ key }) => key)).toEqual(["global/bad"]);
  expect(unknownKeys(retained)).toEqual([]);
});

test("a prefix that is needed again is told of its problems again and loses what was deleted meanwhile", () => {
  const one = apply(empty, "namespace/a/", [
    entry("namespace/a/bad", 5, "bad"),
    entry("namespace/a/good", 6, allow),
    entry("namespace/a/gone", 6, allow),
  ]).snapshot;
  const retained = retainPrefixes(one, []);
  const back = apply(retained, "namespace/a/", [
    entry("namespace/a/bad", 5, "bad"),
    entry("namespace/a/good", 6, allow),
  ]);

  expect(back.rejections.map(({ key }) => key)).toEqual(["namespace/a/bad"]);
  expect(back.changes).toMatchObject([{ kind: "removed", previous: { key: "namespace/a/gone" } }]);
});

test("of ten thousand keys with one change, all others are not parsed again", () => {
  const many = Array.from({ length: 10_000 }, (_, number) => entry(`namespace/a/job/j${number}/x`, number + 1, allow));
  const one = apply(empty, "namespace/a/", many).snapshot;
  const changed = many.map((old, number) => (number === 5000 ? entry(old.key, 20_000, deny) : { ...old }));

  const two = apply(one, "namespace/a/", changed).snapshot;

  const before = new Set(runtimeRules(one).ruleSets);
  expect(runtimeRules(two).ruleSets.filter((ruleSet) => !before.has(ruleSet))).toMatchObject([{ modifyIndex: 20_000 }]);
  expect([...two.known].filter(([key, known]) => one.known.get(key) !== known)).toHaveLength(1);
});

describe("a rule set that has expired", () => {
  const expiring = JSON.stringify({
    rules: [
      { host: "10.0.0.1", action: "ACCEPT" },
      { host: "10.0.0.2", action: "DROP" },
    ],
    expiresAt: "1970-01-01T00:00:01Z",
  });
  const entries = [entry("global/a", 5, expiring), entry("global/b", 6, allow)];
  const actions = (snapshot: Snapshot) =>
    runtimeRules(snapshot).ruleSets.map(({ ruleSet }) => ruleSet.rules.map(({ action }) => action));
  const before = apply(empty, "global/", entries).snapshot;

  test("loses its accepts, and not before", () => {
    expect(closeExpired(before, 999)).toBe(before);
    expect(actions(closeExpired(before, 1000))).toEqual([["DROP"], ["ACCEPT"]]);
  });

  test("stays so when the same version is read again, after a restart too", () => {
    const closed = closeExpired(before, 1000);
    expect(actions(apply(closed, "global/", entries).snapshot)).toEqual([["DROP"], ["ACCEPT"]]);

    const restarted = createSnapshot(runtimeRules(closed));
    expect(actions(apply(restarted, "global/", entries).snapshot)).toEqual([["DROP"], ["ACCEPT"]]);
  });

  test("comes back with a new version", () => {
    const closed = createSnapshot(runtimeRules(closeExpired(before, 1000)));
    const later = expiring.replace("00:00:01Z", "01:00:00Z");
    expect(actions(apply(closed, "global/", [entry("global/a", 7, later)]).snapshot)).toEqual([["ACCEPT", "DROP"]]);
  });

  test("is another one where wiped servers give another value the same index", () => {
    const closed = createSnapshot(runtimeRules(closeExpired(before, 1000)));
    const other = expiring.replace("10.0.0.2", "10.0.0.3");
    const read = apply(closed, "global/", [entry("global/a", 5, other)]).snapshot;
    expect(runtimeRules(read).ruleSets[0]?.ruleSet.rules).toHaveLength(2);
  });
});
