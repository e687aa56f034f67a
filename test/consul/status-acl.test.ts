import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { systemClock } from "../../lib/host/clock.ts";
import { parseConsulSettings } from "../../lib/host/consul-settings.ts";
import { createConsul } from "../../lib/host/consul.ts";
import { createConsulSessions } from "../../lib/host/consul-session.ts";
import { formatNodeStatus } from "../../lib/status/node-status.ts";
import { readStatusQuestion } from "../../cmd/status-question.ts";
import { waitForCluster } from "../../cmd/wait-for-cluster.ts";
import { createRequestLimit } from "../../watcher/request-limit.ts";
import { startStatusKey } from "../../watcher/status-key.ts";
import { createMemoryLog, type MemoryLog } from "../fakes/log.ts";
import { ensureConsul } from "../setup/consul.ts";
import { type ConsulAgent, startConsul } from "../support/consul-agent.ts";
import { waitUntil } from "../support/wait.ts";
import { DENY, ruleSetOf, statusOf } from "../unit/status/fixtures.ts";

const policyFile = join(import.meta.dirname, "..", "..", "nomad", "outbound-watch.policy.hcl");
const key = "outbound/status/n1";

let agent: ConsulAgent;
let ends: (() => Promise<void>)[] = [];

beforeAll(async () => {
  agent = await startConsul({ binary: await ensureConsul(), acl: true });
});
afterEach(async () => {
  for (const end of ends) await end();
  ends = [];
});
afterAll(() => agent.close());

/** The status key of node n1, with a token that may do what these ACL rules say. */
async function startWith(rules: string): Promise<{ log: MemoryLog; end: () => Promise<void> }> {
  const log = createMemoryLog();
  const stop = new AbortController();
  const sessions = createConsulSessions(settingsWith(await agent.createToken(rules)));
  const limit = createRequestLimit({ clock: systemClock });
  const describeNode = () => formatNodeStatus(statusOf("n1"));
  const ports = { sessions, describe: describeNode, limit, clock: systemClock, random: () => 0, log };
  const statusKey = startStatusKey({ key, signal: stop.signal }, ports);
  statusKey.changed();
  const end = async () => {
    stop.abort();
    await statusKey.ended;
    sessions.close();
  };
  ends.push(end);
  return { log, end };
}

function settingsWith(token: string) {
  return parseConsulSettings({ CONSUL_HTTP_ADDR: agent.url, CONSUL_HTTP_TOKEN: token });
}

/** The policy that an operator gets by taking the hashes from its last lines. */
async function strictPolicy(): Promise<string> {
  const text = await readFile(policyFile, "utf8");
  const strict = text.slice(text.indexOf('# key "')).replaceAll(/^# /gm, "");
  return strict.replace("<node>", "n1").replace("<the agent's node name>", "consul");
}

describe("with ACLs that deny what they do not allow", () => {
  test.each([
    ["the policy that is shipped", () => readFile(policyFile, "utf8")],
    ["the strict one that it describes", strictPolicy],
  ])("%s lets a watcher write its status, and take it away", async (_, policy) => {
    const { end } = await startWith(await policy());
    await waitUntil(async () => (await agent.get(key)) !== undefined, { what: "the status key" });
    await end();
    expect(await agent.get(key)).toBeUndefined();
  });

  test("the strict one lets it write no other node's", async () => {
    const sessions = createConsulSessions(settingsWith(await agent.createToken(await strictPolicy())));
    const { signal } = new AbortController();
    const session = await sessions.create({ name: "test", ttlSeconds: 60, signal });
    const other = sessions.acquire({ key: "outbound/status/n2", value: "{}", session, signal });
    await expect(other).rejects.toMatchObject({ kind: "forbidden" });
    await sessions.destroy({ session, signal });
    sessions.close();
  });

  test.each([
    ["no session", 'key_prefix "outbound/" { policy = "write" }'],
    ["no write of the key", 'key_prefix "outbound/" { policy = "read" } session_prefix "" { policy = "write" }'],
  ])("a token that allows %s leaves the watcher with one warning", async (_, rules) => {
    const { log } = await startWith(rules);
    await waitUntil(() => log.lines.length > 0, { what: "a warning" });
    // Time for a few more tries.
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(log.lines.map(({ message }) => message)).toEqual([
      "Cannot write this node's status, outbound status will not see it",
    ]);
    expect(await agent.get(key)).toBeUndefined();
  });
});

describe("an author's token", () => {
  beforeAll(async () => {
    for (const each of ["global/own", "namespace/team-a/own"]) await agent.put(`outbound/rules/${each}`, DENY);
    const ruleSets = ["global/own", "namespace/team-a/own"].map((each) => ruleSetOf(each, 1));
    await agent.put("outbound/status/n9", formatNodeStatus(statusOf("n9", { ruleSets })));
  });

  async function ask(rules: string, word?: string) {
    const consul = createConsul(settingsWith(await agent.createToken(rules)));
    const { signal } = new AbortController();
    const question = readStatusQuestion(word, { prefix: "outbound" });
    return waitForCluster(question, { timeoutMs: 0 }, { consul, clock: systemClock, signal }).finally(() =>
      consul.close(),
    );
  }

  const ofTeam = 'key_prefix "outbound/rules/namespace/team-a/" { policy = "write" }';
  const ofStatus = 'key_prefix "outbound/status/" { policy = "read" }';

  test("for one namespace sees its rule sets, and says that others are hidden", async () => {
    const cluster = await ask(`${ofTeam} ${ofStatus}`);
    expect(cluster.ruleSets.map((each) => each.key)).toEqual(["namespace/team-a/own"]);
    expect(cluster).toMatchObject({ hidesRules: true, hidesStatuses: false });
    expect(await ask(`${ofTeam} ${ofStatus}`, "namespace/team-a/")).toMatchObject({ hidesRules: false });
  });

  test("that may not read statuses is told so, and that nothing is known", async () => {
    expect(await ask(ofTeam, "namespace/team-a/own")).toMatchObject({
      hidesStatuses: true,
      nodes: [],
      ruleSets: [{ state: "unreported" }],
    });
  });

  test("that may not read a rule set fails with that, instead of saying that there is none", async () => {
    await expect(ask(`${ofTeam} ${ofStatus}`, "global/own")).rejects.toMatchObject({ kind: "forbidden" });
    await expect(ask(ofStatus)).rejects.toMatchObject({ kind: "forbidden" });
  });
});
