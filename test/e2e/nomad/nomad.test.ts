/** On a real Nomad, in this order: each test goes on from where the one before it has left the cluster. */
import { setTimeout as sleep } from "node:timers/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { chainOf } from "../../support/cni/outbound.ts";
import { monotonicMs, waitUntil } from "../../support/wait.ts";
import { closeAndFindHarmed } from "../open-flows.ts";
import { CONTRACT_MS, savedRules, untilVerdict } from "../running-node.ts";
import { type Allocation, allocationOf, allocationsOf, enter, eventsOf, type Inside, logOf } from "./allocations.ts";
import {
  ALLOWED_PORT,
  type Cluster,
  DENIED_PORT,
  FIRST_PORT,
  pluginVersion,
  repository,
  startCluster,
} from "./cluster.ts";
import { setUpConsulAcls } from "./consul-acl.ts";
import { runWorkload } from "./jobs.ts";
import { buildVersions, type Release } from "./release.ts";
import {
  accept,
  areChecked,
  installed,
  meanwhile,
  openFlows,
  run,
  startDenied,
  stop,
  undisturbed,
  untilDeployed,
  validate,
  ways,
} from "./steps.ts";

const INSTALL = "nomad/outbound-install.nomad.hcl";
const EXAMPLE = "nomad/example-workload.nomad.hcl";
const WATCH = "nomad/outbound-watch.nomad.hcl";
const asWorkload = ["-var", "consul_identity=true", "-var", "service_provider=consul"];

let cluster: Cluster;
let releases: readonly Release[];

beforeAll(async () => {
  cluster = await startCluster();
  const { conflist, node } = cluster;
  const versions = await buildVersions(node.directory);
  releases = await Promise.all(versions.map((version) => cluster.publish({ ...version, conflist })));
}, 300_000);

afterAll(() => cluster.close(), 60_000);

test("nomad fmt and nomad job validate accept every file, by a client that knows the drivers' options", async () => {
  const { agent } = cluster;
  await agent.nomad("fmt", "-check", "-recursive", join(repository, "nomad"));
  const [release] = releases;
  const files = [WATCH, "nomad/outbound-watch-docker.nomad.hcl", EXAMPLE];
  const validated = [await validate(cluster, INSTALL, release?.withConflist ?? [])];
  for (const file of files) validated.push(await validate(cluster, file, []));
  const isValid = validated.map(({ stdout }) => /^Job validation successful$/m.test(stdout));
  expect(isValid).toEqual([true, true, true, true]);
  const wrong = await validate(cluster, WATCH, ["-var", "service_provider=dns"]);
  expect(wrong.exitCode).toBe(1);
});

describe("outbound-install", () => {
  test("installs nothing of which the checksum is not the one that was said", async () => {
    const [release] = releases;
    const wrong = release?.variables.map((each) => each.replace(/^sha256=..../, "sha256=0000")) ?? [];
    await run(cluster, INSTALL, wrong);
    const failed = await allocationOf(cluster.agent, "outbound-install", { status: "pending" });
    await waitUntil(async () => /checksum/i.test(await eventsOf(cluster.agent, failed)) || undefined, {
      what: "the checksum to be told",
      timeoutMs: 30_000,
    });
    await stop(cluster, "outbound-install");
    expect(await installed(cluster)).toEqual([]);
  });

  test("puts plugin and conflist on the client, which notices at once; again, it changes nothing", async () => {
    const { agent } = cluster;
    const [release] = releases;
    expect(await pluginVersion(cluster, "outbound")).toBeUndefined();
    const reload = ["-var", `after=kill -HUP ${agent.pid()}`];
    await run(cluster, INSTALL, [...(release?.withConflist ?? []), ...reload]);
    const first = await allocationOf(agent, "outbound-install", { status: "complete" });
    expect(await logOf(agent, first)).toContain(`Installed outbound ${release?.version}`);
    expect(await installed(cluster)).toEqual(["/opt/cni/bin/outbound", "/opt/cni/config/my-network.conflist"]);
    await waitUntil(async () => (await pluginVersion(cluster, "outbound")) === `v${release?.version}` || undefined, {
      what: "the client to notice",
      timeoutMs: 20_000,
    });
    await run(cluster, INSTALL, [...(release?.withConflist ?? []), "-var", "run=again"]);
    const second = await allocationOf(agent, "outbound-install", { status: "complete", not: [first] });
    expect(await logOf(agent, second)).toContain("Nothing to do");
  });
});

describe("outbound-watch", () => {
  test("gets its token by workload identity, and is a service of Consul's with a check that passes", async () => {
    const { agent, consul } = cluster;
    await setUpConsulAcls(cluster);
    await run(cluster, WATCH, asWorkload);
    const watcher = await allocationOf(agent, "outbound-watch");
    await untilDeployed(cluster, "outbound-watch");
    expect(await logOf(agent, watcher)).toMatch(/"node":"n1".*"msg":"Watcher started"[^]*"msg":"In sync with Consul"/);
    const { body } = await consul.request({ path: "/v1/health/service/outbound-watch?passing" });
    expect(body).toMatch(/"Address": ?"127\.0\.0\.1",[^]*"Port": ?9710/);
    expect(await consul.get("outbound/status/n1")).toContain('"node":"n1"');
  });
});

describe("a workload", () => {
  test("reaches what the conflist says, and with a rule in Consul KV more, within a second, over IPv4 and IPv6", async () => {
    await runWorkload(cluster, "web");
    const inside = await enter(cluster, await allocationOf(cluster.agent, "web"));
    for (const way of ways(cluster, ALLOWED_PORT)) expect(await inside.canReach(way)).toBe(true);
    for (const way of ways(cluster, FIRST_PORT)) expect(await inside.connect(way)).toBe("timeout");
    await cluster.put("namespace/default/job/web/more", accept(cluster, FIRST_PORT));
    for (const way of ways(cluster, FIRST_PORT))
      expect(await untilVerdict(inside, way, "open")).toBeLessThan(CONTRACT_MS);
    const flows = await openFlows(cluster, inside, FIRST_PORT);
    const deniedAtMs = monotonicMs();
    await cluster.put("namespace/default/deny", { port: FIRST_PORT, proto: "tcp", action: "DROP" });
    for (const { flow } of flows.filter(({ what }) => what.startsWith("tcp"))) {
      const last = await flow.lastReplyBeforeCut();
      expect((last?.sentAtMs ?? 0) - deniedAtMs).toBeLessThan(CONTRACT_MS);
    }
    for (const way of ways(cluster, FIRST_PORT)) expect(await inside.connect(way)).toBe("timeout");
    expect(await closeAndFindHarmed(flows.filter(({ what }) => what.startsWith("udp")))).toEqual([]);
    await inside.close();
  });

  test("as in the example shows in its log what it reaches, and that a rule in Consul KV opens it", async () => {
    const { agent, outside } = cluster;
    const target = `${outside[4]}/1007`;
    await run(cluster, EXAMPLE, ["-var", `targets=${target} 10.2.0.1/443`]);
    const example = await allocationOf(agent, "example-workload");
    const says = async (line: string) => {
      const isSaid = async () => (await logOf(agent, example)).includes(`${line}\n`);
      expect(await waitUntil(isSaid, { what: `the line ${line}`, timeoutMs: 15_000 })).toBe(true);
    };
    await says(`${target} closed`);
    await cluster.put("namespace/default/job/example-workload/allow-web", {
      host: outside[4],
      proto: "tcp",
      port: 1007,
      action: "ACCEPT",
    });
    await says(`${target} open`);
    await stop(cluster, "example-workload");
  });

  test("has rules of its own by network.cni.args", async () => {
    const { agent, outside } = cluster;
    const rules = [
      { host: outside[4], action: "REJECT" },
      { host: [outside[4], outside[6]], proto: "tcp", port: 1001, action: "ACCEPT" },
    ];
    await runWorkload(cluster, "own-rules", { args: { "outbound.additional_rules": JSON.stringify(rules) } });
    const inside = await enter(cluster, await allocationOf(agent, "own-rules"));
    expect(await inside.canReach({ address: outside[6], port: 1001 })).toBe(true);
    expect(await inside.canReach({ address: outside[6], port: ALLOWED_PORT })).toBe(true);
    for (const port of [ALLOWED_PORT, 1001]) {
      expect(await inside.connect({ address: outside[4], port })).toBe("refused");
    }
    await inside.close();
  });

  test("with rules that do not parse is failed, and told why", async () => {
    const { agent } = cluster;
    await runWorkload(cluster, "wrong-rules", { args: { "outbound.additional_rules": "[{}]" } });
    const failed = await allocationOf(agent, "wrong-rules", { status: "failed" });
    expect(await eventsOf(agent, failed)).toMatch(/plugin type="outbound" failed \(add\): .*action/);
    await stop(cluster, "wrong-rules");
  });

  test("of another Nomad namespace, and one that was dispatched, have the rules of their scopes and no others", async () => {
    const { agent } = cluster;
    await agent.nomad("namespace", "apply", "team-b");
    await runWorkload(cluster, "web", { namespace: "team-b" });
    await runWorkload(cluster, "batch", { parameterized: true });
    const dispatched =
      (await agent.nomad("job", "dispatch", "-detach", "batch")).match(/batch\/dispatch-\S+/)?.[0] ?? "";
    const foreign = await enter(cluster, await allocationOf(agent, "web", { namespace: "team-b" }));
    const child = await enter(cluster, await allocationOf(agent, dispatched));
    await cluster.put("namespace/team-b/job/web/a", accept(cluster, 1002));
    await cluster.put("namespace/default/job/batch/a", accept(cluster, 1003));
    await cluster.put(`namespace/default/job/${dispatched.replace("/", "=2F")}/a`, accept(cluster, 1004));
    for (const [inside, reached] of [
      [foreign, [1002]],
      [child, [1003, 1004]],
    ] as const) {
      for (const port of reached) for (const way of ways(cluster, port)) await untilVerdict(inside, way, "open");
      for (const port of [FIRST_PORT, 1002, 1003, 1004].filter((each) => !reached.some((one) => one === each))) {
        for (const way of ways(cluster, port))
          expect({ port, is: await inside.connect(way) }).toEqual({ port, is: "timeout" });
      }
      await inside.close();
    }
    await stop(cluster, dispatched);
    await stop(cluster, "web", "team-b");
  });
});

describe("with flows open that may pass, and one sending that must not,", () => {
  let web: Allocation;
  let ownRules: Allocation;
  let inside: Inside;

  beforeAll(async () => {
    web = await allocationOf(cluster.agent, "web");
    ownRules = await allocationOf(cluster.agent, "own-rules");
    inside = await enter(cluster, web);
  });

  test("the agent is killed and comes back: everything is checked and goes on, not a packet lost or let through", async () => {
    const { agent } = cluster;
    const before = [...(await allocationsOf(agent, "web")), ...(await allocationsOf(agent, "outbound-watch"))];
    const seen = await meanwhile(cluster, inside, async () => {
      // What Nomad knows of an allocation's network it writes once a minute, and when it is ended in peace: killed sooner
      // after an allocation's start it fails it, whatever the plugins say.
      for (const signal of ["SIGTERM", "SIGKILL"] as const) {
        await agent.restart(signal);
        const areAll = () => areChecked(agent.log(), [web, ownRules]);
        await waitUntil(areAll, { what: "allocations to be checked", timeoutMs: 30_000 });
      }
      await sleep(1_000);
    });
    expect(seen).toEqual(undisturbed);
    const after = [...(await allocationsOf(agent, "web")), ...(await allocationsOf(agent, "outbound-watch"))];
    const statusOf = ({ ID, ClientStatus }: Allocation) => ({ ID, ClientStatus });
    expect(after.map(statusOf)).toEqual(before.map(statusOf));
    await cluster.put("namespace/default/job/web/later", accept(cluster, 1005));
    for (const way of ways(cluster, 1005)) await untilVerdict(inside, way, "open");
  });

  test("plugin and watcher are upgraded in place: not a packet lost or let through, and rules follow on", async () => {
    const { agent } = cluster;
    const [, next] = releases;
    const old = await allocationsOf(agent, "outbound-watch");
    const seen = await meanwhile(cluster, inside, async () => {
      const before = await allocationsOf(agent, "outbound-install");
      await run(cluster, INSTALL, next?.variables ?? []);
      const done = await allocationOf(agent, "outbound-install", { status: "complete", not: before });
      expect(await logOf(agent, done)).toContain(`Installed outbound ${next?.version}`);
      // And with its service in Nomad from now on.
      await run(cluster, WATCH, ["-var", "consul_identity=true", "-var", `release=${next?.version}`]);
      const watcher = await allocationOf(agent, "outbound-watch", { not: old });
      const said = () => logOf(agent, watcher);
      await waitUntil(async () => (await said()).includes("In sync with Consul") || undefined, {
        what: "the new watcher to be in sync",
        timeoutMs: 30_000,
      });
      expect(await said()).toContain(`"version":"${next?.version}"`);
      await cluster.put("namespace/default/job/web/after", accept(cluster, 1006));
      for (const way of ways(cluster, 1006)) await untilVerdict(inside, way, "open");
    });
    expect(seen).toEqual(undisturbed);
    await untilDeployed(cluster, "outbound-watch");
    expect(await agent.api("service/outbound-watch")).toMatchObject([{ Address: "127.0.0.1", Port: 9710 }]);
    expect(await installed(cluster)).toContain("/opt/cni/bin/outbound.previous");
  });

  test("the plugin goes back to the version before", async () => {
    const { agent } = cluster;
    const [first, next] = releases;
    const before = await allocationsOf(agent, "outbound-install");
    await run(cluster, INSTALL, [...(next?.variables ?? []), "-var", "rollback=true"]);
    const done = await allocationOf(agent, "outbound-install", { status: "complete", not: before });
    expect(await logOf(agent, done)).toContain(`Rolled back to outbound ${first?.version}`);
    expect((await agent.exec(["/opt/cni/bin/outbound", "--version"])).stdout.trim()).toBe(first?.version);
  });

  test("(what must not arrive does arrive when a rule lets it)", async () => {
    await cluster.put("namespace/default/job/web/control", accept(cluster, DENIED_PORT));
    for (const { address } of ways(cluster, DENIED_PORT)) {
      const flood = await startDenied(cluster, inside, address);
      await waitUntil(async () => (await flood.passed()).received > 100, { what: "packets to arrive" });
      expect((await flood.stop()).received).toBeGreaterThan(100);
    }
  });

  test("a workload that is stopped leaves no chain and no record", async () => {
    const { agent, conflist, node } = cluster;
    expect(await savedRules(node)).toContain(chainOf(conflist, web.ID));
    await inside.close();
    for (const job of ["web", "own-rules"]) await stop(cluster, job);
    const areGone = async () => !(await savedRules(node)).includes("CNI-OUT-");
    await waitUntil(areGone, { what: "the chains to go", timeoutMs: 20_000 });
    expect((await agent.exec(["find", "/run/cni-outbound/attachments", "-name", "*.json"])).stdout).toBe("");
  });
});
