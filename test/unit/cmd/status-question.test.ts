import { describe, expect, test } from "vitest";
import { readStatusQuestion } from "../../../cmd/status-question.ts";
import { UsageError } from "../../../cmd/usage-error.ts";

const read = (word: string | undefined, flags = {}) => readStatusQuestion(word, { prefix: "outbound", ...flags });

describe("what is asked about", () => {
  test("is everything where nothing is said", () => {
    expect(read(undefined)).toEqual({ prefix: "outbound", start: "" });
  });

  test("is a scope where there are flags alone, or what keys of it start with", () => {
    const scope = { prefix: "outbound", start: "namespace/default/job/a=2Fb/" };
    expect(read(undefined, { namespace: "default", job: "a/b" })).toEqual(scope);
    expect(read("namespace/default/job/a=2Fb/")).toEqual(scope);
    expect(read("outbound/rules/namespace/default/job/a=2Fb/")).toEqual(scope);
    expect(read("outbound/rules/")).toEqual(read(undefined));
  });

  test("is one rule set, by its name and flags or by its whole key", () => {
    const key = "namespace/default/job/web/own";
    const one = { prefix: "outbound", key, start: key };
    expect(read("own", { namespace: "default", job: "web" })).toEqual(one);
    expect(read(key)).toEqual(one);
    expect(read(`outbound/rules/${key}`)).toEqual(one);
  });

  test.each([
    ["globl/x", {}],
    ["namespace/default/jobs/", {}],
    ["own", {}],
    ["", {}],
    [undefined, { job: "web" }],
  ])("cannot be %j with %j", (word, flags) => {
    expect(() => read(word, flags)).toThrow(UsageError);
  });
});
