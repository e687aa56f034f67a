import { afterEach, beforeEach, expect, test } from "vitest";
import { silentLog } from "../../../lib/host/log.ts";
import { createRequestLimit } from "../../../watcher/request-limit.ts";
import { createPrefixWatches } from "../../../watcher/watch-prefixes.ts";
import type { PrefixWatches } from "../../../watcher/watch-prefixes.ts";
import { createFakeClock } from "../../fakes/clock.ts";
import type { FakeClock } from "../../fakes/clock.ts";
import { createFakeConsul } from "../../fakes/consul.ts";
import type { FakeConsul } from "../../fakes/consul.ts";

let clock: FakeClock;
let consul: FakeConsul;
let watches: PrefixWatches;
let delivered: string[];
let known: Set<string>;

beforeEach(() => {
  clock = createFakeClock();
  consul = createFakeConsul({ clock });
  delivered = [];
  known = new Set();
  watches = createPrefixWatches(
    { root: "outbound/rules/" },
    {
      consul,
      clock,
      limit: createRequestLimit({ clock }),
      log: silentLog,
      random: () => 0.5,
      hadKeys: (prefix) => known.has(prefix),
      onAnswer({ prefix, entries }) {
        delivered.push(`${prefix} ${entries.length}`);
      },
      onState: () => {},
    },
  );
});

afterEach(() => watches.close());

async function setPrefixes(...prefixes: readonly string[]): Promise<void> {
  watches.setPrefixes(prefixes);
  await clock.settle();
}

test("every prefix that is set is watched", async () => {
  await setPrefixes("global/", "node/n1/");
  consul.put("outbound/rules/node/n1/a", "1");
  await clock.advance(1000);

  expect(delivered.toSorted()).toEqual(["global/ 0", "node/n1/ 0", "node/n1/ 1"]);
  expect(watches.states()).toMatchObject([
    { prefix: "global/", status: "ok" },
    { prefix: "node/n1/", status: "ok" },
  ]);
});

test("setting the same prefixes again asks for nothing", async () => {
  await setPrefixes("global/", "node/n1/");
  const before = consul.requests;

  await setPrefixes("node/n1/", "global/", "global/");

  expect(consul.requests).toBe(before);
});

test("a prefix that is set no more is asked for no more, and the others go on", async () => {
  await setPrefixes("global/", "namespace/a/");
  await setPrefixes("global/");
  delivered.length = 0;

  consul.put("outbound/rules/namespace/a/x", "1");
  consul.put("outbound/rules/global/x", "1");
  await clock.advance(1000);

  expect(delivered).toEqual(["global/ 1"]);
  expect(watches.states().map(({ prefix }) => prefix)).toEqual(["global/"]);
});

test("a prefix that is set again is delivered again, with what is known of it taken into account", async () => {
  await setPrefixes("namespace/a/");
  await setPrefixes();
  known.add("namespace/a/");
  const before = consul.requests;

  await setPrefixes("namespace/a/");

  expect(delivered).toEqual(["namespace/a/ 0", "namespace/a/ 0"]);
  // The first read, the second look at its emptiness, the look at ACLs, and the query that blocks.
  expect(consul.requests - before).toBe(4);
});

test("a prefix that leaves and comes back in the same moment is delivered by one watch only", async () => {
  watches.setPrefixes(["global/"]);
  watches.setPrefixes([]);
  watches.setPrefixes(["global/"]);
  await clock.settle();

  expect(delivered).toEqual(["global/ 0"]);
});

test("close ends all watches, and none starts afterwards", async () => {
  await setPrefixes("global/", "node/n1/");
  const before = consul.requests;

  await watches.close();
  await setPrefixes("namespace/a/");
  consul.put("outbound/rules/global/x", "1");
  await clock.advance(120_000);

  expect(consul.requests).toBe(before);
  expect(watches.states()).toEqual([]);
});

test("many prefixes share one request limit", async () => {
  await setPrefixes(...Array.from({ length: 100 }, (_, number) => `namespace/n${number}/`));
  expect(consul.requests).toBe(40);

  await clock.advance(1000);

  expect(consul.requests).toBe(60);
});
