import { randomUUID } from "node:crypto"; // wrong: lint no-restricted-imports
import { readFileSync } from "node:fs"; // wrong: lint no-restricted-imports
import { readFile } from "node:fs/promises"; // wrong: lint no-restricted-imports
import { isIP } from "net"; // wrong: lint prefer-node-protocol
import { setTimeout as sleep } from "node:timers/promises"; // wrong: lint no-restricted-imports
import { execa } from "execa"; // wrong: lint no-restricted-imports
import { readClock } from "../host/clock.ts"; // wrong: lint no-restricted-imports
import { emptySnapshot } from "../../watcher/snapshot.ts"; // wrong: lint no-restricted-imports

export async function load(): Promise<unknown> {
  return import("node:fs"); // wrong: lint no-restricted-imports
}

export const all = { randomUUID, readFileSync, readFile, isIP, sleep, execa, readClock, emptySnapshot };
