import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import yargs from "yargs";
import { builder } from "../../../cmd/watch.ts";
import { runCommand } from "../../support/command.ts";

const service = join(import.meta.dirname, "..", "..", "..", "deploy", "outbound-watch.service");

// Whoever has no systemd reads in the list of what did not run that this did not.
describe.skipIf(!existsSync("/usr/bin/systemd-analyze"))("deploy/outbound-watch.service, by systemd-analyze", () => {
  let folder: string;
  let unit: string;
  let text: string;

  /** The unit as it is, changed, and with an executable that is there. */
  const write = async (change: (text: string) => string = (same) => same) => {
    await writeFile(unit, change(text).replace("/opt/cni/bin/outbound", process.execPath));
  };
  const analyze = (...args: readonly string[]) =>
    runCommand(["systemd-analyze", "--no-pager", ...args, unit], { allowFailure: true });

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "cni-outbound-unit-"));
    unit = join(folder, "outbound-watch.service");
    text = await readFile(service, "utf8");
  });

  afterAll(() => rm(folder, { recursive: true, force: true }));

  test("is valid, and a key that is misspelt would be told", async () => {
    await write();
    expect(await analyze("verify", "--man=no")).toEqual({ exitCode: 0, stdout: "", stderr: "" });
    await write((unitText) => unitText.replace("ProtectHome=", "ProtectHomes="));
    expect((await analyze("verify", "--man=no")).stderr).toContain("ProtectHomes");
  });

  test("exposes no more than 2.5 of 10, and one more capability would be noticed", async () => {
    const security = ["security", "--offline=yes", "--threshold=25"];
    await write();
    expect((await analyze(...security)).exitCode).toBe(0);
    await write((unitText) => unitText.replace("CAP_SYSLOG\n", "CAP_SYSLOG CAP_SYS_ADMIN\n"));
    expect((await analyze(...security)).exitCode).not.toBe(0);
  });
});

test("every option that deploy/outbound-watch.service names is one of outbound watch", async () => {
  const text = await readFile(service, "utf8");
  const [, options = ""] = /OUTBOUND_WATCH_OPTIONS=(--.*)/.exec(text) ?? [];
  const [, command = ""] = /^ExecStart=(.*)$/m.exec(text) ?? [];
  expect(command).toBe("/opt/cni/bin/outbound watch $OUTBOUND_WATCH_OPTIONS");
  const parse = (words: string) => builder(yargs()).strict().exitProcess(false).fail(false).parseSync(words);
  expect(parse(options)).toMatchObject({ node: "web-1", prefix: "outbound" });
  expect(() => parse("--nodes x")).toThrow("Unknown argument: nodes");
});
