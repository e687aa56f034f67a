import { version } from "../cmd/version.ts"; // wrong: lint no-restricted-imports

export async function watchOnce(): Promise<void> {
  setTimeout(() => {}, 1000); // wrong: lint no-restricted-globals
}

export function start(): void {
  watchOnce(); // wrong: lint no-floating-promises
}

export function stop(): void {
  process.exit(Number(version)); // wrong: lint no-restricted-properties
}
