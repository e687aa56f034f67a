import { array, assert, asyncProperty, double, integer, tuple } from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createRequestLimit, type RequestLimit } from "../../../watcher/request-limit.ts";
import { startStatusKey, type StatusKey } from "../../../watcher/status-key.ts";
import { createFakeClock, type FakeClock } from "../../fakes/clock.ts";
import { createFakeConsulSessions, type FakeConsulSessions } from "../../fakes/consul-sessions.ts";
import { createMemoryLog, type MemoryLog } from "../../fakes/log.ts";

const key = "outbound/status/n1";

let clock: FakeClock;
let sessions: FakeConsulSessions;
let log: MemoryLog;
let stop: AbortController;
let statusKey: StatusKey;
let content: string;

beforeEach(() => {
  clock = createFakeClock();
  sessions = createFakeConsulSessions({ clock });
  log = createMemoryLog();
});
afterEach(async () => {
  stop.abort();
  sessions.faults.fails = undefined;
  sessions.faults.slowMs = 0;
  await statusKey.ended;
});

function start(random: () => number = () => 0.5, limit: RequestLimit = createRequestLimit({ clock })): void {
  stop = new AbortController();
  const ports = { sessions, describe: () => content, limit, clock, random, log };
  statusKey = startStatusKey({ key, signal: stop.signal }, ports);
}

function change(to: string): void {
  content = to;
  statusKey.changed();
}

/** Started, and its first content written. */
async function startWith(first: string): Promise<void> {
  start();
  change(first);
  await clock.advance(1000);
  expect(sessions.get(key)?.value).toBe(first);
}

describe("when there is something to say", () => {
  test("nothing is written before anybody says that there is", async () => {
    start();
    await clock.advance(600_000);
    expect(sessions.requests).toBe(0);
  });

  test.each([0.125, 0.25, 0.999])(
    "with luck %d it is written within a second, after its own part of it",
    async (luck) => {
      start(() => luck);
      change("1");
      await clock.advance(luck * 1000 - 1);
      expect(sessions.get(key)).toBeUndefined();
      await clock.advance(2);
      expect(sessions.get(key)).toMatchObject({ value: "1" });
    },
  );

  test("two seconds are counted from when a write is sent, not from when it began to wait for its turn", async () => {
    let turns = 0;
    start(() => 0, {
      async take(signal) {
        turns += 1;
        // The first is the session's.
        if (turns === 2) await clock.sleep(800, signal);
      },
    });
    change("1");
    await clock.advance(1000);
    expect(sessions.get(key)?.value).toBe("1");
    change("2");
    await clock.advance(1750);
    expect(sessions.get(key)?.value).toBe("1");
    await clock.advance(100);
    expect(sessions.get(key)?.value).toBe("2");
  });

  test("a change right after a write waits until two seconds after that, and only what holds then is written", async () => {
    await startWith("1");
    for (const next of ["2", "3", "4"]) {
      change(next);
      await clock.advance(100);
    }
    await clock.advance(1190);
    expect(sessions.get(key)?.value).toBe("1");
    await clock.advance(20);
    expect(sessions.get(key)?.value).toBe("4");
    expect(sessions.writtenAtMs).toHaveLength(2);
  });

  test("what comes back to what is written already is not written", async () => {
    await startWith("1");
    change("2");
    change("1");
    await clock.advance(10_000);
    statusKey.changed();
    await clock.advance(10_000);
    expect(sessions.writtenAtMs).toHaveLength(1);
  });

  test("a change while a write is under way is written too", async () => {
    await startWith("1");
    sessions.faults.slowMs = 500;
    change("2");
    await clock.advance(1600);
    change("3");
    await clock.advance(5000);
    expect(sessions.get(key)?.value).toBe("3");
  });

  test("whatever changes when, no two writes are less than two seconds apart, and the last content is told in two", async () => {
    await assert(
      asyncProperty(
        array(tuple(integer({ min: 1, max: 3000 }), integer({ min: 0, max: 3 })), { maxLength: 25 }),
        double({ min: 0, max: 0.999, noNaN: true }),
        async (steps, luck) => {
          clock = createFakeClock();
          sessions = createFakeConsulSessions({ clock });
          start(() => luck);
          for (const [ms, next] of steps) {
            change(String(next));
            await clock.advance(ms);
          }
          change("last");
          await clock.advance(2000);
          expect(sessions.get(key)?.value).toBe("last");
          const gaps = sessions.writtenAtMs.slice(1).map((atMs, index) => atMs - (sessions.writtenAtMs[index] ?? 0));
          expect(Math.min(...gaps, 2000)).toBeGreaterThanOrEqual(2000);
          stop.abort();
          await statusKey.ended;
        },
      ),
      { numRuns: 40 },
    );
  });
});

describe("at rest", () => {
  test("nothing is written, and the session is renewed every 20 s, give or take 4", async () => {
    let turn = 0;
    start(() => ((turn += 1) % 10) / 10);
    change("1");
    await clock.advance(1000);
    const requestsBefore = sessions.requests;
    await clock.advance(3_600_000);
    expect(sessions.writtenAtMs).toHaveLength(1);
    const gaps = sessions.renewedAtMs.slice(1).map((atMs, index) => atMs - (sessions.renewedAtMs[index] ?? 0));
    expect(Math.min(...gaps)).toBeGreaterThanOrEqual(16_000);
    expect(Math.max(...gaps)).toBeLessThanOrEqual(24_000);
    expect(new Set(gaps).size).toBeGreaterThan(1);
    // One renewal and one look at the key each time, on average every 20 s.
    expect(sessions.requests - requestsBefore).toBeGreaterThan(2 * 170);
    expect(sessions.requests - requestsBefore).toBeLessThan(2 * 190);
    expect(sessions.sessionCount).toBe(1);
  });

  test.each([
    ["deleted", () => sessions.remove(key)],
    ["overwritten", () => sessions.put(key, "by hand")],
    ["lost with all that Consul had", () => sessions.wipe()],
  ])("a key that was %s is written again by the next renewal", async (_, harm) => {
    await startWith("1");
    harm();
    await clock.advance(25_500);
    expect(sessions.get(key)?.value).toBe("1");
    expect(sessions.sessionCount).toBe(1);
  });

  test("a session that ended while Consul could not be reached is replaced within seconds of its return", async () => {
    await startWith("1");
    sessions.faults.fails = "unreachable";
    await clock.advance(300_000);
    expect(sessions.get(key)).toBeUndefined();
    sessions.faults.fails = undefined;
    await clock.advance(6000);
    expect(sessions.get(key)?.value).toBe("1");
    expect(log.lines.filter(({ level }) => level === "warn")).toHaveLength(1);
  });
});

describe("a key that another session holds", () => {
  test("is taken over at once: it is that of a watcher that was killed", async () => {
    const { signal } = new AbortController();
    const old = await sessions.create({ name: "killed", ttlSeconds: 60, signal });
    await sessions.acquire({ key, value: "old", session: old, signal });
    await startWith("new");
    expect(sessions.sessionCount).toBe(1);
    expect(log.lines).toEqual([]);
  });

  test("is told and taken back where somebody took it from a watcher that runs", async () => {
    await startWith("1");
    const { signal } = new AbortController();
    const mine = sessions.get(key)?.session ?? "";
    await sessions.destroy({ session: mine, signal });
    const thief = await sessions.create({ name: "namesake", ttlSeconds: 600, signal });
    await sessions.acquire({ key, value: "theirs", session: thief, signal });
    await clock.advance(25_500);
    expect(sessions.get(key)?.value).toBe("1");
    expect(log.lines.map(({ message }) => message)).toEqual([
      "Somebody else has locked this node's status: do two nodes have one name?",
    ]);
  });
});

describe("when Consul fails", () => {
  test("without permission it says so once, and tries again ever more rarely", async () => {
    start();
    sessions.faults.failsWrites = "forbidden";
    change("1");
    await clock.advance(3_600_000);
    const requestsBefore = sessions.requests;
    await clock.advance(3_600_000);
    const messages = log.lines.map(({ message }) => message);
    expect(messages).toEqual(["Cannot write this node's status, outbound status will not see it"]);
    // Every 5 min on average, each time: renew what has ended, create, write.
    expect(sessions.requests - requestsBefore).toBeLessThanOrEqual(3 * 13);
    expect(sessions.requests - requestsBefore).toBeGreaterThan(0);

    sessions.faults.failsWrites = undefined;
    await clock.advance(600_000);
    expect(sessions.get(key)?.value).toBe("1");
    expect(log.lines.at(-1)?.message).toBe("This node's status can be written again");
  });

  test("it is asked less and less often, every 30 s at most, and the newest content is written when it is back", async () => {
    start(() => 0.999);
    sessions.faults.fails = "server";
    change("1");
    await clock.advance(300_000);
    const requestsBefore = sessions.requests;
    await clock.advance(300_000);
    expect(sessions.requests - requestsBefore).toBeLessThanOrEqual(11);
    change("2");
    sessions.faults.fails = undefined;
    await clock.advance(32_000);
    expect(sessions.get(key)?.value).toBe("2");
    expect(sessions.writtenAtMs).toHaveLength(1);
  });

  test("writes whose answers are lost are not sent more often than others", async () => {
    start(() => 0);
    sessions.faults.losesAnswers = true;
    change("1");
    await clock.advance(20_000);
    expect(sessions.writtenAtMs.length).toBeLessThanOrEqual(11);
    expect(sessions.writtenAtMs.length).toBeGreaterThan(2);
  });
});

describe("when the watcher ends", () => {
  test("the key is gone at once, and so is the session", async () => {
    await startWith("1");
    stop.abort();
    await statusKey.ended;
    expect(sessions.get(key)).toBeUndefined();
    expect(sessions.sessionCount).toBe(0);
  });

  test("in the middle of a wait or of a request it ends too", async () => {
    await startWith("1");
    sessions.faults.slowMs = 5000;
    change("2");
    await clock.advance(3000);
    stop.abort();
    sessions.faults.slowMs = 0;
    await statusKey.ended;
    expect(sessions.get(key)).toBeUndefined();
  });

  test("with Consul out of reach it ends all the same", async () => {
    await startWith("1");
    sessions.faults.fails = "unreachable";
    stop.abort();
    await statusKey.ended;
    expect(log.lines.at(-1)?.message).toBe("This node's status stays until its session ends by itself");
  });
});
