import { expect, test } from "vitest";
import { parseRuleSetFile } from "../../../lib/rules/rule-set-file.ts";

test("each issue says the file, the line and column, the path, what was found and what was expected", () => {
  const text =
    '{\n  "rules": [\n    { "action": "DROP", "port": 70000 },\n    { "action": "DROP", "protocol": "tcp" }\n  ]\n}';
  expect(() => parseRuleSetFile(Buffer.from(text), { source: "rules.json" })).toThrow(
    [
      "Cannot read rule set: 2 issues",
      "  rules.json:3:33: $.rules[0].port: Cannot parse port: 70000 is out of range, expected 0-65535",
      '  rules.json:4:25: $.rules[1].protocol: unknown key "protocol", did you mean "proto"?',
    ].join("\n"),
  );
});

test("one issue is one line", () => {
  expect(() => parseRuleSetFile(Buffer.from("[\n"), { source: "<stdin>" })).toThrow(
    /^Cannot read rule set: <stdin>:\d+:\d+: \$: found text that is not JSON.*$/,
  );
});
