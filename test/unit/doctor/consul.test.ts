import { describe, expect, test } from "vitest";
import type { Check } from "../../../lib/doctor/check.ts";
import type { AccessFacts } from "../../../lib/doctor/consul-access.ts";
import { checkConsul, type ConsulFacts } from "../../../lib/doctor/consul.ts";
import { containing } from "../../support/containing.ts";
import { states, troubles } from "./checks.ts";

const access: AccessFacts = {
  root: "outbound/",
  hasToken: true,
  isWatcherInSync: false,
  prefixes: [
    { prefix: "outbound/rules/global/", outcome: "readable" },
    { prefix: "outbound/rules/node/n1/", outcome: "readable" },
  ],
  statusKey: "outbound/status/n1",
  mayWriteStatus: { key: true, session: true },
};
const answer = { leader: "10.0.0.1:8300", dateMs: 1_000_000, atMs: 1_000_400 };
const good: ConsulFacts = {
  address: "http://127.0.0.1:8500",
  isAddressSet: false,
  answer,
  version: "1.22.1",
  access,
};

function troublesOf(changes: Partial<ConsulFacts>): readonly Check[] {
  return troubles(checkConsul({ ...good, ...changes }));
}

function accessTroubles(changes: Partial<AccessFacts>): readonly Check[] {
  return troublesOf({ access: { ...access, ...changes } });
}

describe("Consul", () => {
  test("that answers, has a leader and lets us read and write is good", () => {
    const checks = checkConsul(good);
    expect(states(checks)).toEqual(["ok Consul", "ok rules in KV", "ok status in KV", "ok Consul version", "ok clock"]);
    expect(checks[1]?.message).toBe("2 prefixes of rules can be read: global/, node/n1/");
  });

  test("that is not reached is one problem, with where it was looked for and which variable says so", () => {
    const unreached = { answer: { unread: "Cannot ask Consul for its leader: connect ECONNREFUSED" } };
    expect(checkConsul({ ...good, ...unreached })).toMatchObject([
      {
        state: "problem",
        message:
          "Consul is not reached at http://127.0.0.1:8500 (the default, as CONSUL_HTTP_ADDR is not set): connect ECONNREFUSED",
      },
    ]);
    expect(checkConsul({ ...good, ...unreached, isAddressSet: true })[0]?.message).toContain("(CONSUL_HTTP_ADDR)");
  });

  test("whose variables are wrong is one problem that names the variable", () => {
    expect(checkConsul({ unread: "Cannot parse CONSUL_HTTP_ADDR: ftp:// is none" })).toMatchObject([
      { name: "Consul", state: "problem", message: containing("CONSUL_HTTP_ADDR") },
    ]);
  });

  test("without a leader says no more of its rules", () => {
    expect(states(checkConsul({ ...good, answer: { ...answer, leader: "" } }))).toEqual([
      "problem Consul",
      "ok Consul version",
      "ok clock",
    ]);
  });

  test("before 1.11 does not tell of filtered keys", () => {
    const statesOf = ["1.8.7", "1.10.12", "1.11.0", "1.11.0-beta1", "2.0.0+ent"].map(
      (version) => checkConsul({ ...good, version }).find(({ name }) => name === "Consul version")?.state,
    );
    expect(statesOf).toEqual(["warning", "warning", "ok", "ok", "ok"]);
    expect(troublesOf({ version: { unread: "the token may not ask for it" } })).toMatchObject([{ state: "unknown" }]);
    expect(troublesOf({ version: "unreleased" })).toMatchObject([{ state: "unknown" }]);
  });

  test("whose clock is more than 5 s away from ours is a warning, whichever is ahead", () => {
    const messages = [-6_000, -5_000, 0, 5_900, 7_000].map(
      (aheadMs) => troublesOf({ answer: { ...answer, atMs: answer.dateMs + aheadMs } })[0]?.message,
    );
    expect(messages).toEqual([
      containing("7 s behind"),
      containing("6 s behind"),
      undefined,
      containing("5 s ahead of"),
      containing("7 s ahead of"),
    ]);
    expect(troublesOf({ answer: { ...answer, dateMs: undefined } })).toMatchObject([
      { name: "clock", state: "unknown" },
    ]);
  });
});

describe("ACLs", () => {
  const hidden = [{ prefix: "outbound/rules/global/", outcome: "hidden" }] as const;

  test("that hide rules are a problem, with what the token needs", () => {
    const expected = {
      name: "rules in KV",
      state: "problem",
      remedy: containing('key_prefix "outbound/rules/" { policy = "read" }'),
    };
    expect(accessTroubles({ prefixes: hidden })).toMatchObject([expected]);
    expect(accessTroubles({ prefixes: [{ prefix: "outbound/rules/global/", outcome: "filtered" }] })).toMatchObject([
      expected,
    ]);
    expect(accessTroubles({ prefixes: hidden, hasToken: false })[0]?.message).toContain("CONSUL_HTTP_TOKEN is not set");
  });

  test("are not judged without a token while the watcher, which has one, is in sync", () => {
    const changes = { hasToken: false, isWatcherInSync: true, mayWriteStatus: { key: false, session: false } };
    expect(states(accessTroubles({ ...changes, prefixes: hidden }))).toEqual([
      "unknown rules in KV",
      "unknown status in KV",
    ]);
  });

  test("that keep the status from being written are a warning, with what the token needs", () => {
    const remedies = [
      { key: false, session: undefined },
      { key: true, session: false },
      { key: false, session: false },
    ].map((mayWriteStatus) => accessTroubles({ mayWriteStatus }).map(({ state, remedy }) => `${state}: ${remedy}`));
    const key = 'key_prefix "outbound/status/" { policy = "write" }';
    const session = 'session_prefix "" { policy = "write" }';
    expect(remedies).toEqual([
      [`warning: The token needs ${key}`],
      [`warning: The token needs ${session}`],
      [`warning: The token needs ${key} and ${session}`],
    ]);
  });

  test("that cannot be asked are left out, and a failed question is told", () => {
    expect(checkConsul({ ...good, access: { ...access, mayWriteStatus: undefined } })).toHaveLength(4);
    expect(accessTroubles({ mayWriteStatus: { unread: "timeout" } })).toMatchObject([{ state: "unknown" }]);
    expect(
      accessTroubles({ prefixes: [{ prefix: "a", outcome: { unread: "Cannot read a: timeout" } }] }),
    ).toMatchObject([{ state: "problem", message: "Cannot read a: timeout" }]);
  });
});
