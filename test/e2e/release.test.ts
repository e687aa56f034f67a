import { cp, mkdir, mkdtemp, readFile, realpath, rm, symlink } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { cacheDirectory } from "../setup/cache-directory.ts";
import { ensurePackages } from "../setup/packages.ts";
import { runCommand } from "../support/command.ts";

const root = join(import.meta.dirname, "..", "..");
const sources = ["cmd", "lib", "watcher", "deploy", "package.json", "package-lock.json", "tsconfig.json"];

/** A clone as a developer has it, with node_modules of its own: linked file by file, as they are large. */
async function makeClone(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  for (const name of sources) await cp(join(root, name), join(folder, name), { recursive: true });
  const modules = await realpath(join(root, "node_modules"));
  await runCommand(["cp", "-al", modules, join(folder, "node_modules")], { timeoutMs: 120_000 });
  // What was fetched once need not be fetched again: its hash is looked at each time.
  await symlink(cacheDirectory, join(folder, ".cache"));
}

/** There is no emulator of amd64 for machines of arm64. */
const runnable = process.arch === "arm64" ? ["arm64"] : ["amd64", "arm64"];

let folder: string;
let clones: readonly [string, string];

beforeAll(async () => {
  await ensurePackages({ docker: false, otherArchitecture: true });
  await mkdir(cacheDirectory, { recursive: true });
  folder = await mkdtemp(join(cacheDirectory, "release-"));
  clones = [join(folder, "one"), join(folder, "another", "place", "two")];
  for (const clone of clones) {
    await makeClone(clone);
    await runCommand([process.execPath, "deploy/build.ts", "--all"], { cwd: clone, timeoutMs: 300_000 });
  }
}, 900_000);

afterAll(() => rm(folder, { recursive: true, force: true }));

test("two clones in different folders build the same bytes", async () => {
  const [one, two] = await Promise.all(clones.map((clone) => readFile(join(clone, "dist", "SHA256SUMS"), "utf8")));
  expect(one).toBe(two);
  expect(one).toMatch(/^[0-9a-f]{64} {2}outbound-linux-amd64$/m);
  expect(one).toMatch(/^[0-9a-f]{64} {2}outbound-linux-arm64$/m);
});

test("the list is right, and install.sh, the unit and the image's files are in it", async () => {
  const dist = join(clones[0], "dist");
  const { stdout } = await runCommand(["sha256sum", "--check", "--strict", "SHA256SUMS"], { cwd: dist });
  for (const name of ["install.sh", "outbound-watch.service", "Containerfile", "conflist/my-network.conflist"]) {
    expect(stdout).toContain(`${name}: OK`);
  }
});

test.each(runnable)("the executable for %s tells its version and CNI's", async (architecture) => {
  const path = join(clones[0], "dist", `outbound-linux-${architecture}`);
  const isOwn = architecture === (process.arch === "arm64" ? "arm64" : "amd64");
  const argv = isOwn ? [path] : ["qemu-aarch64-static", "-L", "/usr/aarch64-linux-gnu", path];
  const about = await runCommand(argv);
  expect(about).toMatchObject({ exitCode: 0, stdout: "" });
  expect(about.stderr).toMatch(/^CNI outbound plugin v\d+\.\d+\.\d+\nCNI protocol versions supported: 0\.1\.0/);
  const { stdout } = await runCommand(argv, { env: { CNI_COMMAND: "VERSION" } });
  expect(JSON.parse(stdout)).toMatchObject({ cniVersion: "1.1.0" });
});

test("a runtime with another hash than package-lock.json's is refused", async () => {
  const lock = join(clones[1], "package-lock.json");
  const text = await readFile(lock, "utf8");
  const other = process.arch === "arm64" ? "x64" : "aarch64";
  const pattern = new RegExp(`("node_modules/@oven/bun-linux-${other}": \\{[^}]*?"integrity": "sha512-)...`);
  expect(text).toMatch(pattern);
  await runCommand(["rm", join(clones[1], ".cache")]);
  await cp(join(cacheDirectory, "bun"), join(clones[1], ".cache", "bun"), { recursive: true });
  await runCommand(["sh", "-c", 'cat > "$1"', "sh", lock], { input: text.replace(pattern, "$1AAA") });
  const build = [process.execPath, "deploy/build.ts", "--all"];
  const outcome = await runCommand(build, { cwd: clones[1], allowFailure: true });
  expect(outcome.exitCode).toBe(1);
  expect(outcome.stderr).toMatch(
    /Cannot use @oven\/bun-linux-\S+: its hash is sha512-\S+, package-lock\.json says sha512-AAA/,
  );
});
