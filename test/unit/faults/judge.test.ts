import { describe, expect, test } from "vitest";
import { judgeAmount, judgeConstant, judgeGoverned } from "../../faults/support/judge.ts";
import type { Attempts, Stream } from "../../faults/support/stream.ts";

const stream: Stream = {
  flow: "governed",
  family: 4,
  protocol: "udp",
  kind: "new",
  address: "192.0.2.1",
  port: 1000,
  everyMs: 100,
};
const window = { fromMs: 0, toMs: 1_000 };

/** One attempt every 100 ms; `o` was answered, `.` was not. */
function attemptsOf(pattern: string, of: Partial<Stream> = {}): Attempts {
  const sentAtMs = Array.from(pattern, (_, n) => n * 100);
  const answeredAtMs = Array.from(pattern, (each, n) => (each === "o" ? n * 100 + 5 : undefined));
  return { stream: { ...stream, ...of }, sentAtMs, answeredAtMs };
}

describe("a flow that must always be open", () => {
  test.each([
    ["ooooo", 0, 0],
    ["oo.oo", 0, 1],
    ["o.o.o", 0, 2],
    ["oo.oo", 100, 0],
    ["oo..oo", 100, 1],
    ["oooo.", 0, 1],
  ])("%s with a bound of %i ms has %i problems", (pattern, boundMs, count) => {
    expect(judgeConstant(attemptsOf(pattern), window, { state: "open", boundMs })).toHaveLength(count);
  });

  test("is judged only inside the window", () => {
    const later = { fromMs: 250, toMs: 1_000 };
    expect(judgeConstant(attemptsOf(".o.ooo"), later, { state: "open", boundMs: 0 })).toEqual([]);
  });
});

describe("a governed flow that should close at 300 ms, and must be closed from 500 ms on", () => {
  const expectations = [
    { state: "open", fromMs: 0, byMs: 0 },
    { state: "closed", fromMs: 300, byMs: 500 },
  ] as const;

  test.each([
    ["ooo......", 0],
    ["oooooo...", 0],
    ["ooooooo..", 1],
    ["ooo.o....", 1],
    ["ooo.....o", 1],
    ["o.o......", 1],
  ])("%s has %i problems", (pattern, count) => {
    expect(judgeGoverned(attemptsOf(pattern), window, expectations)).toHaveLength(count);
  });

  test("over an established TCP connection may have no answer from then on", () => {
    const of = { protocol: "tcp", kind: "established" } as const;
    expect(judgeGoverned(attemptsOf("oooo.....", of), window, expectations)).toEqual([]);
    expect(judgeGoverned(attemptsOf("oooo..o..", of), window, expectations)).toHaveLength(1);
  });
});

test("a stream on which next to nothing was sent proves nothing", () => {
  expect(judgeAmount(attemptsOf("ooooo"), window)).toEqual([]);
  expect(judgeAmount(attemptsOf(""), window)).toHaveLength(1);
});
