import type { ClientNode } from "./network-namespace.ts";

/** All rules of both families and all tables, in order, without counters and times. */
export async function savedRules(node: ClientNode): Promise<string> {
  const saved = await Promise.all(["iptables-save", "ip6tables-save"].map((command) => node.exec([command])));
  return saved.map(({ stdout }) => stdout.replace(/^#.*\n/gm, "").replace(/\[\d+:\d+\]/g, "")).join("");
}

/** The rules of one chain in one family, as `iptables -S` prints them; none where it does not exist. */
export async function chainRules(node: ClientNode, chain: string, family: 4 | 6 = 4): Promise<readonly string[]> {
  const { stdout } = await node.exec([family === 4 ? "iptables" : "ip6tables", "-S", chain], { allowFailure: true });
  return stdout.split("\n").filter((line) => line.startsWith("-A "));
}

/** Runs iptables commands in both families: `-A FORWARD -j DROP`. */
export async function inBothFamilies(node: ClientNode, ...commands: readonly string[]): Promise<void> {
  for (const command of commands) {
    for (const program of ["iptables", "ip6tables"]) await node.exec([program, "-w", ...command.split(" ")]);
  }
}
