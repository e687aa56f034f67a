/** `outbound rules validate` and `outbound schema`, the executable itself on real files. */
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { FileReport } from "../../lib/validate/validation.ts";
import { outboundPath } from "../support/cni/outbound.ts";
import { runCommand } from "../support/command.ts";
import { parseOwnJson } from "../support/json.ts";

const root = join(import.meta.dirname, "..", "..");

const files = {
  "rules/web.json": [
    "[",
    '  { "host": "db.example.com", "action": "ALLOW" },',
    '  { "host": "10.0.0.1", "proto": "tpc",',
    '    "port": 70000, "protocol": "tcp", "action": "DROP" }',
    "]",
  ].join("\r\n"),
  "rules/good.json": '{ "$schema": "./s.json", "rules": [{ "action": "DROP" }] }',
  "rules/deep/comma.json": '[\n  {"action": "DROP"\n   "port": 5}\n]',
  "rules/deep/twice.json": '\u{feff}{"action":"DROP",\n "action":"ACCEPT"}',
  "rules/notes.txt": "not a rule set",
  "net.conflist": '{ "plugins": [\n { "type": "outbound", "hostTraffic": "alow" },\n { "type": "bridge" }] }',
  "expired.json": '{\n"expiresAt": "2020-01-01T00:00:00Z", "rules": [{ "action": "DROP" }] }',
};

let directory: string;

function outbound(words: readonly string[], input = "") {
  return runCommand([outboundPath, ...words], { cwd: directory, input, allowFailure: true });
}

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "cni-outbound-validate-"));
  for (const [name, text] of Object.entries(files)) {
    await mkdir(join(directory, name, ".."), { recursive: true });
    await writeFile(join(directory, name), text);
  }
  await mkdir(join(directory, "empty"));
  // A folder that holds itself has an end all the same.
  await symlink("..", join(directory, "rules", "deep", "up.json"));
});

afterAll(() => rm(directory, { recursive: true }));

describe("outbound rules validate", () => {
  test("prints a line for each thing wrong, with file, line and column, and one for each good file", async () => {
    const { stdout, stderr, exitCode } = await outbound(["rules", "validate", "rules", "net.conflist", "expired.json"]);
    expect({ stdout: stdout.split("\n"), stderr, exitCode }).toEqual({
      stdout: [
        "rules/deep/comma.json:3:4: $: found text that is not JSON at line 3, column 4 (a comma is missing), expected JSON",
        'rules/deep/twice.json:2:2: $.action: found the key "action" twice, expected it once',
        "rules/good.json: ok, 1 rule",
        'rules/web.json:2:13: $[0].host: Cannot parse address: names are not addresses: found "db.example.com", expected an IPv4 or IPv6 address or CIDR',
        'rules/web.json:2:41: $[0].action: found "ALLOW", expected ACCEPT, DROP or REJECT: did you mean "ACCEPT"?',
        'rules/web.json:3:34: $[1].proto: found "tpc", expected tcp, udp, sctp, icmp, icmpv6 or all: did you mean "tcp"?',
        "rules/web.json:4:13: $[1].port: Cannot parse port: 70000 is out of range, expected 0-65535",
        'rules/web.json:4:20: $[1].protocol: unknown key "protocol", did you mean "proto"?',
        'net.conflist:2:2: $.plugins[0]: found outbound before "bridge", expected it last in the list',
        'net.conflist:2:39: $.plugins[0].hostTraffic: found "alow", expected filter or allow: did you mean "allow"?',
        "expired.json:2:14: warning: $.expiresAt: expired at 2020-01-01T00:00:00Z: it applies no more",
        "expired.json: ok, 1 rule",
        "",
      ],
      stderr: "",
      exitCode: 1,
    });
  });

  test("exits by result: a warning fails only when it is to be strict", async () => {
    const exits = async (...words: readonly string[]) => {
      const { exitCode, stdout } = await outbound(["rules", "validate", ...words]);
      return [exitCode, stdout === ""];
    };
    expect(await exits("rules/good.json", "--quiet")).toEqual([0, true]);
    expect(await exits("expired.json", "--quiet")).toEqual([0, false]);
    expect(await exits("expired.json", "--strict")).toEqual([1, false]);
    expect(await exits("rules/good.json", "rules/web.json", "--quiet")).toEqual([1, false]);
  });

  test("reads standard input for -, beside files", async () => {
    const { stdout, exitCode } = await outbound(
      ["rules", "validate", "-", "rules/good.json"],
      '[{"action":"DROP"},\n{}]',
    );
    expect({ stdout, exitCode }).toEqual({
      stdout: "rules/good.json: ok, 1 rule\n<stdin>:2:1: $[1].action: missing, expected ACCEPT, DROP or REJECT\n",
      exitCode: 1,
    });
    expect(await outbound(["rules", "validate", "-"], '{"action":"DROP"}')).toMatchObject({
      stdout: "<stdin>: ok, 1 rule\n",
      exitCode: 0,
    });
  });

  test("goes on after a file that cannot be read, and fails for it", async () => {
    const { stdout, exitCode } = await outbound(["rules", "validate", "gone.json", "empty", "rules/good.json"]);
    expect({ stdout: stdout.split("\n"), exitCode }).toEqual({
      stdout: [
        "gone.json:1:1: $: cannot be read: ENOENT: no such file or directory",
        "empty:1:1: $: cannot be read: no *.json or *.conflist in this folder",
        "rules/good.json: ok, 1 rule",
        "",
      ],
      exitCode: 1,
    });
  });

  test("prints the same for machines", async () => {
    const { stdout, exitCode } = await outbound([
      "rules",
      "validate",
      "--json",
      "rules/deep/comma.json",
      "expired.json",
    ]);
    expect(exitCode).toBe(1);
    const message = "found text that is not JSON at line 3, column 4 (a comma is missing), expected JSON";
    const warning = {
      path: "$.expiresAt",
      line: 2,
      column: 14,
      message: "expired at 2020-01-01T00:00:00Z: it applies no more",
    };
    expect(parseOwnJson<{ files: readonly FileReport[] }>(stdout)).toEqual({
      files: [
        {
          file: "rules/deep/comma.json",
          kind: "rule-set",
          isValid: false,
          issues: [{ path: "$", line: 3, column: 4, message }],
          warnings: [],
        },
        { file: "expired.json", kind: "rule-set", isValid: true, rules: 1, issues: [], warnings: [warning] },
      ],
    });
  });

  test("takes the conflist that is shipped", async () => {
    const { exitCode, stdout } = await outbound(["rules", "validate", "--strict", join(root, "deploy", "conflist")]);
    expect(stdout).toContain(": ok, 2 rules");
    expect(exitCode).toBe(0);
  });

  test.each([[["rules", "validate"]], [["schema"]], [["schema", "rules"]], [["rules", "validate", "x", "--frob"]]])(
    "%j is wrong usage",
    async (words) => {
      expect(await outbound(words)).toMatchObject({ exitCode: 2, stdout: "" });
    },
  );

  test.each([[["rules", "validate", "--help"]], [["schema", "--help"]]])("%j fits 80 columns", async (words) => {
    const { stdout } = await outbound(words);
    expect(stdout).toContain("Examples:");
    expect(stdout.split("\n").filter((line) => line.length > 80)).toEqual([]);
  });
});

describe("outbound schema", () => {
  test.each(["rule-set", "plugin"])("prints the JSON Schema of a %s that is shipped", async (name) => {
    const { stdout, exitCode } = await outbound(["schema", name]);
    expect(exitCode).toBe(0);
    expect(stdout).toBe(await readFile(join(root, "deploy", "schema", `${name}.schema.json`), "utf8"));
  });
});

test("an option that is given twice is wrong usage", async () => {
  const { exitCode, stderr } = await runCommand([outboundPath, "watch", "--node", "a", "--node", "b"], {
    allowFailure: true,
  });
  expect({ exitCode, stderr }).toEqual({
    exitCode: 2,
    stderr: "outbound: Cannot read --node: it is given twice, expected it once\n",
  });
});
