import { afterEach, expect, test } from "vitest";
import { createPassLoop, type PassLoop, type PassRequest } from "../../../watcher/pass-loop.ts";
import { createFakeClock, type FakeClock } from "../../fakes/clock.ts";
import { createMemoryLog, type MemoryLog } from "../../fakes/log.ts";

const rules: PassRequest = { isResync: false, isListing: false };
const look: PassRequest = { isResync: false, isListing: true };

let abort: AbortController;
afterEach(() => abort.abort());

interface Started {
  readonly loop: PassLoop;
  readonly clock: FakeClock;
  readonly log: MemoryLog;
}

function start(pass: (request: PassRequest) => Promise<void>): Started {
  abort = new AbortController();
  const clock = createFakeClock();
  const log = createMemoryLog();
  const loop = createPassLoop({ pass, clock, random: () => 1, log, signal: abort.signal });
  return { loop, clock, log };
}

test("what is asked for while a pass runs becomes one more pass, which does all of it", async () => {
  const done: PassRequest[] = [];
  let finish = (): void => {};
  const { loop, clock } = start(async (request) => {
    done.push(request);
    await new Promise<void>((resolve) => void (finish = resolve));
  });
  loop.request(rules);
  await clock.settle();
  for (const request of [rules, look, rules]) loop.request(request);
  finish();
  await clock.settle();
  finish();
  await clock.settle();
  expect(done).toEqual([rules, look]);
});

test("a pass that fails is run again after a while, reading everything; that, and that all is well again, is told", async () => {
  const done: PassRequest[] = [];
  const { loop, clock, log } = start((request) => {
    done.push(request);
    return done.length === 1 ? Promise.reject(new Error("busy")) : Promise.resolve();
  });
  loop.request(rules);
  await clock.settle();
  expect(done).toEqual([rules]);
  await clock.advance(250);
  expect(done).toEqual([rules, { isResync: true, isListing: true }]);
  await clock.advance(60_000);
  expect(done).toHaveLength(2);
  loop.request(rules);
  await clock.settle();
  expect(log.lines.map(({ level, message }) => `${level} ${message}`)).toEqual([
    "error Cannot bring this node's chains up to date, trying again",
    "info This node's chains are up to date again",
  ]);
});

test("it ends when it is told to, also in the middle of a wait", async () => {
  const { loop, clock } = start(() => Promise.reject(new Error("busy")));
  loop.request(rules);
  await clock.settle();
  abort.abort();
  await expect(loop.ended).resolves.toBeUndefined();
});
