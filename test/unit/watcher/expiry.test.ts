import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { evaluateFor, type Verdict } from "../../../lib/policy/evaluate.ts";
import type { RuntimeRules } from "../../../lib/policy/runtime-rules.ts";
import { createRequestLimit } from "../../../watcher/request-limit.ts";
import { startWatch, type Watcher } from "../../../watcher/watch.ts";
import { createFakeClock, type FakeClock } from "../../fakes/clock.ts";
import { createFakeConsul, type FakeConsul } from "../../fakes/consul.ts";
import { createMemoryLog, type MemoryLog } from "../../fakes/log.ts";
import { attachmentOf } from "../../support/attachment.ts";

const START_MS = Date.parse("2026-11-24T12:00:00Z");
const HOUR_MS = 3_600_000;
const attachment = attachmentOf();

let clock: FakeClock;
let consul: FakeConsul;
let log: MemoryLog;
let stop: AbortController;
let watcher: Watcher;
/** What the last pass put into the kernel. */
let applied: RuntimeRules;
/** What the last pass left on disk. */
let saved: RuntimeRules | undefined;

beforeEach(() => {
  clock = createFakeClock(START_MS);
  consul = createFakeConsul({ clock });
  log = createMemoryLog();
  saved = undefined;
});
afterEach(async () => {
  stop.abort();
  await watcher.ended;
});

async function start(): Promise<void> {
  stop = new AbortController();
  watcher = startWatch(
    { node: "n1", prefix: "outbound", cached: saved, resyncMs: 8000, signal: stop.signal },
    {
      consul: { ...consul, readPrefix: consul.readPrefix, close: () => {} },
      clock,
      log,
      limit: createRequestLimit({ clock }),
      random: () => 0.5,
      runner: {
        pass: ({ runtimeRules, onAttachments, persist }) => {
          onAttachments([attachment]);
          persist();
          applied = runtimeRules;
          return Promise.resolve({ attachments: [attachment], changed: [], drifted: [] });
        },
      },
      saveRuntimeRules: (rules) => (saved = rules),
      onAttachmentsChanged: () => {},
      onRulesetChanged: () => ({ isLive: () => true }),
      observe: () => {},
      onChange: () => {},
      observed: { look: () => {}, audited: () => [] },
      identities: { follow: () => {}, onLearnt: () => {}, unidentified: () => [] },
    },
  );
  await clock.advance(50);
}

async function restart(): Promise<void> {
  stop.abort();
  await watcher.ended;
  await start();
}

function put(name: string, { rules, inMs }: { readonly rules: readonly object[]; readonly inMs: number }): void {
  const expiresAt = new Date(START_MS + inMs).toISOString();
  consul.put(`outbound/rules/global/${name}`, JSON.stringify({ rules, expiresAt }));
}

function verdictTo(destination: string): Verdict {
  const packet = { family: 4, destination, protocol: "tcp", port: 443 } as const;
  return evaluateFor(attachment, packet, { runtimeRules: applied, nowMs: clock.nowMs() }).verdict;
}

describe("a rule set with an end", () => {
  beforeEach(async () => {
    put("opens", { rules: [{ host: "10.1.1.1", action: "ACCEPT" }], inMs: HOUR_MS });
    await start();
  });

  test("goes out of force at its moment, with Consul down", async () => {
    consul.faults.fails = "unreachable";
    await clock.advance(HOUR_MS - 51);
    expect(verdictTo("10.1.1.1")).toBe("accept");
    expect(applied.ruleSets[0]?.ruleSet.rules).toHaveLength(1);
    await clock.advance(1);
    expect(applied.ruleSets[0]?.ruleSet.rules).toEqual([]);
    expect(saved).toBe(applied);
  });

  test("goes within a second when the clock is set forward", async () => {
    expect(verdictTo("10.1.1.1")).toBe("accept");
    clock.setWallClock(START_MS + 2 * HOUR_MS);
    await clock.advance(1000);
    expect(applied.ruleSets[0]?.ruleSet.rules).toEqual([]);
  });

  test("does not come back when the clock is set back, nor with a restart then, Consul up or down", async () => {
    expect(verdictTo("10.1.1.1")).toBe("accept");
    await clock.advance(HOUR_MS);
    clock.setWallClock(START_MS);
    await clock.advance(20_000);
    expect(verdictTo("10.1.1.1")).toBe("drop");
    await restart();
    expect(verdictTo("10.1.1.1")).toBe("drop");
    consul.faults.fails = "unreachable";
    await restart();
    expect(verdictTo("10.1.1.1")).toBe("drop");
  });

  test("that expired while no watcher ran is not put back by the next", async () => {
    stop.abort();
    await watcher.ended;
    consul.faults.fails = "unreachable";
    await clock.advance(HOUR_MS);
    await start();
    expect(applied.ruleSets[0]?.ruleSet.rules).toEqual([]);
  });

  test("is warned of ten minutes before, once, and told when it has gone", async () => {
    const told = () => log.lines.filter(({ fields }) => fields["key"] === "global/opens");
    await clock.advance(HOUR_MS - 601_000);
    expect(told()).toEqual([]);
    await clock.advance(600_000);
    expect(told()).toMatchObject([
      {
        level: "warn",
        message: "A rule set expires within ten minutes",
        fields: { expiresAt: "2026-11-24T13:00:00.000Z" },
      },
    ]);
    await clock.advance(2000);
    expect(told().slice(1)).toMatchObject([{ level: "info", message: "A rule set has expired" }]);
  });
});

test("a deny with an end comes back when the clock is set back: it is its accepts that fail closed", async () => {
  put("closes", { rules: [{ host: "10.1.1.1", action: "DROP" }], inMs: HOUR_MS });
  consul.put("outbound/rules/global/open", JSON.stringify({ host: "10.1.1.1", action: "ACCEPT" }));
  await start();
  await clock.advance(HOUR_MS);
  expect(verdictTo("10.1.1.1")).toBe("accept");
  clock.setWallClock(START_MS);
  await clock.advance(20_000);
  expect(verdictTo("10.1.1.1")).toBe("drop");
});
