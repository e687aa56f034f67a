import { describe, expect, onTestFinished, test } from "vitest";
import { type Flood, startFlood } from "../support/flood.ts";
import { variants } from "../support/variant.ts";
import { monotonicMs, waitUntil } from "../support/wait.ts";
import { startWatcher } from "../support/watcher.ts";
import { createPluginOnly } from "./plugin-only.ts";
import { acceptTo, type RunningNode, startRunningNode, tell } from "./running-node.ts";

/** Each comes and goes: 1,000 ADDs and DELs. */
const ATTACHMENTS = 500;
const CHANGES = 1_000;
const AT_ONCE = 3;
/** Of the watcher, by SIGKILL, in the middle of it all. */
const RESTARTS = 5;
/** Of four floods together: over either family, stopped by the default action or by a deny in KV over a static accept. */
const PACKETS_PER_SECOND = 10_000;
/** What must really have been sent, or the test would pass with nothing to let through. */
const LEAST_PACKETS_PER_SECOND = 9_000;

const byDefault = 2_000;
const byDeny = 2_001;

describe.each(variants)("with iptables-%s", (backend) => {
  test("not one forbidden packet arrives while others come and go, rules change and the watcher is killed", async () => {
    const running = await startRunningNode({
      backend,
      outboundRules: [{ proto: "udp", port: byDeny, action: "ACCEPT" }],
    });
    onTestFinished(() => running.close());
    const { node } = running;
    let watcher = await startWatcher(node);
    await running.put("namespace/default/job/web/deny", denyOf(0));
    const container = await node.attach({ conflist: running.conflist });
    await watcher.waitForLine("In sync with Consul");
    await waitUntil(async () => (await node.exec(["ip6tables-save"])).stdout.includes(`--dport ${byDeny} `), {
      what: "the deny to be in force",
    });

    const floods = await startFloods(running, container);
    const startedAtMs = monotonicMs();
    let changes = 0;
    let passes = 0;
    const comeAndGo = inTurns(ATTACHMENTS, AT_ONCE, async (number) => {
      const other = createPluginOnly(running, number, container);
      await other.add();
      await other.del();
    });
    const change = inTurns(CHANGES, 1, async (number) => {
      await changeRules(running, number);
      changes++;
      if (number % (CHANGES / RESTARTS) === 0) {
        passes += passesOf(await watcher.metrics());
        await watcher.kill();
        watcher = await startWatcher(node);
        await watcher.waitForLine("In sync with Consul", { timeoutMs: 20_000 });
      }
      // The watcher asks Consul at most 20 times a second: sooner, several changes would become one.
      await new Promise((resolve) => setTimeout(resolve, 30));
    });
    await Promise.all([comeAndGo, change]);
    tell(`${backend} ${ATTACHMENTS} ADDs, as many DELs and ${changes} rule changes`, monotonicMs() - startedAtMs);
    const metrics = await watcher.metrics();
    passes += passesOf(metrics);
    console.log(`${backend} passes that changed the kernel: ${passes}`);
    expect(passes).toBeGreaterThan(CHANGES / 4);
    expect(metrics).toMatchObject({ outbound_in_sync: 1, outbound_pass_failures_total: 0 });

    for (const { flood, what } of floods) {
      const { sent, received, packetsPerSecond } = await flood.stop();
      console.log(`${backend} ${what}: ${sent} sent at ${packetsPerSecond.toFixed(0)}/s, ${received} arrived`);
      expect({ what, received }).toEqual({ what, received: 0 });
      expect(packetsPerSecond).toBeGreaterThan(LEAST_PACKETS_PER_SECOND / 4);
    }

    // The control: the same floods do arrive once the rules let them through.
    await running.remove("namespace/default/job/web/deny");
    await running.put("global/opens", { proto: "udp", port: byDefault, action: "ACCEPT" });
    const allowed = await startFloods(running, container);
    for (const { flood, what } of allowed) {
      await waitUntil(async () => (await flood.passed()).received > 1_000, { what: `${what} to arrive` });
      await flood.stop();
    }
  }, 240_000);
});

interface NamedFlood {
  readonly flood: Flood;
  readonly what: string;
}

async function startFloods(
  running: RunningNode,
  from: Parameters<typeof startFlood>[0]["from"],
): Promise<readonly NamedFlood[]> {
  const to = running.node.outside;
  return Promise.all(
    [running.outside[4], running.outside[6]].flatMap((address) =>
      [byDefault, byDeny].map(async (port) => {
        const flood = await startFlood({ from, to, address, port, packetsPerSecond: PACKETS_PER_SECOND / 4 });
        return { flood, what: `${address}:${port}` };
      }),
    ),
  );
}

/** Of what decides the flood's packets, everything is rewritten at some time, and nothing ever lets them through. */
async function changeRules(running: RunningNode, number: number): Promise<void> {
  const other = acceptTo(running, 1000 + (number % 20));
  switch (number % 8) {
    case 0:
      return void (await running.put("namespace/default/job/web/deny", denyOf(number)));
    case 1:
      return void (await running.put("global/a", other));
    case 2:
      return void (await running.put("namespace/default/job/web/more", [...other, ...denyOther(number)]));
    case 3:
      return void (await running.remove("global/a"));
    case 4:
      return void (await running.put("network/egress/a", [...denyOther(number), ...other]));
    case 5:
      return void (await running.put("namespace/default/job/web/group/app/b", other));
    case 6:
      return void (await running.remove("namespace/default/job/web/group/app/b"));
    default:
      return void (await running.remove(number % 16 === 7 ? "network/egress/a" : "namespace/default/job/web/more"));
  }
}

function passesOf(metrics: Readonly<Record<string, number>>): number {
  return metrics["outbound_pass_seconds_count"] ?? 0;
}

function denyOf(number: number) {
  return [...denyOther(number), { proto: "udp", port: byDeny, action: "DROP" }];
}

function denyOther(number: number) {
  return [{ host: `203.0.113.${number % 250}`, action: number % 2 === 0 ? "DROP" : "REJECT" }];
}

/** Runs `work` for 1 to `count`, `atOnce` at a time. */
async function inTurns(count: number, atOnce: number, work: (number: number) => Promise<void>): Promise<void> {
  let next = 1;
  const run = async () => {
    while (next <= count) await work(next++);
  };
  await Promise.all(Array.from({ length: atOnce }, run));
}
