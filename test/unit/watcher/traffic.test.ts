import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createTraffic, type TrafficIncrease, type TrafficSample } from "../../../watcher/traffic.ts";

const other = () => ({ job: "(other)" });
const sample = (id: string, packets: number, job: string | undefined = id): TrafficSample => ({
  id,
  labels: job === undefined ? undefined : { job },
  counters: { packets, bytes: 10 * packets },
});

/** The sums of packets by job. */
function sums(increases: readonly TrafficIncrease[]): Readonly<Record<string, number>> {
  const all: Record<string, number> = {};
  for (const { labels, packets } of increases) {
    const { job = "" } = labels;
    all[job] = (all[job] ?? 0) + packets;
  }
  return all;
}

describe("createTraffic", () => {
  test("adds up to what rules have counted, whatever comes, goes and starts again at 0", () => {
    /** What happens to one of a few rules between two readings. */
    const event = fc.record({
      rule: fc.constantFrom("a", "b", "c", "d"),
      what: fc.constantFrom("count", "count", "count", "remove", "reset"),
      packets: fc.integer({ min: 0, max: 1000 }),
    });
    fc.assert(
      fc.property(fc.array(fc.array(event, { maxLength: 6 }), { maxLength: 12 }), (rounds) => {
        const traffic = createTraffic({ mostLabels: 10, other });
        const kernel = new Map<string, number>();
        const seen = new Map<string, number>();
        const expected: Record<string, number> = {};
        const increases: TrafficIncrease[] = [];
        for (const events of rounds) {
          for (const { rule, what, packets } of events) {
            if (what === "count") kernel.set(rule, (kernel.get(rule) ?? 0) + packets);
            if (what === "remove") kernel.delete(rule);
            if (what === "reset" && kernel.has(rule)) kernel.set(rule, 0);
          }
          for (const rule of seen.keys()) if (!kernel.has(rule)) seen.delete(rule);
          for (const [rule, now] of kernel) {
            const before = seen.get(rule) ?? 0;
            // A counter that has passed its old value again since it started anew is not told from one that went on.
            expected[rule] = (expected[rule] ?? 0) + (now < before ? now : now - before);
            seen.set(rule, now);
          }
          increases.push(
            ...traffic.take(
              4,
              [...kernel].map(([id, packets]) => sample(id, packets)),
            ),
          );
        }
        expect(increases.every(({ packets, bytes }) => packets >= 0 && bytes === 10 * packets)).toBe(true);
        expect(sums(increases)).toEqual(expected);
      }),
    );
  });

  test("sums up rules with the same labels, each by its own count", () => {
    const traffic = createTraffic({ mostLabels: 10, other });
    expect(traffic.take(4, [sample("a", 5, "web"), sample("b", 7, "web")])).toEqual([
      { labels: { job: "web" }, packets: 12, bytes: 120 },
    ]);
    expect(sums(traffic.take(4, [sample("a", 1, "web"), sample("b", 8, "web")]))).toEqual({ web: 2 });
  });

  test("keeps families apart: what one cannot read takes nothing from the other", () => {
    const traffic = createTraffic({ mostLabels: 10, other });
    expect(sums(traffic.take(4, [sample("a", 5)]))).toEqual({ a: 5 });
    expect(sums(traffic.take(6, [sample("a", 3)]))).toEqual({ a: 3 });
    expect(sums(traffic.take(6, [sample("a", 4)]))).toEqual({ a: 1 });
    expect(sums(traffic.take(4, [sample("a", 5)]))).toEqual({ a: 0 });
  });

  test("a rule of which nobody knows whose it is goes on from where it was once that is known again", () => {
    const traffic = createTraffic({ mostLabels: 10, other });
    expect(sums(traffic.take(4, [sample("a", 5)]))).toEqual({ a: 5 });
    const unknown = { ...sample("a", 8), labels: undefined };
    expect(traffic.take(4, [unknown, { ...unknown, id: "b" }])).toEqual([]);
    expect(sums(traffic.take(4, [sample("a", 9), sample("b", 8)]))).toEqual({ a: 4, b: 8 });
  });

  test("sums up labels that come after the last that are told apart, and says so", () => {
    const traffic = createTraffic({ mostLabels: 2, other });
    expect(sums(traffic.take(4, [sample("a", 1), sample("b", 2)]))).toEqual({ a: 1, b: 2 });
    expect(traffic.isFull()).toBe(false);
    expect(sums(traffic.take(4, [sample("c", 4), sample("b", 3), sample("d", 8)]))).toEqual({ "(other)": 12, b: 1 });
    expect(traffic.isFull()).toBe(true);
    expect(sums(traffic.take(4, [sample("c", 5), sample("a", 1)]))).toEqual({ "(other)": 1, a: 1 });
  });
});
