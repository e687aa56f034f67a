import { readdir, readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { runCommand } from "../support/command.ts";
import { variants } from "../support/variant.ts";
import { waitUntil } from "../support/wait.ts";

/** The packet filter rules of this machine's own network namespace, in every dialect, without counters and times. */
export async function readOwnRules(): Promise<string> {
  const saves = variants.flatMap((variant) =>
    ["iptables-save", "ip6tables-save"].map((save) => [`/usr/sbin/xtables-${variant}-multi`, save]),
  );
  const dumps = await Promise.all(
    [["nft", "-s", "list", "ruleset"], ...saves].map((argv) => runCommand(argv, { allowFailure: true })),
  );
  return dumps.map(({ stdout }) => stdout.replace(/^#.*\n/gm, "").replace(/ \[\d+:\d+\]$/gm, "")).join("\n---\n");
}

/** What a demo that has ended has left, 2 s after its end where it is not gone sooner. Should be empty. */
export async function findLeftovers(namespaces: readonly string[]): Promise<readonly string[]> {
  const isGone = async () => (await listLeftovers(namespaces)).length === 0;
  await waitUntil(isGone, { what: "all to be gone", timeoutMs: 2_000 }).catch(() => {});
  return listLeftovers(namespaces);
}

async function listLeftovers(namespaces: readonly string[]): Promise<readonly string[]> {
  const { stdout } = await runCommand(["ip", "netns", "list"]);
  const existing = stdout.split("\n").map((line) => line.replace(/ .*/, ""));
  return [
    ...namespaces.filter((name) => existing.includes(name)).map((name) => `network namespace ${name}`),
    ...(await processesOfSession(process.pid)).map((pid) => `process ${pid}`),
    ...(await readdir(tmpdir())).map((name) => `temporary file ${tmpdir()}/${name}`),
  ];
}

/** All processes that the leader of a session has started and that still run, whoever is their parent now. */
async function processesOfSession(leader: number): Promise<readonly string[]> {
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name) && name !== String(leader));
  const stats = await Promise.all(pids.map(async (pid) => ({ pid, ...(await readStat(pid)) })));
  return stats.filter(({ state, session }) => session === String(leader) && state !== "Z").map(({ pid }) => pid);
}

/** The 3rd and 6th field of proc(5)'s stat; the 2nd may hold spaces and ends with the last parenthesis. */
async function readStat(pid: string): Promise<{ readonly state?: string; readonly session?: string }> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
  const [state, , , session] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return { ...(state !== undefined && { state }), ...(session !== undefined && { session }) };
}
