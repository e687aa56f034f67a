import { hostname } from "node:os";
import type { ArgumentsCamelCase, Argv } from "yargs";
import { createAttachmentStore } from "../lib/host/attachment-store.ts";
import { systemClock } from "../lib/host/clock.ts";
import { createConsul } from "../lib/host/consul.ts";
import { createConsulSessions } from "../lib/host/consul-session.ts";
import { type ConsulSettings, parseConsulSettings } from "../lib/host/consul-settings.ts";
import { hostInterfaces } from "../lib/host/host-interfaces.ts";
import { createIptables, readVariant } from "../lib/host/iptables.ts";
import { openKernelLog } from "../lib/host/kernel-log.ts";
import { withLock } from "../lib/host/lock.ts";
import type { Log } from "../lib/host/log.ts";
import { createNodeLock, type NodeLock } from "../lib/host/node-lock.ts";
import { createNomad } from "../lib/host/nomad.ts";
import { isNomadConfigured } from "../lib/host/nomad-settings.ts";
import { OBSERVED_FILE, readObserved, writeObserved } from "../lib/host/observed-file.ts";
import { createPinoLog, LOG_LEVELS } from "../lib/host/pino-log.ts";
import { createPluginRunReader } from "../lib/host/plugin-runs.ts";
import { createPidMemory, monitorRuleset } from "../lib/host/ruleset-monitor.ts";
import { readRuntimeRulesCache, RUNTIME_RULES_FILE, writeRuntimeRulesCache } from "../lib/host/runtime-rules-cache.ts";
import { removeUnfinished } from "../lib/host/unfinished-files.ts";
import { UNIDENTIFIED_FILE, writeUnidentified } from "../lib/host/unidentified-file.ts";
import { watchFolder } from "../lib/host/watch-folder.ts";
import { LOG_PREFIX } from "../lib/netfilter/log-prefix.ts";
import { encodeSegment } from "../lib/policy/segment.ts";
import { describeState } from "../watcher/describe-state.ts";
import { startIdentitySearch } from "../watcher/identity-search.ts";
import { createListener } from "../watcher/listener.ts";
import { createMetrics } from "../watcher/metrics.ts";
import { createNodeRunner, type NodeRunner } from "../watcher/node-runner.ts";
import { createObserved } from "../watcher/observed.ts";
import { createRequestLimit } from "../watcher/request-limit.ts";
import { startStatusKey } from "../watcher/status-key.ts";
import { startWatch } from "../watcher/watch.ts";
import { createPageAnswers } from "../watcher/web/answer-page.ts";
import { createClusterReading } from "../watcher/web/cluster-reading.ts";
import { createKernelReading } from "../watcher/web/kernel-reading.ts";
import { createPages } from "../watcher/web/pages.ts";
import { examples } from "./examples.ts";
import { type ListenAddress, parseListenAddress } from "./listen-address.ts";
import { stateOptions } from "./options.ts";
import { version } from "./version.ts";
import { WATCH_LOCK } from "./watch-lock.ts";

export const command = "watch";
export const describe = "Keep this node's rules at what Consul KV says";

export function builder(yargs: Argv) {
  return stateOptions(yargs)
    .option("prefix", { type: "string", default: "outbound", describe: "What all keys in KV start with" })
    .option("node", { type: "string", default: hostname(), describe: "This node's name, as in node/<node>/ keys" })
    .option("listen", {
      type: "string",
      default: "127.0.0.1:9710",
      describe: "Where pages, /health, /ready and /metrics are served; empty: nowhere",
    })
    .option("web-names", {
      type: "string",
      default: "",
      describe: "Names that pages may be asked for by besides addresses, localhost and this node's, with commas",
    })
    .option("resync", { type: "number", default: 8, describe: "Seconds between two looks for what changed unseen" })
    .option("log-level", { choices: LOG_LEVELS, default: "info" as const, describe: "The least that is logged" })
    .epilogue(examples({ "as a Nomad system job runs it": "$0 watch --node ${node.unique.name}" }).join("\n"));
}

type WatchArguments = ArgumentsCamelCase<Awaited<ReturnType<typeof builder>["argv"]>>;

export async function handler(options: WatchArguments): Promise<void> {
  const stop = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => stop.abort());
  const log = createPinoLog({ level: options.logLevel, destination: process.stdout });
  // Before the wait for another watcher to end: what is wrong in them is told at once.
  const settings = { consul: parseConsulSettings(process.env), address: parseListenAddress(options.listen) };
  const context = { log, signal: stop.signal };
  await whileAlone(() => run(options, { ...context, ...settings }), context);
}

interface WatchContext {
  readonly log: Log;
  readonly signal: AbortSignal;
}

interface WatchSettings {
  readonly consul: ConsulSettings;
  /** Undefined: nothing is served. */
  readonly address: ListenAddress | undefined;
}

async function whileAlone(work: () => Promise<void>, { log, signal }: WatchContext): Promise<void> {
  const oneHourMs = 3_600_000;
  const notice = setTimeout(() => {
    log.warn({}, "Another watcher runs on this node, waiting for it to end");
  }, 500);
  try {
    await withLock(WATCH_LOCK, {
      timeoutMs: 24 * oneHourMs,
      signal,
      work: () => {
        clearTimeout(notice);
        return work();
      },
    });
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    clearTimeout(notice);
  }
}

async function run(options: WatchArguments, context: WatchContext & WatchSettings): Promise<void> {
  const { log, signal, address } = context;
  const { stateDir, cacheDir, node, prefix, resync, listen, webNames } = options;
  const path = process.env["PATH"];
  // Only a watcher writes these, and no other one runs.
  removeUnfinished(stateDir, (name) => name === OBSERVED_FILE || name === UNIDENTIFIED_FILE);
  removeUnfinished(cacheDir, (name) => name === RUNTIME_RULES_FILE);
  const own = createPidMemory();
  const store = createAttachmentStore(stateDir, { log });
  const lock = createNodeLock({ signal });
  const iptables = createIptables({ path, onStart: own.add, inherited: lock.descriptor });
  const nowMs = Date.now;
  const identities = startIdentitySearch(
    { signal },
    {
      nomad: isNomadConfigured(process.env) ? createNomad(process.env) : undefined,
      limit: createRequestLimit({ burst: 20, perSecond: 10, clock: systemClock }),
      clock: systemClock,
      random: Math.random,
      log,
      onChange: (unidentified) => {
        writeUnidentified(stateDir, { unidentified, log });
        statusKey.changed();
      },
    },
  );
  const { identityOf } = identities;
  const variant = await readVariant({ path });
  const families = ([4, 6] as const).filter((family) => iptables.has(family) && hostInterfaces.hasFamily(family));
  const pluginRuns = createPluginRunReader(stateDir, { clock: systemClock, log });
  const metrics = createMetrics({ iptables, families, variant, version, clock: systemClock, log, pluginRuns });
  const measured = metrics.measureRestores(iptables);
  const runner = createNodeRunner({ iptables: measured, store, interfaces: hostInterfaces, log, nowMs, identityOf });
  const consul = metrics.countRules(createConsul(context.consul));
  const sessions = metrics.countStatus(createConsulSessions(context.consul));
  const limit = createRequestLimit({ clock: systemClock });
  const observed = createObserved(readObserved(stateDir, { log }), {
    kernelLog: openKernelLog({ prefix: LOG_PREFIX, log }),
    clock: systemClock,
    log,
    save: (connections) => writeObserved(stateDir, connections),
  });
  log.info({ version, node, prefix, variant, stateDir, cacheDir }, "Watcher started");
  const watcher = startWatch(
    {
      node,
      prefix,
      cached: readRuntimeRulesCache(cacheDir, { log, readOnly: false, nowMs: nowMs() }),
      resyncMs: resync * 1000,
      signal,
    },
    {
      consul,
      runner: locked(runner, lock),
      limit,
      clock: systemClock,
      random: Math.random,
      log,
      saveRuntimeRules: (rules) => writeRuntimeRulesCache(cacheDir, { rules, nowMs: nowMs() }),
      onAttachmentsChanged: (onChanged) => {
        const onChange = (): void => {
          store.lookClosely();
          onChanged();
        };
        watchFolder(store.folder, { onChange, log, signal });
      },
      onRulesetChanged: (onChange) => monitorRuleset({ path, variant, isOwn: own.has, onChange, log, signal }),
      observe: metrics.observe,
      onChange: () => {
        metrics.changed(watcher.state());
        statusKey.changed();
      },
      observed,
      identities,
    },
  );
  const statusKey = startStatusKey(
    { key: `${prefix}/status/${encodeSegment(node)}`, signal },
    {
      sessions,
      describe: () => describeState(watcher.state(), { node, version }),
      limit,
      clock: systemClock,
      random: Math.random,
      log,
    },
  );
  const kernel = createKernelReading({ iptables, families, clock: systemClock, log, signal });
  const cluster = createClusterReading({ prefix }, { consul, limit, clock: systemClock, signal });
  const pages = createPageAnswers({
    pages: createPages(
      { node, version },
      { state: watcher.state, connections: observed.connections, kernel, cluster, clock: systemClock },
    ),
    names: [node, hostname(), ...webNames.split(",")],
    limit: createRequestLimit({ perSecond: 10, clock: systemClock }),
    log,
  });
  const listener = createListener({ state: watcher.state, metrics, pages });
  if (address) {
    listener.on("error", (error) => log.error({ listen, error: String(error) }, "Cannot serve health and metrics"));
    listener.listen(address);
  }
  await Promise.all([watcher.ended, statusKey.ended, identities.ended]);
  observed.close();
  listener.close();
  consul.close();
  sessions.close();
  log.info({}, "Watcher stopped, the rules stay");
}

function locked(runner: NodeRunner, lock: NodeLock): NodeRunner {
  return { pass: (input) => lock.run(() => runner.pass(input)) };
}
