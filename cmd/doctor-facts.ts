import { hostname } from "node:os";
import { checkChains, type ChainFacts } from "../lib/doctor/chains.ts";
import { findConflists, type Conflist } from "../lib/doctor/conflist.ts";
import { isUnread, type Fact } from "../lib/doctor/check.ts";
import type { NodeFacts } from "../lib/doctor/diagnose.ts";
import { isWatcherInSync } from "../lib/doctor/watcher.ts";
import { createAttachmentReader, type StoredAttachments } from "../lib/host/attachment-store.ts";
import { systemClock } from "../lib/host/clock.ts";
import { readConfigFolder } from "../lib/host/config-folder.ts";
import { readFileModes } from "../lib/host/file-modes.ts";
import { hostInterfaces } from "../lib/host/host-interfaces.ts";
import type { Log } from "../lib/host/log.ts";
import { readPluginFile } from "../lib/host/plugin-file.ts";
import { awaitFact, mapFact, readFact } from "../lib/host/read-fact.ts";
import { readIdentityProblems } from "../lib/host/unidentified-file.ts";
import type { Attachment } from "../lib/policy/attachment.ts";
import { readCacheFacts, type CachedRules } from "./doctor-cache.ts";
import { gatherConsul } from "./doctor-consul.ts";
import { gatherKernel, gatherKernelLog, readBridgeFilter, readConntrack, type KernelFacts } from "./doctor-kernel.ts";
import { gatherWatcher, readListenAddress } from "./doctor-watcher.ts";
import { version } from "./version.ts";

export interface DoctorOptions {
  readonly stateDir: string;
  readonly cacheDir: string;
  readonly cniConfigDir: string;
  readonly cniPath: string;
  readonly listen: string;
  readonly node?: string | undefined;
  readonly prefix: string;
}

/** Nothing takes longer, whatever hangs. */
const TIMEOUT_MS = 5000;

/** Finds out all that is judged, with ports that cannot write. @throws UsageError */
export async function gatherFacts(options: DoctorOptions): Promise<NodeFacts> {
  const { stateDir, cacheDir, cniConfigDir } = options;
  const signal = AbortSignal.timeout(TIMEOUT_MS);
  const nowMs = Date.now();
  const files = readFact(() => readConfigFolder(cniConfigDir));
  const conflists = findConflists(files ?? []);
  const first = readRecords(options, nowMs);
  const node =
    options.node ?? (first.cached.rules && first.cached.rules.node !== "" ? first.cached.rules.node : hostname());
  const folders = options.cniPath.split(":").filter((folder) => folder !== "");

  const address = readListenAddress(options.listen);
  const watcher = gatherWatcher(options.listen, { address, signal });
  const [{ kernel, records }, kernelLog, found, watching, consul] = await Promise.all([
    gatherSettled(first, { options, nowMs, signal }),
    gatherKernelLog(signal),
    awaitFact(readPluginFile("outbound", { folders, signal })),
    watcher,
    gatherConsul({
      prefix: options.prefix,
      node,
      networks: [...networksOf(conflists), ...first.known.map(({ network }) => network)],
      namespaces: first.known.flatMap(({ identity }) => identity.namespace ?? []),
      isWatcherInSync: watcher.then(isWatcherInSync),
      signal,
    }),
  ]);
  const { stored, cached, known } = records;
  return {
    iptables: kernel.iptables,
    bridgeFilter: readBridgeFilter(bridgeUsers(conflists, known)),
    chains: chainFacts(records, kernel, nowMs),
    conntrack: readConntrack(),
    kernelLog: { ...kernelLog, isNeeded: isLogNeeded({ known, conflists, cached }) },
    conflists: { folder: cniConfigDir, files, stateDir, cacheDir },
    executable: { folders, found, ownVersion: version },
    state: {
      stateDir,
      cacheDir,
      files: readFact(() => readFileModes({ stateDir, cacheDir })),
      records: mapFact(stored, (read) => ({ attachments: read.attachments.length, unreadable: read.unreadable })),
      cache: cached.facts,
      node: options.node,
      nowMs,
    },
    watcher: watching,
    identities: mapFact(stored, (read) => ({
      attachments: read.attachments,
      problems: readIdentityProblems(stateDir, { log: SILENT }),
      nowMs,
    })),
    consul,
  };
}

/** What this node has on disk. */
interface NodeRecords {
  readonly stored: Fact<StoredAttachments>;
  /** Those that could be read. */
  readonly known: readonly Attachment[];
  readonly cached: CachedRules;
}

function readRecords({ stateDir, cacheDir }: DoctorOptions, nowMs: number): NodeRecords {
  const stored = readFact(() => createAttachmentReader(stateDir, { log: SILENT }).list());
  return { stored, known: isUnread(stored) ? [] : stored.attachments, cached: readCacheFacts(cacheDir, nowMs) };
}

interface SettleOptions {
  readonly options: DoctorOptions;
  readonly nowMs: number;
  readonly signal: AbortSignal;
}

/** An ADD or a watcher may be between its record and the kernel: what looks wrong is looked at once more. */
async function gatherSettled(
  records: NodeRecords,
  { options, nowMs, signal }: SettleOptions,
): Promise<{ readonly records: NodeRecords; readonly kernel: KernelFacts }> {
  const kernel = await gatherKernel({ signal });
  if (checkChains(chainFacts(records, kernel, nowMs)).every(({ state }) => state === "ok")) return { records, kernel };
  await systemClock.sleep(SETTLE_MS, signal);
  return { records: readRecords(options, nowMs), kernel: await gatherKernel({ signal }) };
}

function chainFacts({ stored, cached }: NodeRecords, kernel: KernelFacts, nowMs: number): ChainFacts {
  return {
    attachments: mapFact(stored, (read) => read.attachments),
    unreadable: isUnread(stored) ? new Set() : stored.unreadable,
    kernel: kernel.tables,
    runtimeRules: cached.rules,
    nowMs,
  };
}

/** An ADD takes a fraction of it. */
const SETTLE_MS = 300;

/** What cannot be read is told by the checks. */
const SILENT: Log = { info: () => {}, warn: () => {}, error: () => {} };

function networksOf(conflists: readonly Conflist[]): readonly string[] {
  return conflists.flatMap(({ json }) => (typeof json["name"] === "string" ? [json["name"]] : []));
}

function bridgeUsers(conflists: readonly Conflist[], attachments: readonly Attachment[]): readonly string[] {
  return [
    ...conflists.filter(({ plugins }) => plugins.some(({ type }) => type === "bridge")).map(({ file }) => file),
    ...attachments
      .filter(({ hostInterface }) => hostInterface?.isBridgePort === true && hostInterfaces.exists(hostInterface.name))
      .map(({ containerId }) => `allocation ${containerId.slice(0, 8)}`),
  ];
}

interface LogUsers {
  readonly known: readonly Attachment[];
  readonly conflists: readonly Conflist[];
  readonly cached: CachedRules;
}

function isLogNeeded({ known, conflists, cached }: LogUsers): boolean {
  return (
    known.some(({ policy }) => policy.logDenied) ||
    conflists.some(({ plugins }) => plugins.some(({ type, logDenied }) => type === "outbound" && logDenied === true)) ||
    (cached.rules?.ruleSets ?? []).some(({ ruleSet }) => ruleSet.mode === "audit")
  );
}
