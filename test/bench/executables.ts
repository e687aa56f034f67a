import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { cacheDirectory } from "../setup/cache-directory.ts";
import { outboundPath } from "../support/cni/outbound.ts";
import { runCommand } from "../support/command.ts";

export interface Executables {
  readonly outbound: string;
  /** One line that writes with `fs.writeSync`. */
  readonly bareWriteSync: string;
  /** One line that writes with `console`. */
  readonly bareConsole: string;
}

/** Builds the executable and two bare ones by the same script: the same compiler, the same flags. */
export async function buildExecutables(): Promise<Executables> {
  const script = join(import.meta.dirname, "..", "..", "deploy", "build.ts");
  const build = async (outfile: string, entry: readonly string[] = []) => {
    await runCommand([process.execPath, script, ...entry, `--outfile=${outfile}`], { timeoutMs: 120_000 });
    return outfile;
  };
  const bare = (name: string, source: URL) =>
    build(join(cacheDirectory, "bench", name), [`--entry=${fileURLToPath(source)}`]);
  return {
    outbound: await build(outboundPath),
    bareWriteSync: await bare("bare-write-sync", new URL("bare-write-sync.ts", import.meta.url)),
    bareConsole: await bare("bare-console", new URL("bare-console.ts", import.meta.url)),
  };
}
