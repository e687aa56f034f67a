import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, rename, rm, writeFile } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { runCommand } from "../support/command.ts";
import { cacheDirectory } from "./cache-directory.ts";

/** The last Debian release that carries Consul (1.8.7). */
const suite = "bullseye";
const keyring = "/usr/share/keyrings/debian-archive-keyring.gpg";

/**
 * Path of a Consul executable: `CONSUL_BIN`, else `consul` on PATH, else Debian's package, unpacked below `.cache` once
 * and never installed. Throws where none can be had.
 */
export async function ensureConsul(): Promise<string> {
  const given = process.env["CONSUL_BIN"];
  if (given !== undefined && given !== "") return given;
  const onPath = (process.env["PATH"] ?? "").split(delimiter).map((directory) => join(directory, "consul"));
  const cached = join(cacheDirectory, "consul", "usr", "bin", "consul");
  const found = [...onPath, cached].find((path) => existsSync(path));
  if (found !== undefined) return found;
  await unpackDebianPackage(join(cacheDirectory, "consul"));
  return cached;
}

async function unpackDebianPackage(target: string): Promise<void> {
  await mkdir(cacheDirectory, { recursive: true });
  const work = await mkdtemp(join(cacheDirectory, "consul-download-"));
  try {
    const apt = ["apt-get", ...(await isolatedApt(work))];
    await runCommand([...apt, "update"], { timeoutMs: 300_000 });
    await runCommand([...apt, "download", "consul"], { cwd: work, timeoutMs: 300_000 });
    const archive = (await readdir(work)).find((name) => name.endsWith(".deb"));
    if (archive === undefined) throw new Error(`Cannot unpack Consul: apt-get left no package in ${work}`);
    await runCommand(["dpkg", "-x", join(work, archive), join(work, "root")]);
    await rename(join(work, "root"), target).catch((error: unknown) => {
      // Another test process may have been faster; its copy is as good.
      if (!existsSync(join(target, "usr", "bin", "consul"))) throw error;
    });
  } catch (cause) {
    throw new Error(`Cannot get Consul from Debian ${suite}: set CONSUL_BIN to a consul executable instead`, { cause });
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** Options that give apt a sources file, lists and caches of its own, so that the machine's stay as they are. */
async function isolatedApt(work: string): Promise<readonly string[]> {
  const sources = join(work, "consul.list");
  const lists = join(work, "lists");
  await mkdir(join(lists, "partial"), { recursive: true });
  const signedBy = existsSync(keyring) ? `[signed-by=${keyring}] ` : "";
  await writeFile(sources, `deb ${signedBy}${await debianArchive()} ${suite} main\n`);
  const settings = {
    "Dir::Etc::SourceList": sources,
    "Dir::Etc::SourceParts": "/dev/null",
    "Dir::State::Lists": lists,
    "Dir::Cache::pkgcache": "",
    "Dir::Cache::srcpkgcache": "",
    "APT::Sandbox::User": "root",
  };
  return Object.entries(settings).flatMap(([key, value]) => ["-o", `${key}=${value}`]);
}

/** Where this machine has Debian's own packages from. Asks apt, which knows an archive by what it signed, not its name. */
async function debianArchive(): Promise<string> {
  const known = await listDebianArchives();
  if (known.length === 0) await runCommand(["apt-get", "update"], { timeoutMs: 300_000 });
  const [archive] = known.length > 0 ? known : await listDebianArchives();
  if (archive === undefined) throw new Error("Cannot find Debian's archive: apt lists none with origin Debian");
  return archive;
}

async function listDebianArchives(): Promise<readonly string[]> {
  const format = "$(ORIGIN)|$(LABEL)|$(COMPONENT)|$(REPO_URI)";
  const { stdout } = await runCommand(["apt-get", "indextargets", "--format", format, "Created-By: Packages"]);
  return stdout
    .split("\n")
    .map((line) => line.split("|"))
    .filter(([origin, label, component]) => origin === "Debian" && label === "Debian" && component === "main")
    .flatMap(([, , , uri]) => (uri === undefined ? [] : [uri]));
}

if (import.meta.main) process.stdout.write(`${await ensureConsul()}\n`);
