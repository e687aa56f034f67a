import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";

/** Runs the executable as Nomad's plugin fingerprint does: no arguments, no environment, no standard input, 3 s. */
export async function smokeCheck(executable: string, { version }: { readonly version: string }): Promise<void> {
  const trap = await mkdtemp(join(tmpdir(), "outbound-build-"));
  try {
    await writeFile(join(trap, ".env"), "CNI_COMMAND=VERSION\n");
    await writeFile(join(trap, "bunfig.toml"), 'preload = ["./preload.js"]\n');
    await writeFile(join(trap, "preload.js"), "process.exit(66);\n");
    for (const cwd of ["/", trap]) await expectAbout(executable, { cwd, version });
  } finally {
    await rm(trap, { recursive: true, force: true });
  }
}

async function expectAbout(
  executable: string,
  { cwd, version }: { readonly cwd: string; readonly version: string },
): Promise<void> {
  const options = { cwd, env: {}, extendEnv: false, stdin: "ignore", timeout: 3000, reject: false } as const;
  const { exitCode, stdout, stderr, shortMessage } = await execa(executable, [], options);
  const [about, protocol, ...rest] = stderr.split("\n");
  const isRight =
    exitCode === 0 &&
    stdout === "" &&
    about === `CNI outbound plugin v${version}` &&
    protocol?.startsWith("CNI protocol versions supported: 0.1.0, ") === true &&
    rest.length === 0;
  if (isRight) return;
  const seen = JSON.stringify({ exitCode, stdout, stderr });
  throw new Error(`Cannot accept ${executable}: run in ${cwd} it gave ${seen} ${shortMessage ?? ""}`);
}
