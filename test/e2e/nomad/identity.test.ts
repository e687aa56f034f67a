/** What a real Nomad leaves out of CNI_ARGS, a name with a semicolon, as one before 1.9.4 leaves out all names. */
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { AttachmentList, ListedAttachment } from "../../../lib/inspect/attachment-list.ts";
import { outboundPath } from "../../support/cni/outbound.ts";
import { parseOwnJson } from "../../support/json.ts";
import { waitUntil } from "../../support/wait.ts";
import { untilVerdict } from "../running-node.ts";
import { type Allocation, allocationOf, enter, logOf } from "./allocations.ts";
import { ALLOWED_PORT, type Cluster, FIRST_PORT, pluginVersion, repository, startCluster } from "./cluster.ts";
import { setUpConsulAcls } from "./consul-acl.ts";
import { runWorkload } from "./jobs.ts";
import { accept, areChecked, run, stop, ways } from "./steps.ts";

const WATCH = "nomad/outbound-watch.nomad.hcl";
const PLUGIN = "/opt/cni/bin/outbound";

let cluster: Cluster;
let watcher: Allocation;

beforeAll(async () => {
  cluster = await startCluster({ nomadAcl: true });
  const { agent, conflist } = cluster;
  await agent.exec(["cp", outboundPath, PLUGIN]);
  await agent.exec(["sh", "-c", "cat > /opt/cni/config/my-network.conflist"], { input: JSON.stringify(conflist) });
  await agent.reload();
  await waitUntil(async () => (await pluginVersion(cluster, "outbound")) !== undefined, {
    what: "the client to notice the plugin",
    timeoutMs: 20_000,
  });
  await setUpConsulAcls(cluster);
  const policy = join(repository, "nomad", "outbound-watch.nomad-policy.hcl");
  await agent.nomad(
    "acl",
    "policy",
    "apply",
    "-namespace",
    "default",
    "-job",
    "outbound-watch",
    "outbound-watch",
    policy,
  );
}, 300_000);

afterAll(() => cluster.close(), 60_000);

async function listed({ ID }: Allocation): Promise<ListedAttachment | undefined> {
  const { stdout } = await cluster.agent.exec([PLUGIN, "list", "--json"]);
  return parseOwnJson<AttachmentList>(stdout).attachments.find(({ allocation }) => allocation === ID);
}

test("an allocation whose job Nomad leaves out is listed as not known while no watcher runs", async () => {
  await runWorkload(cluster, "we;b");
  const web = await allocationOf(cluster.agent, "we;b");
  const { identity, unidentified } = (await listed(web)) ?? {};
  expect(identity).toEqual({ region: "global", namespace: "default", group: "app" });
  expect(unidentified).toHaveProperty("since");
});

test("the watcher asks by the task API, and the job's rules hold", async () => {
  const { agent } = cluster;
  await cluster.put("namespace/default/job/we=3Bb/a", accept(cluster, FIRST_PORT));
  await cluster.put("namespace/default/job/we=3Bb/group/app/d", { port: ALLOWED_PORT, proto: "tcp", action: "DROP" });
  const web = await allocationOf(agent, "we;b");
  const inside = await enter(cluster, web);
  for (const way of ways(cluster, FIRST_PORT)) expect(await inside.connect(way)).toBe("timeout");
  await run(cluster, WATCH, ["-var", "consul_identity=true"]);
  watcher = await allocationOf(agent, "outbound-watch");
  for (const way of ways(cluster, FIRST_PORT)) await untilVerdict(inside, way, "open", { timeoutMs: 20_000 });
  for (const way of ways(cluster, ALLOWED_PORT)) await untilVerdict(inside, way, "timeout");
  expect((await listed(web))?.identity).toEqual({ region: "global", namespace: "default", job: "we;b", group: "app" });
  expect(await logOf(agent, watcher)).toMatch(/"job":"we;b".*"msg":"Nomad says whose allocation this is"/);
  await inside.close();
});

test("so do those of another namespace's job, and of the parent of one that was dispatched", async () => {
  const { agent } = cluster;
  await agent.nomad("namespace", "apply", "team-a");
  await runWorkload(cluster, "te;am", { namespace: "team-a" });
  await runWorkload(cluster, "pa;r", { parameterized: true });
  const dispatched = (await agent.nomad("job", "dispatch", "-detach", "pa;r")).match(/pa;r\/dispatch-\S+/)?.[0] ?? "";
  await cluster.put("namespace/team-a/job/te=3Bam/a", accept(cluster, 1001));
  await cluster.put("namespace/default/job/pa=3Br/a", accept(cluster, 1002));
  const foreign = await enter(cluster, await allocationOf(agent, "te;am", { namespace: "team-a" }));
  const child = await enter(cluster, await allocationOf(agent, dispatched));
  for (const way of ways(cluster, 1001)) await untilVerdict(foreign, way, "open");
  for (const way of ways(cluster, 1002)) await untilVerdict(child, way, "open");
  for (const way of ways(cluster, 1002)) expect(await foreign.connect(way)).toBe("timeout");
  await Promise.all([foreign.close(), child.close()]);
  await stop(cluster, dispatched);
  await stop(cluster, "te;am", "team-a");
});

test("an agent that comes back checks such an allocation, and leaves it alone", async () => {
  const { agent } = cluster;
  const web = await allocationOf(agent, "we;b");
  await agent.restart("SIGTERM");
  await waitUntil(() => areChecked(agent.log(), [web]), { what: "the allocation to be checked", timeoutMs: 30_000 });
  expect((await allocationOf(agent, "we;b")).ID).toBe(web.ID);
  expect((await listed(web))?.identity).toHaveProperty("job", "we;b");
  const inside = await enter(cluster, web);
  for (const way of ways(cluster, FIRST_PORT)) await untilVerdict(inside, way, "open");
  await inside.close();
});
