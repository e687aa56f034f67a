import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { parseOwnJson } from "../../support/json.ts";
import type { Attempts, Stream, StreamEvents } from "./stream.ts";

/** A sender that runs; what it has done so far can be read at any time. */
export interface Sending {
  /** In the order of the streams. It grows. */
  readonly attempts: readonly Attempts[];
  /** Undefined while it runs. */
  exitCode(): number | undefined;
  stop(): Promise<void>;
}

/** Sends on all streams from a network namespace until stopped; it dies with the test process. */
export function startSending(namespace: string, streams: readonly Stream[]): Sending {
  const script = join(import.meta.dirname, "sender.ts");
  const argv = ["--pdeathsig", "KILL", "ip", "netns", "exec", namespace, process.execPath, script];
  const child = spawn("setpriv", [...argv, JSON.stringify(streams)], {
    stdio: ["pipe", "pipe", "inherit"],
    env: { ...process.env, NODE_OPTIONS: "" },
  });
  const exited = once(child, "exit");
  const lists = streams.map(emptyList);
  createInterface({ input: child.stdout }).on("line", (line) => {
    for (const [what, position, sequence, atMs] of parseOwnJson<StreamEvents>(line)) {
      const list = lists[position];
      if (what === "s") list?.sentAtMs.push(atMs);
      else if (list) list.answeredAtMs[sequence] ??= atMs;
    }
  });
  return {
    attempts: lists,
    exitCode: () => child.exitCode ?? (child.signalCode === null ? undefined : 128),
    async stop() {
      child.kill("SIGKILL");
      await exited;
    },
  };
}

interface GrowingAttempts extends Attempts {
  readonly sentAtMs: number[];
  readonly answeredAtMs: (number | undefined)[];
}

function emptyList(stream: Stream): GrowingAttempts {
  return { stream, sentAtMs: [], answeredAtMs: [] };
}
