import { expect, test } from "vitest";
import { outboundPath } from "../support/cni/outbound.ts";
import { runCommand } from "../support/command.ts";

/** A folder where nothing is: doctor finds something wrong on every machine. */
const words = ["doctor", "--listen", "", "--cni-config-dir", "/nonexistent", "--state-dir", "/nonexistent"];
const escape = "\u{1b}[";

interface Terminal {
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly more?: readonly string[];
}

/** Runs it on a terminal of its own (script(1), util-linux). */
async function onTerminal({ env = {}, more = [] }: Terminal = {}): Promise<string> {
  const command = [outboundPath, ...words, ...more].map((word) => `'${word}'`).join(" ");
  const { stdout } = await runCommand(["script", "--quiet", "--command", command, "/dev/null"], {
    env: { TERM: "xterm", NO_COLOR: undefined, ...env },
  });
  return stdout;
}

test("colours are on a terminal, on the marks alone", async () => {
  const printed = await onTerminal();
  expect(printed).toContain(`  ${escape}31mFAIL${escape}39m  /nonexistent does not exist`);
  expect(printed).toContain(`  ${escape}32mok${escape}39m    `);
  const lines = printed.split("\n").filter((line) => line.includes(escape));
  for (const line of lines) {
    expect(line.startsWith(`  ${escape}`)).toBe(true);
    expect(line.split(escape)).toHaveLength(3);
  }
});

test("colours are not in a pipe", async () => {
  const env = { TERM: "xterm", NO_COLOR: undefined };
  const { stdout } = await runCommand([outboundPath, ...words], { env, allowFailure: true });
  expect(stdout).toContain("  FAIL  /nonexistent does not exist");
  expect(stdout).not.toContain(escape);
});

test("colours are not on a terminal with NO_COLOR or without colours, nor in JSON", async () => {
  const printed = [
    await onTerminal({ env: { NO_COLOR: "1" } }),
    await onTerminal({ env: { TERM: "dumb" } }),
    await onTerminal({ more: ["--json"] }),
  ];
  for (const each of printed) {
    expect(each).toContain("/nonexistent does not exist");
    expect(each).not.toContain(escape);
  }
});

test("an empty NO_COLOR is none", async () => {
  expect(await onTerminal({ env: { NO_COLOR: "" } })).toContain(`${escape}31mFAIL`);
});

test("without arguments a terminal is told of help, and Nomad what it always was", async () => {
  const { stdout } = await runCommand(["script", "--quiet", "--command", outboundPath, "/dev/null"]);
  expect(stdout).toMatch(/^CNI outbound plugin v[\d.]+\r?\n.*\r?\nCommands: outbound help\r?\n$/);
  const { stderr } = await runCommand([outboundPath]);
  expect(stderr).toMatch(/^CNI outbound plugin v[\d.]+\nCNI protocol versions supported: [\d., ]+\n$/);
});
