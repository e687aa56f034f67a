import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { attachSynthetic } from "../support/cni/synthetic.ts";
import { type ConsulAgent, startConsul } from "../support/consul-agent.ts";
import type { ClientNode } from "../support/network-namespace.ts";
import { type Variant, variants } from "../support/variant.ts";
import type { Watcher } from "../support/watcher.ts";
import { type CountingProxy, startCountingProxy } from "./counting-proxy.ts";
import { readTree } from "./process-tree.ts";
import { measured, type Measurement, type Section } from "./section.ts";
import { addFirewallChain, type Bench, benchConflist, identityOf, putFolders, whileWatching } from "./stage.ts";

/**
 * Whole periods, so that no part of the work at rest is left out: the watcher reads all chains every 60 s on nf_tables,
 * where `nft monitor` tells of changes, and every 8 s on legacy.
 */
const WINDOW_MS: Readonly<Record<Variant, number>> = { nft: 60_000, legacy: 32_000 };

const RULE = { host: "203.0.113.1", action: "ACCEPT" };
/** After a change, until all is quiet again and every query waits. */
const QUIET_MS = 3000;
const COUNTED_MS = 2000;

export async function measureRest(bench: Bench): Promise<Section> {
  const measurements: Measurement[] = [];
  for (const variant of variants) {
    measurements.push(...(await bench.withNode(variant, (node) => measureVariant(bench, node))));
  }
  return {
    name: "rest",
    title: `The watcher at rest, with ${bench.sizes.restAttachments} attachments`,
    how:
      "Processor time and resident memory of the watcher and all that it starts, `nft monitor` and ended children " +
      "included, over 60 s on nft and 32 s on legacy: whole periods of its looks at the kernel. Memory of processes is " +
      "added up, shared pages and all. Requests are counted by a proxy between watcher and Consul, for 2 s after one " +
      "write below another namespace.",
    measurements,
  };
}

async function measureVariant(bench: Bench, node: ClientNode): Promise<readonly Measurement[]> {
  const { restAttachments: attachments } = bench.sizes;
  bench.tell(`rest: ${attachments} attachments, ${node.backend}`);
  await addFirewallChain(node);
  const conflist = benchConflist(node, { rules: 10 });
  await attachSynthetic(node, { conflist, first: 0, end: attachments, identityOf });
  const consul = await startConsul({ binary: bench.consulBinary, inNamespace: node });
  const proxy = await startCountingProxy({
    socketPath: join(node.directory, "proxy.sock"),
    consulSocketPath: fileURLToPath(consul.unixUrl.replace(/^unix:/, "file:")),
  });
  try {
    const env = { CONSUL_HTTP_ADDR: proxy.url };
    return await whileWatching(node, { attachments, env }, (watcher) =>
      measureWatcher({ bench, node, consul, proxy, watcher }),
    );
  } finally {
    await proxy.close();
    await consul.close();
  }
}

interface RestStage {
  readonly bench: Bench;
  readonly node: ClientNode;
  readonly consul: ConsulAgent;
  readonly proxy: CountingProxy;
  readonly watcher: Watcher;
}

async function measureWatcher({ bench, node, consul, proxy, watcher }: RestStage): Promise<readonly Measurement[]> {
  const { backend } = node;
  const countAfter = async (key: string) => {
    await sleep(QUIET_MS);
    const before = proxy.requests().length;
    await consul.put(`outbound/rules/${key}`, RULE);
    await sleep(COUNTED_MS);
    return proxy.requests().length - before;
  };
  const whileEmpty = await countAfter("namespace/other/job/web/first");
  await putFolders(consul, node);
  const withFolders = await countAfter("namespace/other/job/web/second");
  const related = await countAfter("namespace/default/job/web/first");
  if (related === 0) throw new Error("Cannot count requests: a change that concerns the node led to none either");

  await sleep(bench.sizes.restSettleMs);
  const windowMs = WINDOW_MS[backend] / bench.sizes.restDivisor;
  const before = readTree(watcher.pid);
  await sleep(windowMs);
  const after = readTree(watcher.pid);
  const percent = (of: "own" | "children") => (100 * (after[of].cpuMs - before[of].cpuMs)) / windowMs;
  const none = [{ of: "value", bound: "≤", limit: 0 }] as const;
  return [
    measured(`processor, of one core, ${backend}`, [percent("own") + percent("children")], {
      unit: "%",
      targets: [{ of: "value", bound: "<", limit: 1 }],
    }),
    measured(`of that the watcher itself, ${backend}`, [percent("own")], { unit: "%" }),
    measured(`resident memory, ${backend}`, [after.own.residentMb + after.children.residentMb], {
      unit: "MB",
      targets: [{ of: "value", bound: "<", limit: 120 }],
    }),
    measured(`of that the watcher itself, ${backend}`, [after.own.residentMb], { unit: "MB" }),
    measured(`of that anonymous, not the executable's own text, ${backend}`, [after.own.anonymousMb], { unit: "MB" }),
    measured(`processes, ${backend}`, [after.processes], { unit: "processes" }),
    measured(`an unrelated KV change, a folder key in each prefix, ${backend}`, [withFolders], {
      unit: "requests",
      targets: none,
    }),
    measured(`an unrelated KV change, its prefixes empty, ${backend}`, [whileEmpty], {
      unit: "requests",
      targets: none,
    }),
    measured(`for comparison: a KV change that concerns it, ${backend}`, [related], { unit: "requests" }),
  ];
}
