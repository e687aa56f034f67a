import { execFileSync } from "node:child_process";
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { formatScopeFlags, quote } from "../../../lib/rules/scope-flags.ts";

test("a scope is written as the flags that name it", () => {
  expect(formatScopeFlags({ kind: "global" })).toBe("--global");
  expect(formatScopeFlags({ kind: "group", namespace: "a", job: "b c", group: "d" })).toBe(
    "--namespace a --job 'b c' --group d",
  );
});

test("a shell reads every quoted word as it was", () => {
  const words = fc.sample(
    fc.string({ unit: "binary", minLength: 1 }).filter((word) => !word.includes("\0")),
    200,
  );
  const nasty = ["$(id)", "`id`", "it's", "a\nb", "\u{1b}[2J'\\", "*", "-f", "~", "#x", "'"];
  const all = [...nasty, ...words];
  const script = `printf '%s\\0' ${all.map(quote).join(" ")}`;
  const output = execFileSync("bash", ["--norc", "-c", script], { encoding: "utf8", env: { LC_ALL: "C.UTF-8" } });
  expect(output.split("\0").slice(0, -1)).toEqual(all);
});
