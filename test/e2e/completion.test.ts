import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Shell } from "../../cmd/completion-scripts.ts";
import { createAttachmentStore } from "../../lib/host/attachment-store.ts";
import { createMemoryLog } from "../fakes/log.ts";
import { ensurePackages } from "../setup/packages.ts";
import { attachmentOf } from "../support/attachment.ts";
import { outboundPath } from "../support/cni/outbound.ts";
import { runCommand } from "../support/command.ts";

const allocId = "8f1c0001-1111-2222-3333-444455556666";
/** A shell would run it, if it were put into the command line as it is. */
const hostileJob = "a$(touch ran) b";

let folder: string;
let stateDir: string;
/** Where nothing may appear. */
let workingFolder: string;

beforeAll(async () => {
  await ensurePackages({ docker: false, shells: true });
  folder = await mkdtemp(join(tmpdir(), "cni-outbound-completion-"));
  stateDir = join(folder, "state");
  workingFolder = await mkdtemp(join(folder, "work-"));
  const store = createAttachmentStore(stateDir, { log: createMemoryLog() });
  store.write(
    attachmentOf({ containerId: allocId, identity: { namespace: "default", job: hostileJob, group: "app" } }),
  );
  for (const shell of ["bash", "zsh", "fish"] as const) {
    const { stdout } = await runCommand([outboundPath, "completion", shell]);
    await writeFile(join(folder, `outbound.${shell}`), stdout);
  }
}, 900_000);

afterAll(() => rm(folder, { recursive: true, force: true }));

/** What each shell offers where the last of these words is being written. */
type Complete = (...words: readonly string[]) => Promise<readonly string[]>;

const inBash: Complete = async (...words) => {
  const script = [
    'source "$SCRIPT"',
    'COMP_WORDS=("$@")',
    "COMP_CWORD=$(($# - 1))",
    '$(complete -p outbound | sed "s/.*-F \\([^ ]*\\).*/\\1/") outbound',
    'printf "%s\\n" "${COMPREPLY[@]}"',
  ].join("\n");
  return run("bash", ["bash", "--norc", "-c", script, "bash", "outbound", ...words]);
};

const inFish: Complete = (...words) => {
  const script = 'source $SCRIPT; complete -C "$argv"';
  return run("fish", ["fish", "--no-config", "-c", script, ["outbound", ...words].join(" ")]);
};

/** A function that completion calls in place of zsh's own collects what would be shown. */
const inZsh: Complete = (...words) => {
  const script = [
    "compdef() { :; }",
    '_describe() { print -rl -- "${(@P)2}"; }',
    "_default() { print -r -- FILES; }",
    'source "$SCRIPT"',
    'words=("$@")',
    "CURRENT=$#",
    "_outbound",
  ].join("\n");
  return run("zsh", ["zsh", "-f", "-c", script, "zsh", "outbound", ...words]);
};

async function run(shell: Shell, argv: readonly string[]): Promise<readonly string[]> {
  // The login shell is another one than that which asks.
  const env = {
    PATH: `${dirname(outboundPath)}:/usr/bin:/bin`,
    SHELL: shell === "fish" ? "/bin/zsh" : "/usr/bin/fish",
    SCRIPT: join(folder, `outbound.${shell}`),
    HOME: folder,
  };
  const { stdout, stderr } = await runCommand(argv, { env, cwd: workingFolder });
  expect(stderr).toBe("");
  return stdout.split("\n").filter((line) => line !== "");
}

/** The values alone: zsh and fish show what each means beside it. */
function valuesOf(shell: Shell, lines: readonly string[]): readonly string[] {
  if (shell === "fish") return lines.map((line) => line.replace(/\t.*/, ""));
  return shell === "zsh" ? lines.map((line) => line.replace(/(?<!\\):.*/, "")) : lines;
}

describe.each([
  { shell: "bash", complete: inBash },
  { shell: "zsh", complete: inZsh },
  { shell: "fish", complete: inFish },
] as const)("$shell", ({ shell, complete }) => {
  const values: Complete = async (...words) => valuesOf(shell, await complete(...words));

  test("completes commands, and those below them", async () => {
    const commands = await values("");
    expect(commands).toEqual(
      expect.arrayContaining(["list", "show", "explain", "watch", "doctor", "rules", "completion"]),
    );
    expect(await values("rules", "")).toEqual(expect.arrayContaining(["get", "put", "rm", "validate"]));
  });

  test("completes options and their choices", async () => {
    expect(await values("show", "--")).toEqual(expect.arrayContaining(["--json", "--state-dir"]));
    expect(await values("watch", "--log-level", "")).toEqual(expect.arrayContaining(["info", "warn", "error"]));
    expect((await values("completion", "")).toSorted()).toEqual(["bash", "fish", "zsh"]);
    const options = await values("rules", "put", "x", "--");
    expect(options).toEqual(expect.arrayContaining(["--file", "--mode"]));
    expect(options).not.toContain("--f");
  });

  test("completes the words of a rule", async () => {
    expect((await values("rules", "put", "x", "--mode", "")).toSorted()).toEqual(["audit", "enforce"]);
    expect(await values("plan", "x", "--action", "DR")).toContain("DROP");
  });

  test("completes ids of this node's allocations", async () => {
    expect(await values("show", "--state-dir", stateDir, "")).toEqual([allocId]);
    expect(await values("explain", "--state-dir", stateDir, "8f")).toEqual([allocId]);
  });

  test("is silent where state cannot be read", async () => {
    expect((await values("show", "--state-dir", "/dev/null", "")).filter((value) => value !== "FILES")).toEqual([]);
  });

  test("says what a command is for, where the shell shows it", async () => {
    const [line] = (await complete("")).filter((each) => each.startsWith("doctor"));
    const shown = { bash: "doctor", zsh: "doctor:Check what", fish: "doctor\tCheck what" };
    expect(line?.slice(0, shown[shell].length)).toBe(shown[shell]);
  });
});

test("a name that a shell would run is quoted for bash, which puts it into the line as it is", async () => {
  const given = ["plan", "x", "--state-dir", stateDir, "--namespace", "default", "--job", ""];
  expect(await inBash(...given)).toEqual([String.raw`a\$\(touch\ ran\)\ b`]);
  expect((await runCommand(["ls", workingFolder])).stdout).toBe("");
});

test("zsh completes for a person too", async () => {
  const startup = [
    `PATH=${dirname(outboundPath)}:/usr/bin:/bin`,
    "PS1='READY '",
    "autoload -U compinit && compinit -u -D",
    `source ${join(folder, "outbound.zsh")}`,
  ].join("\n");
  await writeFile(join(folder, ".zshrc"), startup);
  const script = [
    "zmodload zsh/zpty",
    "zpty shell zsh -i",
    "zpty -r shell output '*READY *'",
    String.raw`zpty -n -w shell $'outbound doc\t'`,
    "zpty -r shell output '*outbound doctor*'",
    'print -r -- "$output"',
    "zpty -d shell",
  ].join("\n");
  const env = { TERM: "xterm", ZDOTDIR: folder, HOME: folder };
  const { stdout } = await runCommand(["timeout", "20", "zsh", "-f", "-c", script], { env });
  expect(stdout).toContain("outbound doctor");
});
