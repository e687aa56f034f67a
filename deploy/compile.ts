import { execa } from "execa";

export interface CompileOptions {
  readonly root: string;
  readonly entry: string;
  /** What the executable says of itself. */
  readonly version: string;
  /** Its name is part of the bytes: the same one gives the same executable. */
  readonly outfile: string;
  /** Bun for the architecture that the executable is for; default: the one that compiles. */
  readonly runtime?: string;
}

/** Makes one executable of the entry and all it imports. The same sources and runtime give the same bytes. */
export async function compile({ root, entry, version, outfile, runtime }: CompileOptions): Promise<void> {
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
    // Else CommonJS modules (pino's, for the workers that it is not asked for) have the folder of this clone in them.
    '--define=__dirname="/"',
    // Without it bun would download that architecture's runtime from where nothing says which bytes are right.
    ...(runtime === undefined ? [] : [`--compile-executable-path=${runtime}`]),
    entry,
    `--outfile=${outfile}`,
  ];
  const result = await execa("bun", args, { cwd: root, preferLocal: true, localDir: root, reject: false, all: true });
  // Where bytecode fails, bun says so, exits 0 and leaves an executable that starts slower.
  if (result.exitCode !== 0 || result.all.includes("error:")) {
    throw new Error(`Cannot build ${outfile}: ${result.shortMessage ?? "bun reports an error"}\n${result.all}`);
  }
}
