import { readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import type { ClientNode } from "../network-namespace.ts";
import type { Conflist } from "./conflist.ts";

const folder = join(import.meta.dirname, "..", "..", "..", "deploy", "conflist");

const conflistSchema = z.object({
  cniVersion: z.string(),
  name: z.string(),
  plugins: z.array(z.record(z.string(), z.json()).and(z.object({ type: z.string() }))),
});

/** One of the examples that an operator copies, word for word but for where the test keeps its files. */
export function deployedConflist(name: string, { stateDir, cacheDir, ipamDir }: ClientNode): Conflist {
  const { plugins, ...list } = conflistSchema.parse(JSON.parse(readFileSync(join(folder, `${name}.conflist`), "utf8")));
  const moved = plugins.map((plugin) => {
    const { ipam } = plugin;
    if (plugin.type === "outbound") return { ...plugin, stateDir, cacheDir };
    if (typeof ipam !== "object" || ipam === null || Array.isArray(ipam)) return plugin;
    return { ...plugin, ipam: { ...ipam, dataDir: ipamDir } };
  });
  return { ...list, plugins: moved };
}
