import { beforeEach, describe, expect, test } from "vitest";
import { auditPrefix, deniedPrefix } from "../../../lib/netfilter/log-prefix.ts";
import type { ObservedConnection } from "../../../lib/observed/connection.ts";
import type { Attachment } from "../../../lib/policy/attachment.ts";
import type { RuntimeRules } from "../../../lib/policy/runtime-rules.ts";
import { createObserved, type Observed, type ObservedContext } from "../../../watcher/observed.ts";
import { createFakeClock, type FakeClock } from "../../fakes/clock.ts";
import { createMemoryLog, type MemoryLog } from "../../fakes/log.ts";
import { attachmentOf } from "../../support/attachment.ts";
import { auditedBy, connection } from "../observed/fixtures.ts";
import { rule, runtimeRulesOf } from "../policy/fixtures.ts";

const web = attachmentOf();
const drop = rule({ action: "DROP" });
const audited = runtimeRulesOf({ "global/a": { rules: [drop], mode: "audit" } });
const none = runtimeRulesOf({});

let clock: FakeClock;
let log: MemoryLog;
/** What the kernel has logged and nobody has read yet. */
let lines: string[];
let saved: readonly ObservedConnection[] | undefined;
let saves: number;
let isDiskFull: boolean;
let observed: Observed;

beforeEach(() => {
  clock = createFakeClock(Date.parse("2026-11-24T12:00:00Z"));
  log = createMemoryLog();
  lines = [];
  saved = undefined;
  saves = 0;
  isDiskFull = false;
  observed = create();
});

function create(start: readonly ObservedConnection[] = []): Observed {
  return createObserved(start, {
    kernelLog: { read: () => lines.splice(0), close: () => {} },
    clock,
    log,
    save: (connections) => {
      if (isDiskFull) throw new Error("disk full");
      saves++;
      saved = connections;
    },
  });
}

interface Packet {
  readonly from?: Attachment;
  readonly source?: string;
  readonly to?: string;
  readonly port?: number;
  readonly through?: string;
}

function logged(prefix: string, { from = web, source, to = "192.0.2.1", port = 443, through }: Packet = {}): string {
  const [address = ""] = from.addresses;
  const inside = through ?? from.hostInterface?.name;
  return `${prefix}IN=cni0 OUT=uplink PHYSIN=${inside} SRC=${source ?? address} DST=${to} LEN=60 PROTO=TCP SPT=1 DPT=${port} `;
}

function look(context: Partial<ObservedContext> = {}, ...more: readonly string[]): void {
  lines.push(...more);
  observed.look({ attachments: [web], runtimeRules: audited, isSettled: true, ...context });
}

const told = () => log.lines.filter(({ level }) => level === "info");

describe("what the kernel logs", () => {
  test("is told with allocation, job and destination when it is denied", () => {
    look({}, logged(deniedPrefix(web.containerId)));
    expect(log.lines).toEqual([
      {
        level: "info",
        message: "Denied a connection",
        fields: {
          allocation: web.containerId,
          network: "egress",
          namespace: "default",
          job: "web",
          group: "app",
          protocol: "tcp",
          destination: "192.0.2.1",
          port: 443,
          lines: 1,
          firstSeen: "2026-11-24T12:00:00.000Z",
          lastSeen: "2026-11-24T12:00:00.000Z",
        },
      },
    ]);
    expect(observed.audited()).toEqual([]);
  });

  test("is told with the rule set's key when that is audited, and listed for the node's status", () => {
    look({}, logged(auditPrefix("denied", "global/a")), logged(auditPrefix("accepted", "global/a"), { port: 80 }));
    expect(told().map(({ message, fields }) => [message, fields["key"], fields["port"]])).toEqual([
      ["An audited rule set would have denied a connection", "global/a", 443],
      ["An audited rule set would have accepted a connection", "global/a", 80],
    ]);
    const entry = { key: "global/a", allocation: web.containerId, protocol: "tcp", destination: "192.0.2.1" };
    expect(observed.audited()).toEqual([
      { ...entry, wouldBe: "accepted", port: 80 },
      { ...entry, wouldBe: "denied", port: 443 },
    ]);
  });

  test("is nobody's where the address, the allocation or the rule set is not known", () => {
    look(
      {},
      logged(deniedPrefix(web.containerId), { source: "10.99.9.9" }),
      logged(deniedPrefix("another")),
      logged(auditPrefix("denied", "global/b")),
      "outbound nonsense",
    );
    expect(log.lines).toEqual([]);
  });

  test("is of the attachment whose interface it came through, or the newest that has the address", () => {
    const newer = attachmentOf({
      containerId: "newer",
      sequence: 2000,
      hostInterface: { name: "v2", isBridgePort: true },
    });
    const attachments = [web, newer];
    const prefix = auditPrefix("denied", "global/a");
    look({ attachments }, logged(prefix, { through: "v2", port: 1 }), logged(prefix, { port: 2 }));
    look({ attachments: attachments.toReversed() }, logged(prefix, { through: "cni9", port: 3 }));
    expect(told().map(({ fields }) => [fields["port"], fields["allocation"]])).toEqual([
      [1, "newer"],
      [2, web.containerId],
      [3, "newer"],
    ]);
  });

  test("is known also where the container or the audit ended in the same second", () => {
    look();
    look(
      { attachments: [], runtimeRules: none },
      logged(deniedPrefix(web.containerId)),
      logged(auditPrefix("denied", "global/a")),
    );
    expect(told()).toHaveLength(2);
    look({ attachments: [], runtimeRules: none }, logged(deniedPrefix(web.containerId), { port: 1 }));
    expect(told()).toHaveLength(2);
  });
});

describe("what is told", () => {
  const denied = (port: number) => logged(deniedPrefix(web.containerId), { port });

  test("is each kind of connection once in ten minutes, with how often it was seen", async () => {
    for (let second = 0; second < 601; second++) {
      look({}, denied(443));
      await clock.advance(1000);
    }
    expect(told().map(({ fields }) => fields["lines"])).toEqual([1, 601]);
  });

  test("is at most 20 a second, what was left out is counted and comes when it is seen again", async () => {
    const all = Array.from({ length: 50 }, (_, index) => denied(index + 1));
    look({}, ...all);
    expect(told()).toHaveLength(20);
    expect(log.lines.at(-1)).toMatchObject({ level: "warn", fields: { leftOut: 30 } });
    await clock.advance(400);
    look({}, denied(30));
    expect(told()).toHaveLength(20);
    await clock.advance(600);
    look({}, ...all);
    expect(told()).toHaveLength(40);
    await clock.advance(1000);
    look({}, ...all);
    expect(new Set(told().map(({ fields }) => fields["port"])).size).toBe(50);
  });
});

describe("what is remembered", () => {
  const from = (index: number) => ({ to: `10.1.${Math.floor(index / 200)}.${index % 200}` });

  test("is kept on disk, at most once in five seconds and only when there is something new", async () => {
    const line = logged(auditPrefix("denied", "global/a"));
    look({}, line);
    expect(saves).toBe(1);
    for (let second = 0; second < 10; second++) {
      await clock.advance(1000);
      look({}, line);
    }
    expect(saves).toBe(3);
    for (let second = 0; second < 10; second++) {
      await clock.advance(1000);
      look();
    }
    expect(saves).toBe(3);
    expect(saved).toMatchObject([
      { lines: 11, firstSeen: "2026-11-24T12:00:00.000Z", lastSeen: "2026-11-24T12:00:10.000Z" },
    ]);
    look({}, line, line);
    observed.close();
    expect(saved).toMatchObject([{ lines: 13 }]);
  });

  test("goes on after a restart", () => {
    look({}, logged(auditPrefix("denied", "global/a")), logged(deniedPrefix(web.containerId)));
    const before = observed.audited();
    observed = create(saved);
    expect(observed.audited()).toEqual(before);
    look({}, logged(auditPrefix("denied", "global/a")));
    observed.close();
    expect(saved?.map(({ lines: count }) => count)).toEqual([1, 2]);
  });

  test("are the 1,000 kinds of connection seen last", () => {
    look({}, ...Array.from({ length: 1_000 }, (_, index) => logged(deniedPrefix(web.containerId), from(index))));
    look({}, logged(deniedPrefix(web.containerId), from(0)), logged(deniedPrefix(web.containerId), from(1_000)));
    observed.close();
    const destinations = new Set(saved?.map(({ destination }) => destination));
    expect(destinations.size).toBe(1_000);
    expect([0, 1, 1_000].map((index) => destinations.has(from(index).to))).toEqual([true, false, true]);
  });

  test("of a full disk is said once, and kept when there is room again", async () => {
    isDiskFull = true;
    for (let second = 0; second < 12; second++) {
      look({}, logged(deniedPrefix(web.containerId)));
      await clock.advance(1000);
    }
    expect(log.lines.filter(({ level }) => level === "error")).toHaveLength(1);
    isDiskFull = false;
    await clock.advance(5000);
    look();
    expect(saved).toMatchObject([{ lines: 12 }]);
  });
});

describe("the list of what audited rule sets would have decided", () => {
  const line = (key: string, index: number) => logged(auditPrefix("denied", key), { port: index + 1 });

  test("is the same list while nothing new is seen", () => {
    look({}, line("global/a", 0));
    const before = observed.audited();
    look({}, line("global/a", 0), logged(deniedPrefix(web.containerId)));
    expect(observed.audited()).toBe(before);
  });

  test("holds the first 20 of a key and 200 altogether, whatever comes and is forgotten afterwards", () => {
    const keys = Array.from({ length: 12 }, (_, index) => `global/k${index}`);
    const runtimeRules = runtimeRulesOf(
      Object.fromEntries(keys.map((key) => [key, { rules: [drop], mode: "audit" as const }])),
    );
    for (const key of keys) look({ runtimeRules }, ...Array.from({ length: 30 }, (_, index) => line(key, index)));
    const before = observed.audited();
    expect(before).toHaveLength(200);
    expect(before.filter(({ key }) => key === "global/k0")).toHaveLength(20);
    look({ runtimeRules }, ...Array.from({ length: 2_000 }, (_, index) => line("global/k0", index)));
    expect(observed.audited()).toBe(before);
  });

  test.each<[string, RuntimeRules]>([
    ["is enforced", runtimeRulesOf({ "global/a": { rules: [drop] } })],
    ["has gone", none],
    ["has another version", { ...audited, ruleSets: audited.ruleSets.map((set) => ({ ...set, modifyIndex: 2 })) }],
    ["has expired", runtimeRulesOf({ "global/a": { rules: [drop], mode: "audit", expiresAt: 0 } })],
  ])("forgets a rule set that %s, once KV has been read", (_, runtimeRules) => {
    observed = create([connection({ decision: auditedBy("global/a") }), connection()]);
    look({ runtimeRules, isSettled: false });
    expect(observed.audited()).toHaveLength(1);
    look({ runtimeRules });
    expect(observed.audited()).toEqual([]);
    observed.close();
    expect(saved?.map(({ decision }) => decision.kind)).toEqual(["denied"]);
  });
});
