import { expect, test } from "vitest";
import { describeUsage } from "../../../cmd/usage-message.ts";

const list = "outbound list\n\nOptions:\n      --state-dir  Where\n      --json       Print JSON\n";
const top = "outbound <command>\n\nCommands:\n  outbound show <alloc>  Show\n  outbound list  List\n\nOptions:\n";
const rules = "outbound rules <action>\n\nCommands:\n  outbound rules get <name>  Get\n  outbound rules list  List\n";

test("a misspelt option gets the one that was probably meant, once", () => {
  expect(
    describeUsage("Unknown arguments: state-dri, stateDri", { words: ["list", "--state-dri", "x"], help: list }),
  ).toBe(
    "Unknown option: --state-dri, did you mean --state-dir?\nUsage: outbound list\noutbound list --help says more",
  );
  expect(describeUsage("Unknown argument: jsn", { words: ["list", "--jsn=1"], help: list })).toMatch(
    /--jsn, did you mean --json\?/,
  );
  expect(describeUsage("Unknown argument: colour", { words: ["list", "--colour"], help: list })).toMatch(
    /^Unknown option: --colour\n/,
  );
});

test("a misspelt command gets one too, at either level", () => {
  expect(describeUsage("Unknown argument: shwo", { words: ["shwo"], help: top })).toBe(
    "Unknown command: shwo, did you mean show?\nUsage: outbound <command>\noutbound --help says more",
  );
  expect(describeUsage("Which action? One of these", { words: ["rules", "lst"], help: rules })).toMatch(
    /^Unknown action: lst, did you mean list\?\nUsage: outbound rules <action>\noutbound rules --help/,
  );
});

test("help is a command too, before all others only", () => {
  expect(describeUsage("Unknown argument: hlep", { words: ["hlep"], help: top })).toMatch(
    /^Unknown command: hlep, did you mean help\?\n/,
  );
  expect(describeUsage("Which action?", { words: ["rules", "hlep"], help: rules })).toMatch(/^Unknown action: hlep\n/);
});

test("a command that is missing gets those that there are", () => {
  expect(describeUsage("Which action?", { words: ["rules", "--json"], help: rules })).toMatch(
    /^Which action\? Expected get or list\n/,
  );
});

test("what else is wrong is told as it is, with how the command should read", () => {
  expect(
    describeUsage("Not enough non-option arguments: got 0, need at least 1", { words: ["list"], help: list }),
  ).toBe("Not enough arguments: got 0, need at least 1\nUsage: outbound list\noutbound list --help says more");
  expect(describeUsage("Unknown argument: extra", { words: ["list"], help: list })).toMatch(
    /^Unknown argument: extra\n/,
  );
});
