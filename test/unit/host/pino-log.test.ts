import { expect, test } from "vitest";
import { createPinoLog } from "../../../lib/host/pino-log.ts";
import type { LogLevel } from "../../../lib/host/pino-log.ts";

function logAt(level: LogLevel) {
  const lines: unknown[] = [];
  const log = createPinoLog({ level, destination: { write: (line) => void lines.push(JSON.parse(line)) } });
  return { log, lines };
}

test("a line has its level as a word, its time, its facts and a constant message", () => {
  const { log, lines } = logAt("info");

  log.info({ prefix: "global/", failures: 3 }, "Consul is read again");

  expect(lines).toMatchObject([{ level: "info", prefix: "global/", failures: 3, msg: "Consul is read again" }]);
  expect(JSON.stringify(lines)).toMatch(/"time":"\d{4}-\d\d-\d\dT[^"]*Z"/);
});

test("levels below the chosen one are left out", () => {
  const { log, lines } = logAt("warn");

  log.info({}, "quiet");
  log.warn({}, "loud");
  log.error({}, "louder");

  expect(lines).toMatchObject([{ msg: "loud" }, { msg: "louder" }]);
});

test("an error is written with its message, stack and causes", () => {
  const { log, lines } = logAt("info");

  log.error({ error: new Error("outer", { cause: new Error("inner") }) }, "it failed");

  expect(lines).toMatchObject([{ error: { type: "Error", message: "outer: inner" } }]);
  expect(JSON.stringify(lines)).toContain("caused by: Error: inner");
});
