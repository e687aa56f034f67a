import { expect, test } from "vitest";
import { systemClock } from "../../../lib/host/clock.ts";

test("a sleep takes at least its time", async () => {
  const startedMs = performance.now();

  await systemClock.sleep(30, new AbortController().signal);

  expect(performance.now() - startedMs).toBeGreaterThan(28);
});

test("an abort ends a sleep with the signal's reason", async () => {
  const abort = new AbortController();
  const sleeping = systemClock.sleep(60_000, abort.signal);

  abort.abort(new Error("shutting down"));

  await expect(sleeping).rejects.toThrow("shutting down");
  await expect(systemClock.sleep(1, abort.signal)).rejects.toThrow("shutting down");
});
