import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type JsonObject, parseOwnJson } from "../json.ts";
import type { ClientNode } from "../network-namespace.ts";

/** One file of libcni's result cache, written when the whole of an ADD has succeeded. */
export interface CachedAttachment {
  readonly kind: "cniCacheV1";
  readonly containerId: string;
  readonly ifName: string;
  readonly networkName: string;
  readonly netns: string;
  readonly result: JsonObject;
}

type Key = Pick<CachedAttachment, "networkName" | "containerId" | "ifName">;

export async function writeResult(node: ClientNode, attachment: CachedAttachment): Promise<void> {
  await mkdir(node.resultsDir, { recursive: true });
  await writeFile(pathOf(node, attachment), JSON.stringify(attachment));
}

export async function readResult(node: ClientNode, key: Key): Promise<CachedAttachment | undefined> {
  const path = pathOf(node, key);
  return existsSync(path) ? parseOwnJson(await readFile(path, "utf8")) : undefined;
}

export async function dropResult(node: ClientNode, key: Key): Promise<void> {
  await rm(pathOf(node, key), { force: true });
}

export async function listResults(node: ClientNode): Promise<readonly CachedAttachment[]> {
  if (!existsSync(node.resultsDir)) return [];
  const files = await readdir(node.resultsDir);
  return Promise.all(
    files.map(async (file) => parseOwnJson<CachedAttachment>(await readFile(join(node.resultsDir, file), "utf8"))),
  );
}

function pathOf(node: ClientNode, { networkName, containerId, ifName }: Key): string {
  return join(node.resultsDir, `${networkName}-${containerId}-${ifName}`);
}
