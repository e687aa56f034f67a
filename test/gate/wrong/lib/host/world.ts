import { execa } from "execa";
import { env } from "node:process"; // wrong: lint no-restricted-imports
import { version } from "../../cmd/version.ts"; // wrong: lint no-restricted-imports
import { emptySnapshot } from "../../watcher/snapshot.ts"; // wrong: lint no-restricted-imports

export function readHome(): string | undefined {
  return process.env["HOME"]; // wrong: lint no-restricted-properties
}

export function stop(): void {
  process.exitCode = 1; // wrong: lint no-restricted-properties
  process.exit(); // wrong: lint no-restricted-properties
}

export const all = { execa, env, version, emptySnapshot };
