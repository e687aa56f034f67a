import { chmod, readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { waitUntil } from "../support/wait.ts";
import { startWatcher } from "../support/watcher.ts";
import { acceptTo, conflistOf, startRunningNode, untilVerdict } from "./running-node.ts";

test("what plugin, kernel and Consul did is counted, and so is what ADDs did while no watcher ran", async () => {
  const running = await startRunningNode({ backend: "nft", consul: { persistent: true } });
  onTestFinished(() => running.close());
  const { node, conflist, outside } = running;
  // One from before there is a watcher.
  const first = await node.attach({ conflist });
  const watcher = await startWatcher(node);
  await watcher.waitForLine("In sync with Consul");
  const guest = await node.attach({ conflist });
  await guest.detach();
  await expect(node.attach({ conflist, args: { "outbound.additional_rules": '[{"action":"NOPE"}]' } })).rejects.toThrow(
    "NOPE",
  );
  await running.put("global/allow", acceptTo(running, 1000));
  await untilVerdict(first, { address: outside[4], port: 1000 }, "open");
  const runs = {
    'outbound_plugin_seconds_count{verb="ADD"}': 3,
    // The refused ADD is undone, as Nomad does.
    'outbound_plugin_seconds_count{verb="DEL"}': 2,
    'outbound_plugin_failures_total{verb="ADD"}': 1,
    'outbound_plugin_failures_total{verb="DEL"}': 0,
    outbound_plugin_damaged_records_total: 0,
  };
  const counted = await waitUntil(
    async () => {
      const metrics = await watcher.metrics();
      return metrics['outbound_plugin_seconds_count{verb="DEL"}'] === 2 && metrics;
    },
    { what: "all runs to be counted" },
  );
  expect(counted).toMatchObject({
    ...runs,
    outbound_in_sync: 1,
    outbound_out_of_sync_timestamp_seconds: 0,
    outbound_runtime_rules_kept: 1,
    outbound_attachments: 1,
    'outbound_rule_sets{state="enforced"}': 1,
    'outbound_restore_failures_total{family="ipv4",variant="nf_tables"}': 0,
    'outbound_consul_request_failures_total{purpose="rules",kind="unreachable"}': 0,
  });
  expect(counted['outbound_restore_seconds_count{family="ipv4",variant="nf_tables"}']).toBeGreaterThan(0);
  expect(counted['outbound_snapshot_index{prefix="global/"}']).toBeGreaterThan(0);
  expect(counted['outbound_snapshot_timestamp_seconds{prefix="network/egress/"}']).toBeGreaterThan(1.7e9);
  expect(counted['outbound_plugin_seconds_sum{verb="ADD"}']).toBeGreaterThan(0);

  await running.consul.kill("SIGKILL");
  await waitUntil(async () => (await watcher.ready()).status === 503, { what: "unreadiness" });
  const lost = await watcher.metrics();
  expect(lost["outbound_out_of_sync_timestamp_seconds"]).toBeGreaterThan(1.7e9);
  expect(lost['outbound_consul_request_failures_total{purpose="rules",kind="unreachable"}']).toBeGreaterThan(0);
  expect(lost).toMatchObject(runs);
}, 180_000);

test("a state folder that takes no record keeps no container from starting or being cleaned up", async () => {
  const running = await startRunningNode({ backend: "nft" });
  onTestFinished(() => running.close());
  const { node } = running;
  const conflist = conflistOf(node);
  const guest = await node.attach({ conflist });
  const record = join(node.stateDir, "plugin-runs");
  expect((await stat(record)).mode & 0o777).toBe(0o600);
  // Others may write to it: it is neither trusted nor written.
  await chmod(record, 0o666);
  const { size } = await stat(record);
  const other = await node.attach({ conflist });
  expect(await other.connect({ address: node.outside.v4[0], port: 80, timeoutMs: 1_000 })).toBe("open");
  await guest.detach();
  await other.detach();
  expect((await stat(record)).size).toBe(size);
  expect(await readdir(join(node.stateDir, "attachments"))).toEqual([]);
}, 180_000);
