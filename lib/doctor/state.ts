import { isUnread, NEEDS_ROOT, ok, problem, unknown, warning, type Check, type Fact } from "./check.ts";
import { countOf, formatAge, listSome } from "./words.ts";

export interface StateFacts {
  readonly stateDir: string;
  readonly cacheDir: string;
  /** Those of ours that are there. */
  readonly files: Fact<readonly StateFile[]>;
  readonly records: Fact<RecordsFacts>;
  /** Undefined where there is none. */
  readonly cache: Fact<CacheFacts> | undefined;
  /** Where it was said which node this is. */
  readonly node: string | undefined;
  readonly nowMs: number;
}

export interface StateFile {
  readonly path: string;
  readonly isFolder: boolean;
  /** Permission bits. */
  readonly mode: number;
}

export interface RecordsFacts {
  readonly attachments: number;
  /** Chains whose record cannot be read. */
  readonly unreadable: ReadonlySet<string>;
}

export interface CacheFacts {
  readonly node: string;
  readonly ruleSets: number;
  /** Keys whose cached rule set this version refuses. */
  readonly refused: readonly string[];
  readonly writtenAtMs: number;
  /** The latest wall clock that the watcher knew when it wrote. */
  readonly latestMs: number;
}

/** What the plugin and the watcher keep on disk. */
export function checkState(facts: StateFacts): readonly Check[] {
  return [checkModes(facts), checkRecords(facts), checkCache(facts)];
}

function checkModes({ stateDir, cacheDir, files }: StateFacts): Check {
  const name = "file modes";
  if (isUnread(files)) return unknown(name, { message: `modes of ${stateDir} and ${cacheDir}: ${files.unread}` });
  if (files.length === 0) return ok(name, `${stateDir} and ${cacheDir} are not there yet`);
  const writable = files.filter(({ mode }) => (mode & 0o022) !== 0);
  if (writable.length > 0) {
    return problem(name, {
      message: `others may write ${listSome(writable.map(describeFile))}: they decide what is let through`,
      remedy: remedyOf(writable),
    });
  }
  const open = files.filter(({ mode }) => (mode & 0o077) !== 0);
  if (open.length === 0) return ok(name, `${stateDir} and ${cacheDir} are root's alone`);
  return warning(name, { message: `others may read ${listSome(open.map(describeFile))}`, remedy: remedyOf(open) });
}

function describeFile({ path, mode }: StateFile): string {
  return `${path} (0${mode.toString(8).padStart(3, "0")})`;
}

function remedyOf(files: readonly StateFile[]): string {
  const commands = [
    { mode: "0700", paths: files.filter(({ isFolder }) => isFolder) },
    { mode: "0600", paths: files.filter(({ isFolder }) => !isFolder) },
  ].filter(({ paths }) => paths.length > 0);
  return commands.map(({ mode, paths }) => `chmod ${mode} ${listSome(paths.map(({ path }) => path))}`).join("; ");
}

function checkRecords({ stateDir, records }: StateFacts): Check {
  const name = "records";
  if (isUnread(records)) return unknown(name, { message: `records in ${stateDir}: ${records.unread}` });
  const { attachments, unreadable } = records;
  if (unreadable.size === 0) return ok(name, `${countOf(attachments, "record")} in ${stateDir}`);
  return problem(name, {
    message: `${countOf(unreadable.size, "record")} cannot be read: ${listSome([...unreadable].toSorted())}`,
    remedy: "What runs behind such a chain keeps its last rules: stop and start its allocation to make a new record",
  });
}

function checkCache({ cacheDir, cache, node, nowMs }: StateFacts): Check {
  const name = "cached rules";
  if (cache === undefined) {
    return warning(name, {
      message: "no rules of Consul KV are cached: new allocations start without them",
      remedy: `The watcher writes ${cacheDir}/runtime-rules.json when it is in sync`,
    });
  }
  const file = `${cacheDir}/runtime-rules.json`;
  if (isUnread(cache)) {
    if (cache.unread === NEEDS_ROOT) return unknown(name, { message: `${file}: ${cache.unread}` });
    return problem(name, {
      message: `${file} cannot be used: ${cache.unread}`,
      remedy: "Start the watcher again: it sets the file aside, and writes another when it is in sync",
    });
  }
  const behindMs = cache.latestMs - nowMs;
  if (behindMs > CLOCK_SLACK_MS) {
    return problem(name, {
      message: `the clock is ${formatAge(behindMs)} behind the cached rules: rule sets that expire let nothing through`,
      remedy: "Set the clock",
    });
  }
  if (cache.refused.length > 0) {
    return warning(name, {
      message: `${countOf(cache.refused.length, "cached rule set")} cannot be read: ${listSome(cache.refused)}`,
      remedy: "Start the watcher of this version: it reads them from Consul again",
    });
  }
  const areCached = cache.ruleSets === 1 ? "is cached" : "are cached";
  const described = `${countOf(cache.ruleSets, "rule set")} of node ${cache.node} ${areCached}`;
  if (node !== undefined && node !== cache.node) {
    return warning(name, {
      message: `${described}, and this node is ${node}: the rules of another node hold until they are read`,
      remedy: "Start the watcher with this node's name; on a disk that was copied, remove the file first",
    });
  }
  return ok(name, `${described}, since ${formatAge(nowMs - cache.writtenAtMs)}`);
}

/** Two programs that look at one clock. */
const CLOCK_SLACK_MS = 1000;
