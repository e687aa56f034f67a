import { afterEach, beforeEach, expect, test } from "vitest";
import { NomadError, type NomadErrorKind } from "../../../lib/host/nomad-error.ts";
import type { Attachment, Identity } from "../../../lib/policy/attachment.ts";
import type { Unidentified } from "../../../lib/policy/identity-problem.ts";
import { startIdentitySearch, type IdentitySearch } from "../../../watcher/identity-search.ts";
import { createRequestLimit } from "../../../watcher/request-limit.ts";
import { createFakeClock, type FakeClock } from "../../fakes/clock.ts";
import { createMemoryLog, type MemoryLog } from "../../fakes/log.ts";
import { attachmentOf } from "../../support/attachment.ts";

const web = { region: "global", namespace: "default", job: "web", group: "app" };
const idOf = (number: number): string => `8623ac7a-28ba-20c3-24a6-${String(number).padStart(12, "0")}`;
const nameless = (number: number, overrides: Partial<Attachment> = {}): Attachment =>
  attachmentOf({ identity: {}, ...overrides, containerId: overrides.containerId ?? idOf(number) });

let clock: FakeClock;
let log: MemoryLog;
let stop: AbortController;
let search: IdentitySearch;
/** What Nomad knows, by id; what fails instead. */
let allocations: Map<string, Identity>;
let failing: NomadErrorKind | undefined;
let asked: string[];
let learnt: number;
let told: (readonly Unidentified[])[];

beforeEach(() => {
  clock = createFakeClock();
  log = createMemoryLog();
  stop = new AbortController();
  allocations = new Map();
  failing = undefined;
  asked = [];
  learnt = 0;
  told = [];
  start();
});
afterEach(async () => {
  stop.abort();
  await search.ended;
});

function start({ isConfigured = true } = {}): void {
  const readAllocation = (id: string): Promise<Identity> => {
    asked.push(id);
    const identity = allocations.get(id);
    if (failing) return Promise.reject(new NomadError(`it is ${failing}`, { kind: failing }));
    if (!identity) return Promise.reject(new NomadError("there is none", { kind: "not-found" }));
    return Promise.resolve(identity);
  };
  search = startIdentitySearch(
    { signal: stop.signal },
    {
      nomad: isConfigured ? { readAllocation } : undefined,
      limit: createRequestLimit({ burst: 20, perSecond: 10, clock }),
      clock,
      random: () => 0.5,
      log,
      onChange: (unidentified) => void told.push(unidentified),
    },
  );
  search.onLearnt(() => (learnt += 1));
}

const messages = (): readonly string[] => log.lines.map(({ message }) => message);
const problems = (): readonly (string | undefined)[] => search.unidentified().map(({ problem }) => problem);

test("where CNI_ARGS say all nothing is asked, and that there is nothing to tell is told once", async () => {
  search.follow([attachmentOf()]);
  search.follow([attachmentOf({ containerId: idOf(1) })]);
  await clock.advance(3_600_000);
  expect(asked).toEqual([]);
  expect(told).toEqual([[]]);
  expect(log.lines).toEqual([]);
});

test("each allocation is asked for until it has answered, once, however many of its attachments there are", async () => {
  allocations.set(idOf(1), web);
  const listed = [nameless(1), nameless(1, { network: "other" })];
  search.follow(listed);
  expect(search.unidentified()).toHaveLength(2);
  await clock.settle();
  expect(search.identityOf(idOf(1))).toEqual(web);
  expect(learnt).toBe(1);
  search.follow([...listed]);
  search.follow([attachmentOf({ containerId: idOf(1) })]);
  await clock.advance(3_600_000);
  expect(asked).toEqual([idOf(1)]);
  expect(search.unidentified()).toEqual([]);
  expect(messages()).toEqual(["Nomad says whose allocation this is"]);
});

test("an allocation that has gone is forgotten, and asked for again when it is back", async () => {
  allocations.set(idOf(1), web);
  search.follow([nameless(1)]);
  await clock.settle();
  search.follow([]);
  expect(search.identityOf(idOf(1))).toBeUndefined();
  search.follow([nameless(1)]);
  await clock.settle();
  expect(asked).toHaveLength(2);
});

test("an answer for an allocation that has gone meanwhile is dropped", async () => {
  allocations.set(idOf(1), web);
  search.follow([nameless(1)]);
  search.follow([]);
  await clock.settle();
  expect(learnt).toBe(0);
  expect(search.identityOf(idOf(1))).toBeUndefined();
});

test.each(["unreachable", "timeout", "forbidden", "no-leader", "malformed", "misconfigured", "server"] as const)(
  "while Nomad is %s it is asked less and less often, and that is logged once",
  async (kind) => {
    failing = kind;
    allocations.set(idOf(1), web);
    allocations.set(idOf(2), web);
    search.follow([nameless(1), nameless(2)]);
    await clock.advance(600_000);
    expect(asked.length).toBeGreaterThan(30);
    expect(asked.length).toBeLessThan(kind === "unreachable" ? 300 : 80);
    expect(messages()).toEqual(["Nomad cannot be asked whose allocations these are"]);
    expect(problems()).toEqual([`it is ${kind}`, `it is ${kind}`]);
    failing = undefined;
    await clock.advance(30_000);
    expect(learnt).toBe(2);
    expect(messages().filter((message) => message === "Nomad answers again")).toHaveLength(1);
  },
);

test("another kind of failure is logged, the same one is not", async () => {
  search.follow([nameless(1)]);
  failing = "unreachable";
  await clock.advance(60_000);
  failing = "forbidden";
  await clock.advance(60_000);
  expect(log.lines.map(({ fields }) => fields["kind"])).toEqual([undefined, "unreachable", "forbidden"].slice(1));
});

test("one that Nomad does not show holds up no other, is told once and asked for again, less and less often", async () => {
  allocations.set(idOf(2), web);
  search.follow([nameless(1), nameless(2)]);
  await clock.settle();
  expect(search.identityOf(idOf(2))).toEqual(web);
  await clock.advance(3_600_000);
  const count = asked.filter((id) => id === idOf(1)).length;
  expect(count).toBeGreaterThan(20);
  expect(count).toBeLessThan(50);
  expect(messages().filter((message) => message.startsWith("Nomad shows no such"))).toHaveLength(1);
  expect(problems()[0]).toBe("there is none");
  allocations.set(idOf(1), web);
  await clock.advance(300_000);
  expect(search.identityOf(idOf(1))).toEqual(web);
});

test("many are asked for at a bounded rate", async () => {
  const listed = Array.from({ length: 200 }, (_, number) => nameless(number));
  for (const { containerId } of listed) allocations.set(containerId, web);
  search.follow(listed);
  await clock.settle();
  await clock.advance(1000);
  expect(asked.length).toBeLessThanOrEqual(31);
  await clock.advance(20_000);
  expect(asked).toHaveLength(200);
});

test("what is no allocation's id is not asked for, and that is said", async () => {
  search.follow([nameless(1, { containerId: "only-1" }), nameless(1, { containerId: "../../v1/jobs?x" })]);
  await clock.advance(60_000);
  expect(asked).toEqual([]);
  expect(problems()).toEqual(Array(2).fill("its container id is not one that Nomad gives"));
});

test("without a Nomad nothing is asked, and that is said as long as it matters", async () => {
  stop.abort();
  await search.ended;
  stop = new AbortController();
  start({ isConfigured: false });
  search.follow([attachmentOf()]);
  expect(messages()).toEqual([]);
  search.follow([nameless(1)]);
  search.follow([nameless(1), nameless(2)]);
  await clock.advance(60_000);
  expect(asked).toEqual([]);
  expect(messages()).toEqual(["Identities are not known and no Nomad is configured"]);
  expect(problems()[0]).toContain("NOMAD_ADDR is not set");
});

test("where Nomad contradicts CNI_ARGS that is said, and nobody asks again", async () => {
  allocations.set(idOf(1), web);
  search.follow([nameless(1, { identity: { namespace: "team-a" } })]);
  await clock.advance(600_000);
  expect(asked).toHaveLength(1);
  expect(messages()).toEqual(["Nomad contradicts CNI_ARGS, which stay"]);
  expect(problems()).toEqual(["Nomad and CNI_ARGS contradict each other"]);
});

test("it is told since when, and each change of why once", async () => {
  failing = "forbidden";
  search.follow([nameless(1)]);
  await clock.advance(600_000);
  const since = attachmentOf().addedAt;
  const asking = { allocation: idOf(1), since };
  expect(told).toEqual([[asking], [{ ...asking, problem: "it is forbidden" }]]);
});

test("it ends at once, whatever it waits for", async () => {
  search.follow([nameless(1)]);
  await clock.settle();
  stop.abort();
  await search.ended;
  expect(asked).toHaveLength(1);
});
