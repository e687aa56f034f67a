import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { execa } from "execa";
import { z } from "zod";

const lockSchema = z.object({
  packages: z.record(z.string(), z.object({ version: z.string().optional(), integrity: z.string().optional() })),
});

/**
 * Bun of another architecture than this machine's: npm installs none of those. Unpacked into `folder`, from the archive
 * of the version and with the hash that package-lock.json names, which is kept in `.cache`.
 *
 * @returns the path of the executable
 * @throws where the archive has another hash
 */
export async function fetchRuntime(
  name: string,
  { root, folder }: { readonly root: string; readonly folder: string },
): Promise<string> {
  const { packages } = lockSchema.parse(JSON.parse(await readFile(join(root, "package-lock.json"), "utf8")));
  const { version, integrity } = packages[`node_modules/${name}`] ?? {};
  if (version === undefined || integrity === undefined) {
    throw new Error(`Cannot fetch ${name}: package-lock.json has no version and hash of it`);
  }
  const cache = join(root, ".cache", "bun");
  const archive = join(cache, `${name.replace("/", "-").replace("@", "")}-${version}.tgz`);
  if (!existsSync(archive)) await download(`${name}@${version}`, { cache, archive });
  const found = `sha512-${createHash("sha512")
    .update(await readFile(archive))
    .digest("base64")}`;
  if (found !== integrity) {
    await rm(archive);
    throw new Error(`Cannot use ${name}@${version}: its hash is ${found}, package-lock.json says ${integrity}`);
  }
  await execa("tar", ["-xzf", archive, "-C", folder, "package/bin/bun"]);
  return join(folder, "package", "bin", "bun");
}

async function download(
  what: string,
  { cache, archive }: { readonly cache: string; readonly archive: string },
): Promise<void> {
  await mkdir(cache, { recursive: true });
  const folder = await mkdtemp(join(cache, ".download-"));
  try {
    const { stdout } = await execa("npm", ["pack", "--silent", "--pack-destination", folder, what]);
    await rename(join(folder, stdout.trim()), archive);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
