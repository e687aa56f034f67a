import * as z from "zod";

/** An attachment of which it is not known whose it is: it has no rules of its namespace, job, group and id. */
export interface Unidentified {
  readonly allocation: string;
  /** When it was attached, RFC 3339. */
  readonly since: string;
  /** Why; absent while Nomad is being asked. */
  readonly problem?: string;
}

/** Why it is not known whose some allocations are. */
export interface IdentityProblem {
  readonly problem: string;
  readonly allocations: readonly string[];
}

/** Raise it when a field changes its meaning; a file of another format is not read. */
const FORMAT = 1;

const fileSchema = z.object({
  format: z.literal(FORMAT),
  problems: z.array(z.object({ problem: z.string(), allocations: z.array(z.string()) })),
});

/** Those that have a problem, by problem; nothing of those that are being asked for. Sorted. */
export function groupProblems(unidentified: readonly Unidentified[]): readonly IdentityProblem[] {
  const groups = Map.groupBy(
    unidentified.filter(({ problem }) => problem !== undefined),
    ({ problem = "" }) => problem,
  );
  return [...groups]
    .map(([problem, members]) => ({
      problem,
      allocations: [...new Set(members.map(({ allocation }) => allocation))].toSorted(),
    }))
    .toSorted((a, b) => (a.problem < b.problem ? -1 : 1));
}

export function problemOf(problems: readonly IdentityProblem[], allocation: string): string | undefined {
  return problems.find(({ allocations }) => allocations.includes(allocation))?.problem;
}

/** As a file holds them. */
export function formatProblems(problems: readonly IdentityProblem[]): string {
  return `${JSON.stringify({ format: FORMAT, problems }, undefined, 2)}\n`;
}

/** @throws SyntaxError or ZodError where it is not one, or of another format */
export function parseProblems(text: string): readonly IdentityProblem[] {
  return fileSchema.parse(JSON.parse(text)).problems;
}
