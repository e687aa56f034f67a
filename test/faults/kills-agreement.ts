import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { families } from "../e2e/running-node.ts";
import { isAttachmentChain } from "../../lib/netfilter/names.ts";
import { parseRuleset } from "../../lib/netfilter/parse-ruleset.ts";
import { chainOf } from "../support/cni/outbound.ts";
import type { ClientNode } from "../support/network-namespace.ts";
import { waitUntil } from "../support/wait.ts";
import type { World } from "./support/world.ts";

/**
 * Waits until nothing is left of any attachment but the world's own container: neither record nor chain nor what leads
 * to it, nor a file that somebody who was killed had begun. Throws, with what is left, after `withinMs`.
 */
export async function nothingIsLeft(world: World, { withinMs = 10_000 } = {}): Promise<void> {
  const { node, conflist } = world.running;
  const own = chainOf(conflist, world.container.containerId);
  let left: readonly string[] = [];
  const look = async () => {
    left = await differences(node, [own]);
    return left.length === 0;
  };
  await waitUntil(look, { what: "nothing to be left", timeoutMs: withinMs }).catch((cause: unknown) => {
    throw new Error(`Cannot see that nothing is left: ${left.join("; ")}`, { cause });
  });
}

/** Where records, chains and what leads to them are not of exactly these chains. */
export async function differences(node: ClientNode, chains: readonly string[]): Promise<readonly string[]> {
  const wanted = chains.toSorted();
  const found: string[] = [];
  const compare = (what: string, is: readonly string[], should: readonly string[]) => {
    if (is.join() !== should.join()) found.push(`${what}: found ${is.join()}, expected ${should.join()}`);
  };
  const files = [...filesIn(join(node.stateDir, "attachments")), ...temporaryFiles(node)];
  compare(
    "state",
    [...new Set(files)].toSorted(),
    wanted.map((chain) => `${chain}.json`),
  );
  for (const family of families) {
    const { stdout } = await node.exec([family === 4 ? "iptables-save" : "ip6tables-save", "-t", "filter"]);
    const actual = parseRuleset(stdout);
    compare(`IPv${family} chains`, [...actual.keys()].filter(isAttachmentChain).toSorted(), wanted);
    const targets = [...actual.values()].flat().flatMap(({ target }) => target ?? []);
    // By interface and by address.
    const leading = targets.filter(isAttachmentChain).toSorted();
    compare(
      `IPv${family} rules that lead to them`,
      leading,
      wanted.flatMap((chain) => [chain, chain]),
    );
    const nowhere = targets.filter((target) => target.startsWith("CNI-OUT") && !actual.has(target));
    compare(`IPv${family} rules that lead nowhere`, nowhere, []);
  }
  return found;
}

/** Files that were begun and never put in place. */
function temporaryFiles({ stateDir, cacheDir }: ClientNode): readonly string[] {
  const folders = [stateDir, join(stateDir, "attachments"), cacheDir];
  return folders.flatMap(filesIn).filter((name) => name.endsWith(".tmp"));
}

function filesIn(folder: string): readonly string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => (entry.isFile() ? [entry.name] : []));
}
