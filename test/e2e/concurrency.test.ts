import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { parseRuleset } from "../../lib/netfilter/parse-ruleset.ts";
import type { ClientNode } from "../support/network-namespace.ts";
import { variants } from "../support/variant.ts";
import { waitUntil } from "../support/wait.ts";
import { startWatcher } from "../support/watcher.ts";
import { createPluginOnly } from "./plugin-only.ts";
import { acceptTo, families, type RunningNode, startRunningNode, tell, untilVerdict } from "./running-node.ts";

const COUNT = 50;

describe.each(variants)("with iptables-%s", (backend) => {
  test("fifty ADDs at once, with DELs, rule changes and a restart of the watcher among them, all succeed", async () => {
    const running = await startRunningNode({ backend });
    onTestFinished(() => running.close());
    const { node } = running;
    const watcher = await startWatcher(node);
    const container = await node.attach({ conflist: running.conflist });
    await watcher.waitForLine("In sync with Consul");
    const early = Array.from({ length: 20 }, (_, index) => createPluginOnly(running, 100 + index, container));
    for (const other of early) await other.add();

    const fifty = Array.from({ length: COUNT }, (_, index) => createPluginOnly(running, 200 + index, container));
    const startedAtMs = performance.now();
    const [next] = await Promise.all([
      watcher.kill().then(() => startWatcher(node)),
      ...fifty.map((other) => other.add()),
      ...early.map((other) => other.del()),
      changeRules(running),
    ]);
    tell(
      `${backend} ${COUNT} ADDs, ${early.length} DELs, 40 rule changes and a restart`,
      performance.now() - startedAtMs,
    );
    await next.waitForLine("In sync with Consul", { timeoutMs: 10_000 });
    await untilVerdict(container, { address: running.outside[4], port: 1003 }, "open");
    await waitUntil(async () => (await next.metrics())["outbound_attachments"] === COUNT + 1, {
      what: "all to be known",
    });
    await expectToAgree(node, COUNT + 1);
    expect(await next.metrics()).toMatchObject({ outbound_pass_failures_total: 0 });

    const repeated = fifty.slice(0, 10);
    await Promise.all([...repeated.map((other) => other.add()), ...repeated.map((other) => other.add())]);
    await expectToAgree(node, COUNT + 1);
    await Promise.all([...fifty.map((other) => other.del()), ...repeated.map((other) => other.del())]);
    await waitUntil(async () => (await next.metrics())["outbound_attachments"] === 1, { what: "all to be gone" });
    await expectToAgree(node, 1);
    await container.detach();
    await waitUntil(async () => (await next.metrics())["outbound_attachments"] === 0, { what: "the last to be gone" });
    expect(await recordsOf(node)).toEqual([]);
    for (const family of families) {
      const left = (await savedFilter(node, family)).split("\n").filter((line) => line.includes("CNI-OUT"));
      const isJump = (line: string) => /^-A (?:FORWARD|INPUT|CNI-FORWARD) .*-j CNI-OUTBOUND$/.test(line);
      expect(left.filter((line) => !isJump(line))).toEqual([expect.stringMatching(/^:CNI-OUTBOUND /)]);
    }
  });
});

async function changeRules(running: RunningNode): Promise<void> {
  for (let i = 0; i < 40; i++) {
    const scope = ["global", "namespace/default", "namespace/team-b/job/web", "network/egress"][i % 4] ?? "global";
    if (i % 8 < 6) await running.put(`${scope}/set-${i % 3}`, acceptTo(running, 1000 + (i % 20)));
    else await running.remove(`${scope}/set-${i % 3}`);
  }
  await running.put("namespace/default/last", acceptTo(running, 1003));
}

/** Each record has its chain and what leads to it in both families, and each attachment chain its record. */
async function expectToAgree(node: ClientNode, count: number): Promise<void> {
  const records = await recordsOf(node);
  expect(records).toHaveLength(count);
  for (const family of families) {
    const actual = parseRuleset(await savedFilter(node, family));
    const chains = [...actual.keys()].filter((name) => /^CNI-OUT-[0-9a-f]{20}$/.test(name)).toSorted();
    expect(chains).toEqual(records);
    const ledTo = (actual.get("CNI-OUTBOUND") ?? []).map(({ target }) => target ?? "");
    // By interface and by address.
    expect(ledTo.toSorted()).toEqual(records.flatMap((chain) => [chain, chain]));
    for (const chain of chains) expect(actual.get(chain)?.at(-1)).toMatchObject({ target: "DROP" });
    const targets = [...actual.values()].flat().flatMap(({ target }) => target ?? []);
    const ours = targets.filter((target) => target.startsWith("CNI-OUT"));
    expect(ours.filter((target) => !actual.has(target))).toEqual([]);
  }
}

async function recordsOf(node: ClientNode): Promise<readonly string[]> {
  const files = await readdir(join(node.stateDir, "attachments"));
  return files.map((file) => file.replace(/\.json$/, "")).toSorted();
}

async function savedFilter(node: ClientNode, family: 4 | 6): Promise<string> {
  const { stdout } = await node.exec([family === 4 ? "iptables-save" : "ip6tables-save", "-t", "filter"]);
  return stdout;
}
