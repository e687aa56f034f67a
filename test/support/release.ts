import { createHash } from "node:crypto";
import { cp, mkdir, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { outboundPath } from "./cni/outbound.ts";
import type { Conflist } from "./cni/conflist.ts";

const deploy = join(import.meta.dirname, "..", "..", "deploy");

export interface ReleaseOptions {
  /** What makes its executable another one: appended to it. */
  readonly mark?: string;
  /** By name; default none. */
  readonly conflists?: readonly Conflist[];
}

/** A folder as an operator has it on a client: install.sh, the executable, conflists and the list of hashes. */
export async function makeRelease(folder: string, { mark = "", conflists = [] }: ReleaseOptions = {}): Promise<void> {
  await mkdir(folder, { recursive: true });
  for (const name of ["install.sh", "outbound-watch.service"]) await cp(join(deploy, name), join(folder, name));
  const executable = Buffer.concat([await readFile(outboundPath), Buffer.from(mark)]);
  await writeFile(join(folder, "outbound"), executable);
  await writeSums(folder);
  for (const conflist of conflists) {
    await writeFile(join(folder, `${conflist.name}.conflist`), `${JSON.stringify(conflist, null, 2)}\n`);
  }
}

/** As `sha256sum outbound` prints it. */
export async function writeSums(folder: string): Promise<void> {
  await writeFile(join(folder, "SHA256SUMS"), `${await hashOf(join(folder, "outbound"))}  outbound\n`);
}

/** All that is below a folder: its path there, its mode, and its hash and time of change, for files. */
export async function readTree(folder: string): Promise<Readonly<Record<string, string>>> {
  const names = (await readdir(folder, { recursive: true })).toSorted();
  const entries = await Promise.all(
    names.map(async (name) => {
      const path = join(folder, name);
      const { mode, mtimeMs } = await stat(path);
      const isFile = (mode & 0o170000) === 0o100000;
      return [name, `${mode.toString(8)}${isFile ? ` ${await hashOf(path)} ${mtimeMs}` : ""}`] as const;
    }),
  );
  return Object.fromEntries(entries);
}

/** Without times: what is there, with its mode and content. */
export function withoutTimes(tree: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(tree).map(([name, text]) => [name, text.replace(/ [\d.]+$/, "")]));
}

async function hashOf(path: string): Promise<string> {
  return createHash("sha256")
    .update(await readFile(path))
    .digest("hex");
}
