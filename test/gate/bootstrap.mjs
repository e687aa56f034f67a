/**
 * Runs a script of this repository on the Node.js of its own development dependencies. Plain JavaScript for Node.js 20:
 * it is the first thing that runs on a bare clone.
 *
 * usage: node test/gate/bootstrap.mjs <script.ts> [argument…]
 */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, statSync, utimesSync } from "node:fs";
import { constants } from "node:os";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../..", import.meta.url));
const bin = join(root, "node_modules/.bin");
// npm writes it last, after everything it lists is in place.
const installed = join(root, "node_modules/.package-lock.json");

if (isStale()) install();
const [script, ...args] = process.argv.slice(2);
process.exitCode = await runScript(join(root, script), args);

function isStale() {
  if (![installed, join(bin, "node"), join(bin, "bun")].every((path) => existsSync(path))) return true;
  return statSync(join(root, "package-lock.json")).mtimeMs > statSync(installed).mtimeMs;
}

function install() {
  // Not `npm ci`: it insists on the optional packages of every platform, also where a registry has not got them. Both
  // take the versions and hashes of package-lock.json; --no-save leaves it and package.json as they are.
  const args = ["install", "--no-save", "--no-audit", "--no-fund", "--loglevel=error"];
  const status = run("npm", args, process.env);
  if (status !== 0) process.exit(status);
  const now = new Date();
  utimesSync(installed, now, now);
}

/** Outlives the script, so that npm waits for what the script still does after a signal. */
async function runScript(path, args) {
  const env = { ...process.env, PATH: `${bin}${delimiter}${process.env.PATH}` };
  const child = spawn(join(bin, "node"), [path, ...args], { cwd: root, env, stdio: "inherit" });
  // A terminal sends Ctrl-C to the script too.
  process.on("SIGINT", () => {});
  for (const signal of ["SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));
  const [status, signal] = await once(child, "exit");
  return status ?? 128 + constants.signals[signal];
}

function run(file, args, env) {
  const { status, signal, error } = spawnSync(file, args, { cwd: root, env, stdio: "inherit" });
  if (error) throw error;
  return status ?? 128 + constants.signals[signal];
}
