import { mkdir, symlink } from "node:fs/promises";
import { join } from "node:path";

/** Which iptables a node has: both exist side by side, and neither sees the other's chains. */
export type Variant = "nft" | "legacy";

export const variants = ["nft", "legacy"] as const;

const commands = ["iptables", "iptables-restore", "iptables-save"].flatMap((name) => [name, name.replace("ip", "ip6")]);

/** Fills a directory with the iptables commands of one variant; first in PATH, every program uses that variant. */
export async function linkVariant(directory: string, variant: Variant): Promise<void> {
  await mkdir(directory, { recursive: true });
  await Promise.all(commands.map((command) => symlink(`/usr/sbin/xtables-${variant}-multi`, join(directory, command))));
}
