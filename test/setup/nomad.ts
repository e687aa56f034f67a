import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import { runCommand } from "../support/command.ts";

/** The first that tells a plugin whose allocation it is, and checks it when the agent starts again. */
const LEAST_VERSION = [1, 9, 5] as const;

/**
 * Path of a Nomad executable: `NOMAD_BIN`, else `nomad` on PATH. No Debian release carries it.
 * @throws Error that says why the tests with a Nomad cannot run
 */
export async function findNomad(): Promise<string> {
  const given = process.env["NOMAD_BIN"] ?? "";
  const onPath = (process.env["PATH"] ?? "").split(delimiter).map((directory) => join(directory, "nomad"));
  const path = given === "" ? onPath.find((each) => existsSync(each)) : given;
  if (path === undefined) throw new Error("Cannot find Nomad: NOMAD_BIN is not set, and no nomad is on PATH");
  const { stdout } = await runCommand([path, "version"]);
  const [, version = ""] = /^Nomad v(\S+)/m.exec(stdout) ?? [];
  if (!isAtLeast(version, LEAST_VERSION)) {
    throw new Error(
      `Cannot use ${path}: found Nomad ${version || stdout.trim()}, expected ${LEAST_VERSION.join(".")} or later`,
    );
  }
  return path;
}

function isAtLeast(version: string, least: readonly number[]): boolean {
  const parts = version.split(/[.\-+]/).map(Number);
  const different = least.findIndex((part, index) => parts[index] !== part);
  return different === -1 || (parts[different] ?? 0) > (least[different] ?? 0);
}
