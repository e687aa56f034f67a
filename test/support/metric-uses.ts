/** One metric that an expression of PromQL names, with the labels that it matches or groups by. */
export interface MetricUse {
  readonly name: string;
  readonly labels: readonly string[];
}

/**
 * The metrics of ours in an expression. Not a parser of PromQL: enough to find a name or label that there is none of.
 * Labels that a `by` or `without` names count for each metric of the expression.
 */
export function metricsIn(expression: string): readonly MetricUse[] {
  const grouped = [...expression.matchAll(/\b(?:by|without|on|ignoring)\s*\(([^)]*)\)/g)].flatMap(([, names = ""]) =>
    names.split(",").map((name) => name.trim()),
  );
  return [...expression.matchAll(/\b(outbound[_:][a-z0-9_:]+)(?:\s*\{([^}]*)\})?/g)].map(
    ([, name = "", matchers = ""]) => {
      const matched = [...matchers.matchAll(/(\w+)\s*(?:=~|!~|!=|=)/g)].map(([, label = ""]) => label);
      return { name, labels: [...matched, ...grouped.filter((label) => label !== "")] };
    },
  );
}
