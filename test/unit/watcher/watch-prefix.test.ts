import { afterEach, beforeEach, expect, test } from "vitest";
import type { PrefixState } from "../../../watcher/prefix-state.ts";
import { createRequestLimit } from "../../../watcher/request-limit.ts";
import { watchPrefix } from "../../../watcher/watch-prefix.ts";
import { createFakeClock } from "../../fakes/clock.ts";
import type { FakeClock } from "../../fakes/clock.ts";
import { createFakeConsul } from "../../fakes/consul.ts";
import type { FakeConsul } from "../../fakes/consul.ts";
import { createMemoryLog } from "../../fakes/log.ts";
import type { MemoryLog } from "../../fakes/log.ts";

const root = "outbound/rules/";
const prefix = "global/";

let clock: FakeClock;
let consul: FakeConsul;
let log: MemoryLog;
let abort: AbortController;
let ended: Promise<void> | undefined;
/** What the watch says KV holds, after each answer it delivered: `key=value` words. */
let delivered: string[];
let states: PrefixState[];

beforeEach(() => {
  clock = createFakeClock();
  consul = createFakeConsul({ clock });
  log = createMemoryLog();
  abort = new AbortController();
  delivered = [];
  states = [];
  ended = undefined;
});

afterEach(async () => {
  abort.abort();
  await ended;
});

async function watch({ hadKeys = false, random = 0.5, onAnswer = () => {} } = {}): Promise<void> {
  const limit = createRequestLimit({ clock });
  const options = { root, prefix, hadKeys, signal: abort.signal };
  ended = watchPrefix(options, {
    consul,
    clock,
    limit,
    log,
    random: () => random,
    onAnswer({ entries }) {
      onAnswer();
      delivered.push(entries.map(({ key, value }) => `${key}=${new TextDecoder().decode(value)}`).join(" "));
    },
    onState: (state) => void states.push(state),
  });
  await clock.settle();
}

function last(): PrefixState | undefined {
  return states.at(-1);
}

test("what KV holds is delivered at once, with keys relative to the root", async () => {
  consul.put("outbound/rules/global/a", "1");
  consul.put("outbound/rules/global/b", "2");
  consul.put("outbound/rules/node/n1/c", "3");

  await watch();

  expect(delivered).toEqual(["global/a=1 global/b=2"]);
  expect(last()).toMatchObject({ prefix, status: "ok", consecutiveFailures: 0, lastSuccessMs: clock.nowMs() });
});

test("an empty prefix that never had keys is delivered once, as the first answer", async () => {
  await watch();

  await clock.advance(600_000);

  expect(delivered).toEqual([""]);
  expect(last()?.status).toBe("ok");
});

test("a change is delivered without a wait", async () => {
  consul.put("outbound/rules/global/a", "1");
  await watch();

  consul.put("outbound/rules/global/a", "2");
  await clock.settle();
  consul.put("outbound/rules/global/b", "3");
  await clock.settle();

  expect(delivered).toEqual(["global/a=1", "global/a=2", "global/a=2 global/b=3"]);
});

test("a quiet prefix is asked for once in about 55 s and delivered only once", async () => {
  consul.put("outbound/rules/global/a", "1");
  await watch();
  const before = consul.requests;

  await clock.advance(3_600_000);

  expect(delivered).toHaveLength(1);
  expect(consul.requests - before).toBeGreaterThanOrEqual(60);
  expect(consul.requests - before).toBeLessThanOrEqual(75);
});

test("writes elsewhere wake an empty prefix once a second at most, and are not delivered", async () => {
  await watch();
  const before = consul.requests;

  for (let write = 0; write < 3000; write += 1) {
    consul.put("elsewhere/x", String(write));
    await clock.advance(10);
  }

  expect(delivered).toEqual([""]);
  expect(consul.requests - before).toBeLessThan(40);
});

test("a key in an empty prefix is delivered at once when writes elsewhere are rare", async () => {
  await watch();
  for (let write = 0; write < 20; write += 1) {
    consul.put("elsewhere/x", String(write));
    await clock.advance(2000);
  }

  consul.put("outbound/rules/global/a", "1");
  await clock.settle();

  expect(delivered).toEqual(["", "global/a=1"]);
});

test.each(["missing", "zero"] as const)("an index that is %s does not make the watch spin", async (index) => {
  consul.put("outbound/rules/global/a", "1");
  consul.faults.index = index;
  await watch();

  await clock.advance(60_000);

  expect(delivered).toEqual(["global/a=1"]);
  expect(consul.requests).toBeLessThan(70);
  consul.put("outbound/rules/global/a", "2");
  await clock.advance(1000);
  expect(delivered).toEqual(["global/a=1", "global/a=2"]);
});

test("an index that went backwards is noticed when the wait ends, and changes after it are delivered at once", async () => {
  consul.put("outbound/rules/global/a", "1");
  consul.put("outbound/rules/global/b", "2");
  consul.remove("outbound/rules/global/b");
  await watch();
  consul.reapTombstones();
  await clock.advance(60_000);
  expect(log.lines).toMatchObject([{ fields: { doubt: "index backwards" } }]);

  consul.put("outbound/rules/global/a", "3");
  await clock.settle();

  expect(delivered).toEqual(["global/a=1", "global/a=3"]);
});

test("a snapshot that is restored is heard of at once, though the query that it ends tells nothing of it", async () => {
  consul.put("outbound/rules/global/a", "saved");
  const restore = consul.saveSnapshot();
  consul.put("outbound/rules/global/a", "later");
  await watch();

  restore();
  await clock.settle();
  consul.put("outbound/rules/global/a", "new");
  await clock.settle();

  expect(delivered).toEqual(["global/a=later", "global/a=saved", "global/a=new"]);
  expect(log.lines).toMatchObject([{ fields: { doubt: "woken at the same index" } }]);
});

test("servers that start again from nothing are believed, and their first change is delivered at once", async () => {
  for (let write = 0; write < 100; write += 1) {
    consul.put("outbound/rules/global/a", String(write));
  }
  await watch();

  consul.wipe();
  await clock.settle();
  consul.put("outbound/rules/global/a", "new");
  await clock.settle();

  expect(delivered).toEqual(["global/a=99", "", "global/a=new"]);
});

test("the last key's removal is believed when a consistent read confirms it", async () => {
  consul.put("outbound/rules/global/a", "1");
  await watch();
  const before = consul.requests;

  consul.remove("outbound/rules/global/a");
  await clock.settle();

  expect(delivered).toEqual(["global/a=1", ""]);
  // The woken query was under way already; then the second look, the look at ACLs, and the next query.
  expect(consul.requests - before).toBe(3);
});

test("keys that vanish from an inconsistent read only stay in force", async () => {
  consul.put("outbound/rules/global/a", "1");
  await watch();

  consul.faults.hides = "silently";
  consul.faults.isOnlyStaleWrong = true;
  consul.put("outbound/rules/global/b", "2");
  await clock.advance(120_000);

  expect(delivered).toEqual(["global/a=1", "global/a=1 global/b=2"]);
});

test("keys known from an earlier run count: emptiness is confirmed by a second read", async () => {
  await watch({ hadKeys: true });

  expect(delivered).toEqual([""]);
  expect(consul.requests).toBe(4);
});

test("keys known from an earlier run stay when only the first read hides them", async () => {
  consul.put("outbound/rules/global/a", "1");
  consul.faults.hides = "silently";
  consul.faults.isOnlyStaleWrong = true;

  await watch({ hadKeys: true });

  expect(delivered).toEqual(["global/a=1"]);
});

test("keys that ACLs hide without a word stay in force, and the watch says that it is not allowed to read", async () => {
  consul.put("outbound/rules/global/a", "1");
  await watch();

  consul.faults.hides = "silently";
  consul.put("outbound/rules/global/b", "2");
  await clock.advance(600_000);
  expect(delivered).toEqual(["global/a=1"]);
  expect(last()).toMatchObject({ status: "failing", lastFailure: { kind: "forbidden" } });

  consul.faults.hides = undefined;
  await clock.advance(30_000);
  expect(delivered).toEqual(["global/a=1", "global/a=1 global/b=2"]);
});

test("a prefix that ACLs hide from the start is not taken for one without rules", async () => {
  consul.faults.hides = "silently";

  await watch();
  await clock.advance(60_000);

  expect(delivered).toEqual([]);
  expect(last()).toMatchObject({ status: "failing", lastFailure: { kind: "forbidden" } });
});

test("a prefix that was empty and is hidden since, without a word, is noticed within two minutes", async () => {
  await watch();
  await clock.advance(300_000);
  expect(last()?.status).toBe("ok");

  consul.faults.hides = "silently";
  consul.put("outbound/rules/global/deny", "1");
  await clock.advance(120_000);
  expect(last()).toMatchObject({ status: "failing", lastFailure: { kind: "forbidden" } });

  consul.faults.hides = undefined;
  await clock.advance(60_000);
  expect(delivered).toEqual(["", "global/deny=1"]);
  expect(last()?.status).toBe("ok");
});

test("an empty prefix costs one request more a minute, however often its query is woken", async () => {
  await watch();
  const before = consul.requests;
  await clock.advance(600_000);
  expect(consul.requests - before).toBeLessThanOrEqual(2 * 12);
});

test("an answer that ACLs filtered is never delivered, and the rules come back when they do no more", async () => {
  consul.put("outbound/rules/global/a", "1");
  await watch();

  consul.faults.hides = "openly";
  consul.put("outbound/rules/global/b", "2");
  await clock.advance(600_000);
  expect(delivered).toEqual(["global/a=1"]);
  expect(last()).toMatchObject({ status: "filtered", lastFailure: { kind: "filtered" } });

  consul.faults.hides = undefined;
  await clock.advance(30_000);
  expect(delivered).toEqual(["global/a=1", "global/a=1 global/b=2"]);
  expect(last()?.status).toBe("ok");
});

test("a filtered first answer is not delivered either, even where nothing was known", async () => {
  consul.faults.hides = "openly";

  await watch();
  await clock.advance(60_000);

  expect(delivered).toEqual([]);
  expect(last()?.status).toBe("filtered");
});

test.each(["unreachable", "timeout", "forbidden", "no-leader", "rate-limited", "server", "malformed"] as const)(
  "with Consul saying %s the last good answer stays, and what changed meanwhile is delivered after it",
  async (kind) => {
    consul.put("outbound/rules/global/a", "1");
    await watch();

    consul.faults.fails = kind;
    consul.put("outbound/rules/global/a", "2");
    await clock.advance(300_000);
    expect(delivered).toEqual(["global/a=1"]);
    expect(last()).toMatchObject({ status: "failing", lastFailure: { kind } });
    expect(last()?.consecutiveFailures).toBeGreaterThan(5);

    consul.faults.fails = undefined;
    await clock.advance(30_000);
    expect(delivered).toEqual(["global/a=1", "global/a=2"]);
    expect(last()).toMatchObject({ status: "ok", consecutiveFailures: 0, lastFailure: { kind } });
  },
);

test("after an hour without an agent the watch catches up within 5 s of its return", async () => {
  consul.faults.fails = "unreachable";
  await watch({ random: 0.999 });
  await clock.advance(3_600_000);
  const tried = consul.requests;

  consul.faults.fails = undefined;
  consul.put("outbound/rules/global/a", "1");
  await clock.advance(5000);

  expect(delivered).toEqual(["global/a=1"]);
  expect(tried).toBeLessThan(800);
});

test("no spread at all between tries still keeps to the request limit", async () => {
  consul.faults.fails = "server";
  await watch({ random: 0 });

  await clock.advance(10_000);

  expect(consul.requests).toBeLessThanOrEqual(40 + 200 + 1);
});

test("servers that were wiped while no agent answered are heard of after its return", async () => {
  for (let write = 0; write < 100; write += 1) {
    consul.put("outbound/rules/global/a", String(write));
  }
  await watch();
  consul.faults.fails = "unreachable";
  consul.wipe();
  await clock.advance(10_000);

  consul.faults.fails = undefined;
  consul.put("outbound/rules/global/a", "new");
  await clock.advance(5000);

  expect(delivered).toEqual(["global/a=99", "global/a=new"]);
});

test("failures are logged once, their end too", async () => {
  await watch();
  consul.faults.fails = "no-leader";
  consul.put("elsewhere/x", "1");
  await clock.advance(60_000);
  consul.faults.fails = "forbidden";
  await clock.advance(60_000);
  consul.faults.fails = undefined;
  await clock.advance(60_000);

  expect(log.lines.map(({ level, fields }) => [level, fields["kind"]])).toEqual([
    ["warn", "no-leader"],
    ["warn", "forbidden"],
    ["info", undefined],
  ]);
});

test("an answer that could not be taken in is delivered again", async () => {
  consul.put("outbound/rules/global/a", "1");
  let isBroken = true;
  await watch({
    onAnswer: () => {
      if (isBroken) throw new Error("disk full");
    },
  });
  expect(delivered).toEqual([]);
  expect(last()).toMatchObject({ status: "failing", lastFailure: { kind: "internal", message: "disk full" } });

  isBroken = false;
  await clock.advance(60_000);

  expect(delivered).toEqual(["global/a=1"]);
});

test("an abort ends a query that blocks, and nothing is told after it", async () => {
  await watch();
  const before = states.length;

  abort.abort();
  await ended;
  consul.put("outbound/rules/global/a", "1");
  await clock.advance(60_000);

  expect(delivered).toEqual([""]);
  expect(states).toHaveLength(before);
});

test("an abort ends a wait between tries", async () => {
  consul.faults.fails = "server";
  await watch();
  const before = consul.requests;

  abort.abort();
  await ended;
  await clock.advance(60_000);

  expect(consul.requests).toBe(before);
});
