import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, rename, rm } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { runCommand } from "../support/command.ts";
import { cacheDirectory } from "./cache-directory.ts";

/**
 * Path of promtool: `PROMTOOL_BIN`, else `promtool` on PATH, else that of Debian's package prometheus (19 MB), unpacked
 * below `.cache` once. It is never installed: the package would start a server on this machine.
 */
export async function ensurePromtool(): Promise<string> {
  const given = process.env["PROMTOOL_BIN"];
  if (given !== undefined && given !== "") return given;
  const onPath = (process.env["PATH"] ?? "").split(delimiter).map((directory) => join(directory, "promtool"));
  const target = join(cacheDirectory, "prometheus");
  const cached = join(target, "usr", "bin", "promtool");
  const found = [...onPath, cached].find((path) => existsSync(path));
  if (found !== undefined) return found;
  await mkdir(cacheDirectory, { recursive: true });
  const work = await mkdtemp(join(cacheDirectory, "prometheus-download-"));
  try {
    await download(work);
    const archive = (await readdir(work)).find((name) => name.endsWith(".deb"));
    if (archive === undefined) throw new Error(`Cannot unpack prometheus: apt-get left no package in ${work}`);
    await runCommand(["dpkg", "-x", join(work, archive), join(work, "root")]);
    await rename(join(work, "root"), target).catch((error: unknown) => {
      // Another test process may have been faster; its copy is as good.
      if (!existsSync(cached)) throw error;
    });
  } catch (cause) {
    throw new Error("Cannot get promtool from Debian: set PROMTOOL_BIN to a promtool executable instead", { cause });
  } finally {
    await rm(work, { recursive: true, force: true });
  }
  return cached;
}

/** The lists may be missing, or older than what the archive still has. */
async function download(cwd: string): Promise<void> {
  const get = () => runCommand(["apt-get", "download", "prometheus"], { cwd, timeoutMs: 300_000 });
  await get().catch(async () => {
    await runCommand(["apt-get", "update"], { timeoutMs: 300_000 });
    await get();
  });
}

if (import.meta.main) process.stdout.write(`${await ensurePromtool()}\n`);
