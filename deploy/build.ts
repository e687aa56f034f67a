/**
 * Builds the executable, then runs it as Nomad's fingerprint does, and writes its SHA-256 beside it. The same sources
 * give the same bytes. With --all: a release, the executable of each architecture with all that install.sh takes, and
 * SHA256SUMS of it; the executable of another architecture than this machine's is not run.
 *
 * usage: build.ts [--entry cmd/outbound.ts] [--outfile dist/outbound]
 *        build.ts --all [--outdir dist]
 */
import { createHash } from "node:crypto";
import { cp, mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { z } from "zod";
import { type Architecture, architectures, expectElf } from "./architecture.ts";
import { compile } from "./compile.ts";
import { fetchRuntime } from "./fetch-runtime.ts";
import { smokeCheck } from "./smoke-check.ts";

const root = resolve(import.meta.dirname, "..");
const packageSchema = z.object({ version: z.string() });

/** What stands beside an executable when an operator installs it: conflists in a folder, as one of them is chosen. */
const besides = [
  "install.sh",
  "outbound-watch.service",
  "Containerfile",
  "container-entry.sh",
  "conflist",
  "sysctl.d",
  "modules-load.d",
];

const { values } = parseArgs({
  options: {
    all: { type: "boolean", default: false },
    entry: { type: "string", default: "cmd/outbound.ts" },
    outfile: { type: "string", default: "dist/outbound" },
    outdir: { type: "string", default: "dist" },
  },
});
const { version } = packageSchema.parse(JSON.parse(await readFile(join(root, "package.json"), "utf8")));
const entry = resolve(root, values.entry);
if (values.all) await buildRelease(resolve(root, values.outdir));
else await buildOne(resolve(root, values.outfile));

async function buildOne(outfile: string): Promise<void> {
  await inFolderBeside(outfile, async (folder) => {
    const candidate = join(folder, basename(outfile));
    await compile({ root, entry, version, outfile: candidate });
    await smokeCheck(candidate, { version });
    await rename(candidate, outfile);
  });
  await writeFile(`${outfile}.sha256`, `${await sha256(outfile)}  ${basename(outfile)}\n`);
  process.stdout.write(`Built ${values.outfile} ${version}\n`);
}

async function buildRelease(outdir: string): Promise<void> {
  await inFolderBeside(join(outdir, "any"), async (folder) => {
    for (const architecture of architectures) await buildFor(architecture, folder);
    for (const name of besides) await cp(join(root, "deploy", name), join(folder, name), { recursive: true });
    const names = await listFiles(folder);
    const lines = await Promise.all(names.map(async (name) => `${await sha256(join(folder, name))}  ${name}\n`));
    await writeFile(join(folder, "SHA256SUMS"), lines.join(""));
    // The list last: until it is there, what it lists is refused.
    for (const name of [...names, "SHA256SUMS"]) {
      await mkdir(dirname(join(outdir, name)), { recursive: true });
      await rename(join(folder, name), join(outdir, name));
    }
  });
  process.stdout.write(`Built a release of ${version} in ${outdir}\n`);
}

async function buildFor(architecture: Architecture, folder: string): Promise<void> {
  const outfile = join(folder, `outbound-linux-${architecture.name}`);
  if (architecture.node === process.arch) {
    await compile({ root, entry, version, outfile });
    await expectElf(outfile, architecture);
    await smokeCheck(outfile, { version });
    return;
  }
  await inFolderBeside(outfile, async (unpacked) => {
    const runtime = await fetchRuntime(architecture.runtimePackage, { root, folder: unpacked });
    await compile({ root, entry, version, outfile, runtime });
  });
  await expectElf(outfile, architecture);
}

/** Whoever runs the old one meanwhile keeps it: the new one takes its place when it is whole and has been checked. */
async function inFolderBeside(path: string, work: (folder: string) => Promise<void>): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const folder = await mkdtemp(join(dirname(path), ".build-"));
  try {
    await work(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function listFiles(folder: string): Promise<readonly string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((found) => found.isFile())
    .map(({ parentPath, name }) => join(parentPath, name).slice(folder.length + 1))
    .toSorted();
}

async function sha256(path: string): Promise<string> {
  return createHash("sha256")
    .update(await readFile(path))
    .digest("hex");
}
