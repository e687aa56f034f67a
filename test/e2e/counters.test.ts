import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, onTestFinished, test } from "vitest";
import type { AttachmentView } from "../../lib/inspect/attachment-view.ts";
import { outboundPath } from "../support/cni/outbound.ts";
import type { Container } from "../support/container.ts";
import { parseOwnJson } from "../support/json.ts";
import { variants } from "../support/variant.ts";
import { waitUntil } from "../support/wait.ts";
import { startWatcher, type Watcher } from "../support/watcher.ts";
import { families, type RunningNode, savedRules, startRunningNode } from "./running-node.ts";

const SET = "namespace/default/job/web/db";
const NARROW = "namespace/default/job/web/group/app/x";
const KEPT = `KV ${SET}[0]`;
/** Datagrams a family: far more than a container sends of its own accord. */
const SENT = 25;
/** Metrics may be that much older than what they tell of. */
const FRESH_MS = 5_100;

/** Datagrams from the container that the set's first rule lets through, and as many that nothing does. */
async function sendAll(container: Container, { outside }: RunningNode): Promise<void> {
  for (const family of families) {
    for (const [port, timeoutMs] of [
      [1000, 300],
      [1001, 1],
    ] as const) {
      const one = { address: outside[family], port, protocol: "udp", timeoutMs } as const;
      await Promise.all(Array.from({ length: SENT }, () => container.connect(one)));
    }
  }
}

/** Packets of the rule that stays and of the default action, as `outbound show` prints them: both families together. */
async function shown({ node }: RunningNode, { containerId }: Container) {
  const where = ["--state-dir", node.stateDir, "--cache-dir", node.cacheDir];
  const { stdout } = await node.exec([outboundPath, "show", containerId, "--json", ...where]);
  const [view] = parseOwnJson<{ readonly attachments: readonly AttachmentView[] }>(stdout).attachments;
  const kept = view?.rules.find(({ from }) => from === KEPT)?.counters?.packets ?? -1;
  return { kept, default: view?.defaultAction.counters?.packets ?? -1 };
}

/** The same, as the watcher exports them. */
async function exported(watcher: Watcher) {
  const metrics = await watcher.metrics();
  const of = (name: string, ...labels: readonly string[]): number =>
    Object.entries(metrics)
      .filter(([key]) => key.startsWith(`${name}{`) && labels.every((label) => key.includes(label)))
      .reduce((sum, [, value]) => sum + value, 0);
  const job = ['namespace="default"', 'nomad_job="web"'];
  const set = [`rule_set="${SET}"`, 'scope="job"', 'action="ACCEPT"', 'mode="enforce"', ...job];
  return {
    kept: of("outbound_rule_set_packets_total", ...set),
    keptBytes: of("outbound_rule_set_bytes_total", ...set),
    default: of("outbound_default_action_packets_total", 'group="app"', 'network="egress"', 'action="DROP"', ...job),
    static: of("outbound_rule_set_packets_total", 'rule_set="conflist"', 'action="ACCEPT"'),
    failures: of("outbound_traffic_read_failures_total"),
  };
}

describe.each(variants)("with iptables-%s, counters", (backend) => {
  test("go on through changes of rules and restarts of the watcher, in the kernel and in its metrics", async () => {
    const running = await startRunningNode({ backend });
    onTestFinished(() => running.close());
    const { node, outside, allowed } = running;
    let watcher = await startWatcher(node);
    const container = await node.attach({ conflist: running.conflist });
    await watcher.waitForLine("In sync with Consul");
    const kept = { host: [outside[4], outside[6]], proto: "udp", port: 1000, action: "ACCEPT" };
    const rule = (id: number, action: string) => ({ host: [`10.77.0.${id}`, `fd00:77::${id}`], action });
    /** Waits until the kernel has the rules with these ids, in both families, and no others. */
    const untilIn = (...ids: readonly number[]) =>
      waitUntil(
        async () => {
          const saved = await savedRules(node);
          const wanted = ids.flatMap((id) => [`10.77.0.${id}/32`, `fd00:77::${id}/128`]);
          return wanted.every((text) => saved.includes(text)) && saved.split("77.0.").length === 1 + ids.length;
        },
        { what: `the rules ${ids.join(" and ")} in the kernel` },
      );
    await running.put(SET, [kept, rule(1, "ACCEPT")]);
    await untilIn(1);
    const before = await exported(watcher);
    await sendAll(container, running);
    for (const { address, port } of allowed) await container.connect({ address, port });
    let last = await shown(running, container);
    expect(last.kept).toBe(2 * SENT);
    expect(last.default).toBeGreaterThanOrEqual(2 * SENT);

    const steps: Readonly<Record<string, () => Promise<unknown>>> = {
      "another rule of the set changes": () => running.put(SET, [kept, rule(2, "ACCEPT")]).then(() => untilIn(2)),
      "rules come before and behind it": () =>
        running.put(SET, [kept, rule(3, "DROP"), rule(4, "ACCEPT"), rule(5, "ACCEPT")]).then(() => untilIn(3, 4, 5)),
      "the group has its first rule set": () => running.put(NARROW, [rule(6, "DROP")]).then(() => untilIn(3, 4, 5, 6)),
      "the group has its last no more": () => running.remove(NARROW).then(() => untilIn(3, 4, 5)),
      "the watcher starts again": async () => {
        await watcher.stop();
        watcher = await startWatcher(node);
        await watcher.waitForLine("In sync with Consul");
      },
    };
    for (const [what, step] of Object.entries(steps)) {
      await step();
      const now = await shown(running, container);
      expect({ what, kept: now.kept }).toEqual({ what, kept: last.kept });
      expect({ what, isKept: now.default >= last.default }).toEqual({ what, isKept: true });
      await sendAll(container, running);
      last = await shown(running, container);
      expect({ what, kept: last.kept }).toEqual({ what, kept: now.kept + 2 * SENT });
      expect(last.default).toBeGreaterThanOrEqual(now.default + 2 * SENT);
    }
    expect(last.kept).toBe(12 * SENT);

    // The metrics of a watcher that has just started go on from what the kernel has counted.
    const after = await exported(watcher);
    expect(after).toMatchObject({ kept: last.kept, failures: 0 });
    expect(after.keptBytes).toBeGreaterThan(28 * last.kept);
    expect(after.default).toBeGreaterThanOrEqual(last.default);
    expect(after.static).toBeGreaterThan(before.static);
    expect(before.kept).toBe(0);
    await running.remove(SET);
    await untilIn();
    await sendAll(container, running);
    await sleep(FRESH_MS);
    const end = await exported(watcher);
    expect(end.kept).toBe(after.kept);
    expect(end.default).toBeGreaterThanOrEqual(after.default + 4 * SENT);
  });
});
