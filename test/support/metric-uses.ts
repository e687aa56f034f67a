/** One metric that an expression of PromQL names, with the labels that it matches. */
export interface MetricUse {
  readonly name: string;
  readonly labels: readonly string[];
}

/** The metrics of ours in an expression. Not a parser of PromQL: enough to find a name or label that there is none of. */
export function metricsIn(expression: string): readonly MetricUse[] {
  const uses = expression.matchAll(/\b(outbound[_:][a-z0-9_:]+)(?:\s*\{([^}]*)\})?/g);
  return [...uses].map(([, name = "", matchers = ""]) => {
    return { name, labels: [...matchers.matchAll(/(\w+)\s*(?:=~|!~|!=|=)/g)].map(([, label = ""]) => label) };
  });
}

/** The labels that it groups or joins by. */
export function groupedIn(expression: string): readonly string[] {
  const groups = expression.matchAll(/\b(?:by|without|on|ignoring)\s*\(([^)]*)\)/g);
  return [...groups].flatMap(([, names = ""]) => names.split(",").map((name) => name.trim()));
}
