import { describe, expect, test } from "vitest";
import * as z from "zod";
import { expected, formatPath, toIssues } from "../../../lib/policy/issue.ts";
import { unknownKeys } from "../../../lib/policy/unknown-keys.ts";

function issuesOf(schema: z.ZodType, value: unknown, reportInput = false) {
  const result = schema.safeParse(value, { reportInput });
  return result.success ? [] : toIssues(result.error);
}

describe("formatPath", () => {
  test("writes the root, keys and indexes as a reader of JSON would", () => {
    expect(formatPath([])).toBe("$");
    expect(formatPath(["rules", 2, "port"])).toBe("$.rules[2].port");
    expect(formatPath(["a b", "__proto__", ""])).toBe('$["a b"].__proto__[""]');
  });
});

describe("toIssues", () => {
  test("says what was found and what was expected", () => {
    const schema = z.object({ list: z.array(z.string({ error: expected("a word") })) });
    expect(issuesOf(schema, { list: ["a", 5, null] })).toEqual([
      { path: "$.list[1]", message: "found 5, expected a word" },
      { path: "$.list[2]", message: "found null, expected a word" },
    ]);
  });

  test("says that a key is missing", () => {
    expect(issuesOf(z.object({ a: z.string({ error: expected("a word") }) }), {})).toEqual([
      { path: "$.a", message: "missing, expected a word" },
    ]);
  });

  test("shortens a long value", () => {
    const [issue] = issuesOf(z.number({ error: expected("a number") }), "x".repeat(5000));
    expect(issue?.message.length).toBeLessThan(120);
  });

  test("turns the library's own words into these too", () => {
    expect(issuesOf(z.string(), 5)).toEqual([{ path: "$", message: "expected string, found number" }]);
  });

  test("of a union gives the issues of the form that was meant", () => {
    const schema = z.union([z.string(), z.array(z.object({ a: z.string() }))]);
    expect(issuesOf(schema, [{ a: "x" }, { a: 1 }])).toEqual([
      { path: "$[1].a", message: "expected string, found number" },
    ]);
  });

  test("of a union of two forms that both could be meant gives the issues of the nearer one", () => {
    const far = z.object({ a: z.number(), b: z.number(), c: z.number() });
    const near = z.object({ a: z.string(), b: z.number() });
    for (const schema of [z.union([far, near]), z.union([near, far])]) {
      expect(issuesOf(schema, { a: "x", b: "y" })).toEqual([{ path: "$.b", message: "expected number, found string" }]);
    }
  });

  test("of a union in which no form was meant names all of them", () => {
    expect(issuesOf(z.union([z.string(), z.number()]), null)).toEqual([
      { path: "$", message: "expected string, found null or expected number, found null" },
    ]);
    expect(issuesOf(z.union([z.string(), z.number()], { error: expected("a port") }), null)).toEqual([
      { path: "$", message: "found null, expected a port" },
    ]);
  });

  test("of a union inside a union gives the innermost issue", () => {
    const inner = z.object({ a: z.union([z.string(), z.array(z.string())]) });
    expect(issuesOf(z.union([z.string(), z.array(inner)]), [{ a: ["x", 1] }])).toEqual([
      { path: "$[0].a[1]", message: "expected string, found number" },
    ]);
  });

  test("never leaves a bare refusal of the library", () => {
    const schema = z.string().refine(() => false);
    expect(issuesOf(schema, "x")[0]?.message).toBe("not a value that is expected here");
    expect(issuesOf(schema, "x", true)[0]?.message).toBe('not a value that is expected here, found "x"');
  });

  test("goes into the keys of a record", () => {
    const schema = z.record(z.string().regex(/^a/, { error: expected("a key with a") }), z.number());
    expect(issuesOf(schema, { b: 1 })).toEqual([{ path: "$.b", message: 'found "b", expected a key with a' }]);
  });
});

describe("unknownKeys", () => {
  const error = unknownKeys("an object", { known: ["host", "proto", "expiresAt"], aliases: { dst: "host" } });
  const schema = z.strictObject({ host: z.string().optional() }, { error });

  test.each([
    ["Host2", "host"],
    ["hots", "host"],
    ["HOST", "host"],
    ["dst", "host"],
    ["DST", "host"],
    ["prot", "proto"],
    ["expires_at", "expiresAt"],
    ["expires-at", "expiresAt"],
  ])("for %s suggests %s", (key, meant) => {
    expect(issuesOf(schema, { [key]: 1 })).toEqual([
      { path: formatPath([key]), message: `unknown key "${key}", did you mean "${meant}"?` },
    ]);
  });

  test.each(["x", "constructor", "toString", "comment"])("for %s lists the known keys", (key) => {
    expect(issuesOf(schema, { [key]: 1 })).toEqual([
      { path: `$.${key}`, message: `unknown key "${key}", expected one of host, proto, expiresAt` },
    ]);
  });

  test("gives every unknown key an issue of its own, whatever it is called", () => {
    expect(issuesOf(schema, JSON.parse('{"__proto__":1,"a\\nb":2}'))).toEqual([
      { path: "$.__proto__", message: 'unknown key "__proto__", did you mean "proto"?' },
      { path: '$["a\\nb"]', message: 'unknown key "a\\nb", expected one of host, proto, expiresAt' },
    ]);
  });

  test("says of another type that an object was expected", () => {
    expect(issuesOf(schema, [])).toEqual([{ path: "$", message: "found an empty list, expected an object" }]);
  });
});
