/**
 * Builds the executable, then runs it as Nomad's fingerprint does, and writes its SHA-256 beside it. The same sources
 * give the same bytes.
 *
 * usage: build.ts [--entry cmd/outbound.ts] [--outfile dist/outbound]
 */
import { createHash } from "node:crypto";
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, dirname, join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { execa } from "execa";
import { z } from "zod";

const root = resolve(import.meta.dirname, "..");
const packageSchema = z.object({ version: z.string() });

const { values } = parseArgs({
  options: {
    entry: { type: "string", default: "cmd/outbound.ts" },
    outfile: { type: "string", default: "dist/outbound" },
  },
});
const outfile = resolve(root, values.outfile);
/** Whoever runs the old one meanwhile keeps it: the new one takes its place when it is whole and has been checked. */
await mkdir(dirname(outfile), { recursive: true });
const folder = await mkdtemp(join(dirname(outfile), ".build-"));
// The name is part of the bytes: the same one gives the same executable.
const candidate = join(folder, basename(outfile));

const { version } = packageSchema.parse(JSON.parse(await readFile(join(root, "package.json"), "utf8")));
try {
  await compile({ entry: resolve(root, values.entry), version });
  await smokeCheck(version);
  await rename(candidate, outfile);
} finally {
  await rm(folder, { recursive: true, force: true });
}
await writeFile(`${outfile}.sha256`, `${await sha256(outfile)}  ${basename(outfile)}\n`);
process.stdout.write(`Built ${values.outfile} ${version}\n`);

async function compile({ entry, version }: { readonly entry: string; readonly version: string }): Promise<void> {
  const args = [
    "build",
    "--compile",
    "--minify",
    "--bytecode",
    // Bytecode's default, CommonJS, knows neither top-level await nor import.meta, which yargs uses.
    "--format=esm",
    // Without it the whole bundle is loaded before the first line runs, also what only a dynamic import reaches.
    "--splitting",
    // Else the working directory's .env sets variables, and its bunfig.toml preloads code.
    "--no-compile-autoload-dotenv",
    "--no-compile-autoload-bunfig",
    `--define=OUTBOUND_VERSION=${JSON.stringify(version)}`,
    entry,
    `--outfile=${candidate}`,
  ];
  const result = await execa("bun", args, { cwd: root, preferLocal: true, localDir: root, reject: false, all: true });
  // Where bytecode fails, bun says so, exits 0 and leaves an executable that starts slower.
  if (result.exitCode !== 0 || result.all.includes("error:")) {
    throw new Error(`Cannot build ${outfile}: ${result.shortMessage ?? "bun reports an error"}\n${result.all}`);
  }
}

/** No arguments, no environment, no standard input, 3 s: Nomad's plugin fingerprint. */
async function smokeCheck(version: string): Promise<void> {
  const trap = await mkdtemp(join(tmpdir(), "outbound-build-"));
  try {
    await writeFile(join(trap, ".env"), "CNI_COMMAND=VERSION\n");
    await writeFile(join(trap, "bunfig.toml"), 'preload = ["./preload.js"]\n');
    await writeFile(join(trap, "preload.js"), "process.exit(66);\n");
    for (const cwd of ["/", trap]) await expectAbout({ cwd, version });
  } finally {
    await rm(trap, { recursive: true, force: true });
  }
}

async function expectAbout({ cwd, version }: { readonly cwd: string; readonly version: string }): Promise<void> {
  const options = { cwd, env: {}, extendEnv: false, stdin: "ignore", timeout: 3000, reject: false } as const;
  const { exitCode, stdout, stderr, shortMessage } = await execa(candidate, [], options);
  const [about, protocol, ...rest] = stderr.split("\n");
  const isRight =
    exitCode === 0 &&
    stdout === "" &&
    about === `CNI outbound plugin v${version}` &&
    protocol?.startsWith("CNI protocol versions supported: 0.1.0, ") === true &&
    rest.length === 0;
  if (isRight) return;
  const seen = JSON.stringify({ exitCode, stdout, stderr });
  throw new Error(`Cannot accept ${outfile}: run in ${cwd} it gave ${seen} ${shortMessage ?? ""}`);
}

async function sha256(path: string): Promise<string> {
  return createHash("sha256")
    .update(await readFile(path))
    .digest("hex");
}
