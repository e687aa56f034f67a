import { readdirSync, readFileSync, statSync } from "node:fs";
import type { ClientNode } from "./network-namespace.ts";
import { variants } from "./variant.ts";

/** All that could stay behind on a node, by what it is; counters and times left out. */
export type NodeSnapshot = Readonly<Record<string, string>>;

/** Tables of both variants and of nftables, processes, sockets that are listened on, and files with their modes. */
export async function takeSnapshot(node: ClientNode): Promise<NodeSnapshot> {
  const saves = variants.flatMap((variant) =>
    ["iptables-save", "ip6tables-save"].map((program) => [`xtables-${variant}-multi`, program]),
  );
  const listings = [...saves, ["nft", "list", "ruleset"]];
  const printed = await Promise.all(listings.map((argv) => node.exec(argv)));
  const { stdout: sockets } = await node.exec(["cat", "/proc/net/unix"]);
  const { stdout: pids } = await node.exec(["ip", "netns", "pids", node.namespace]);
  return {
    ...Object.fromEntries(listings.map((argv, index) => [argv.join(" "), withoutCounters(printed[index]?.stdout)])),
    sockets: [...sockets.matchAll(/@.*/g)].map(String).toSorted().join("\n"),
    processes: pids.split("\n").map(commandLineOf).filter(Boolean).toSorted().join("\n"),
    files: filesBelow(node.directory).join("\n"),
  };
}

function withoutCounters(text = ""): string {
  return text
    .replaceAll(/^#.*\n/gm, "")
    .replaceAll(/\[\d+:\d+\]/g, "[0:0]")
    .replaceAll(/counter packets \d+ bytes \d+/g, "counter");
}

/** A program that is just ending has none any more; what only looks is not counted. */
function commandLineOf(pid: string): string {
  try {
    const words = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
    return words[0] === "ip" || words[0] === "" ? "" : words.join(" ").trim();
  } catch {
    return "";
  }
}

function filesBelow(folder: string): readonly string[] {
  return readdirSync(folder, { withFileTypes: true })
    .flatMap((entry) => {
      const path = `${folder}/${entry.name}`;
      if (entry.isSymbolicLink()) return [path];
      const { mode } = statSync(path);
      return [`${path} ${mode.toString(8)}`, ...(entry.isDirectory() ? filesBelow(path) : [])];
    })
    .toSorted();
}
