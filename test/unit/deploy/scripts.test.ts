import { existsSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { runCommand } from "../../support/command.ts";

const deploy = join(import.meta.dirname, "..", "..", "..", "deploy");

describe.each(["install.sh", "container-entry.sh"])("deploy/%s", (name) => {
  test("is a script for any POSIX shell", async () => {
    await runCommand(["sh", "-n", join(deploy, name)]);
    expect(await runCommand(["sh", "-c", "read -r line < $0; echo $line", join(deploy, name)])).toMatchObject({
      stdout: "#!/bin/sh\n",
    });
  });

  // Whoever has no shellcheck reads in the list of what did not run that this did not.
  test.skipIf(!existsSync("/usr/bin/shellcheck"))("is clean by shellcheck, which tells what is wrong", async () => {
    expect(await runCommand(["shellcheck", join(deploy, name)])).toMatchObject({ exitCode: 0, stdout: "" });
    const wrong = await runCommand(["shellcheck", "-"], { input: "#!/bin/sh\nrm $1\n", allowFailure: true });
    expect(wrong.exitCode).toBe(1);
  });
});
