import { expect, test } from "vitest";
import { completeIdentity, isIdentified } from "../../../lib/policy/identity.ts";
import { formatProblems, groupProblems, parseProblems, problemOf } from "../../../lib/policy/identity-problem.ts";

const known = { region: "global", namespace: "default", job: "web", group: "app" };

test("an allocation is identified by namespace, job and group; no rule depends on its region", () => {
  const { region: _, ...needed } = known;
  expect(isIdentified(needed)).toBe(true);
  for (const field of ["namespace", "job", "group"] as const) {
    const { [field]: __, ...rest } = known;
    expect(isIdentified(rest)).toBe(false);
    expect(isIdentified({ ...known, [field]: "" })).toBe(false);
  }
});

test("what was not told is completed, and what was told stays", () => {
  expect(completeIdentity({}, known)).toEqual(known);
  expect(completeIdentity({ namespace: "default", group: "app" }, known)).toEqual(known);
  expect(completeIdentity(known, {})).toEqual(known);
  expect(completeIdentity({ region: "eu" }, { namespace: "default", job: "web", group: "app" })).toEqual({
    ...known,
    region: "eu",
  });
});

test("two that contradict each other complete nothing", () => {
  expect(completeIdentity({ namespace: "team-a" }, known)).toBeUndefined();
  expect(completeIdentity({ ...known, job: "other" }, known)).toBeUndefined();
  expect(completeIdentity({ region: "eu" }, known)).toBeUndefined();
});

test("problems are told once each, with whose they are, and those being asked for are none", () => {
  const since = "2026-11-24T06:00:00.000Z";
  const problems = groupProblems([
    { allocation: "b", since, problem: "refused" },
    { allocation: "a", since, problem: "refused" },
    { allocation: "a", since, problem: "refused" },
    { allocation: "c", since },
  ]);
  expect(problems).toEqual([{ problem: "refused", allocations: ["a", "b"] }]);
  expect(problemOf(problems, "b")).toBe("refused");
  expect(problemOf(problems, "c")).toBeUndefined();
  expect(parseProblems(formatProblems(problems))).toEqual(problems);
  expect(() => parseProblems('{"format":2,"problems":[]}')).toThrow("format");
});
