import { afterAll, beforeAll, expect, test } from "vitest";
import { ConsulError } from "../../lib/host/consul-error.ts";
import { parseConsulSettings } from "../../lib/host/consul-settings.ts";
import { createConsul, type Consul, type PrefixAnswer } from "../../lib/host/consul.ts";
import { formatRuntimeRules, parseRuntimeRules } from "../../lib/host/runtime-rules-text.ts";
import { applyAnswer, createSnapshot } from "../../watcher/snapshot.ts";
import { CONSUL_CORPUS } from "./corpus/consul-http.ts";
import { fuzz } from "./support/campaign.ts";
import { claim, claimSame } from "./support/claim.ts";
import { AT_ONCE, hostileAnswers, isEnding, startHostileConsul, type HostileConsul } from "./support/hostile-consul.ts";
import { startLoopClock, type LoopClock } from "./support/loop-clock.ts";

/** For answers that hold up who reads them: each of the campaign's steps waits as long. */
const SHORT_MS = 100;
/** For the others, which come at once: a machine under load must not make errors of them. */
const AMPLE_MS = 10_000;
const MOST_BODY_BYTES = 100_000;
/** Beyond the limit, by the clock of this process: sixty reads and their server share its thread. */
const GRACE_MS = 5000;
const MOST_MEMORY_BYTES = 400 * 1024 * 1024;
const PREFIX = "outbound/rules/";
/** So that a campaign in which no answer is ever good is not taken for one that finds nothing. */
const seen = { answers: 0, errors: 0 };

let server: HostileConsul;
let clock: LoopClock;
beforeAll(async () => {
  server = await startHostileConsul();
  clock = startLoopClock();
});
afterAll(async () => {
  clock.stop();
  await server.close();
});

fuzz("Consul's answers", {
  inputs: { short: 3000, long: 40_000 },
  size: AT_ONCE,
  isShrunk: false,
  arbitrary: hostileAnswers(),
  corpus: CONSUL_CORPUS,
  check: async (answers) => {
    server.serve(answers);
    await Promise.all(
      answers.map((answer, number) =>
        readOnce(`${server.url}/${number}`, isEnding(answer) ? AMPLE_MS : SHORT_MS).catch((cause: unknown) => {
          throw new Error(`Cannot read ${JSON.stringify(answer).slice(0, 4000)}`, { cause });
        }),
      ),
    );
  },
});

test("some answers were good and some were none, and memory was not filled", () => {
  expect(seen.answers).toBeGreaterThan(50);
  expect(seen.errors).toBeGreaterThan(50);
  expect(process.memoryUsage().rss).toBeLessThan(2 * 1024 ** 3);
  expect(process.memoryUsage().arrayBuffers).toBeLessThan(MOST_MEMORY_BYTES);
});

/** An answer that can be taken in and remembered, or one of our errors, within the bound. */
async function readOnce(url: string, slackMs: number): Promise<void> {
  const limits = { slackMs, maxBodyBytes: MOST_BODY_BYTES };
  const consul = createConsul(parseConsulSettings({ CONSUL_HTTP_ADDR: url }), limits);
  const startedMs = clock.nowMs();
  const answer = await read(consul);
  consul.close();
  const tookMs = clock.nowMs() - startedMs;
  claim(tookMs < slackMs + GRACE_MS, "an answer comes within the bound", tookMs);
  if (answer === undefined) {
    seen.errors += 1;
    return;
  }
  seen.answers += 1;
  const { entries, index, isEmpty } = answer;
  claim(
    entries.every(({ key }) => key.startsWith(PREFIX)),
    "keys are those that were asked for",
    entries,
  );
  claim(isEmpty === (entries.length === 0) && (!isEmpty || index !== undefined), "empty is said with an index");
  claim(index === undefined || (index >= 0n && index < 2n ** 64n), "an index has 64 bits", index);
  remember(answer);
}

async function read(consul: Consul): Promise<PrefixAnswer | undefined> {
  const { signal } = new AbortController();
  try {
    return await consul.readPrefix({ prefix: PREFIX, index: 0n, waitSeconds: 0, consistent: false, signal });
  } catch (error) {
    claim(error instanceof ConsulError, "a failure is a ConsulError", String(error));
    claim(error.message.length < 2000, "a failure is short", error.message.length);
    return undefined;
  }
}

/** What the watcher takes in is what it finds in its cache after a restart. */
function remember({ entries }: PrefixAnswer): void {
  const own = entries.map((entry) => ({ ...entry, key: entry.key.slice(PREFIX.length) }));
  const start = createSnapshot({ node: "n1", ruleSets: [] });
  const { runtimeRules } = applyAnswer(start, { prefix: "", entries: own }, { nowMs: 0 }).snapshot;
  const text = formatRuntimeRules(runtimeRules, { latestMs: 0 });
  claimSame(
    parseRuntimeRules(text, { choose: () => () => true }).rules,
    runtimeRules,
    "a cache is read as it was written",
  );
}
