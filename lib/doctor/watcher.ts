import { isUnread, ok, problem, unknown, warning, type Check, type Fact } from "./check.ts";
import { countOf } from "./words.ts";

export interface WatcherFacts {
  /** Whether any process holds the watcher's lock. */
  readonly isRunning: Fact<boolean>;
  /** Where `/ready` was asked for: `127.0.0.1:9710`; empty: it was not. */
  readonly listen: string;
  readonly ready: Fact<ReadyAnswer>;
}

/** What `/ready` answers. */
export interface ReadyAnswer {
  readonly inSync: boolean;
  readonly attachments: number;
  readonly problems: readonly string[];
}

/** Whether the rules on this node are kept at what Consul KV says. */
export function checkWatcher(facts: WatcherFacts): readonly Check[] {
  return [checkRunning(facts), checkInSync(facts)];
}

/** Whether a watcher of this node says that it has all it needs. */
export function isWatcherInSync({ ready }: WatcherFacts): boolean {
  return !isUnread(ready) && ready.inSync;
}

function checkRunning({ isRunning }: WatcherFacts): Check {
  const name = "watcher";
  if (isUnread(isRunning)) return unknown(name, { message: `whether a watcher runs: ${isRunning.unread}` });
  if (isRunning) return ok(name, "a watcher runs on this node");
  return problem(name, {
    message: "no watcher runs on this node: rules stay as they are, whatever is written to Consul KV",
    remedy: "nomad job run nomad/outbound-watch.nomad.hcl, or start outbound watch",
  });
}

function checkInSync({ isRunning, listen, ready }: WatcherFacts): Check {
  const name = "in sync";
  if (isRunning === false) return unknown(name, { message: "whether it is in sync: it does not run" });
  if (listen === "") return unknown(name, { message: "whether it is in sync: --listen is empty" });
  if (isUnread(ready)) {
    return warning(name, {
      message: `whether it is in sync: http://${listen}/ready ${ready.unread}`,
      remedy: ready.unread.includes("does not answer")
        ? "It hangs or was stopped: ps -o stat shows T for one that was, kill -CONT lets it go on"
        : "Give --listen to this command as to outbound watch",
    });
  }
  if (ready.inSync) return ok(name, `it is in sync with Consul, for ${countOf(ready.attachments, "attachment")}`);
  const [first = "it has not read all it needs yet", ...more] = ready.problems;
  return problem(name, {
    message: `it is not in sync: ${first}${more.length > 0 ? `, and ${more.length} more` : ""}`,
    remedy: "The last good rules stay. See Consul below, and the watcher's log",
  });
}
