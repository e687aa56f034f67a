/** Lint rules for the purity line where oxlint has none of its own. See oxlint.config.ts. */
const noCurrentDate = {
  create: (context: Context) => ({
    NewExpression(node: Node) {
      if (isDate(node) && node.arguments?.length === 0) {
        context.report({
          node,
          message: "`new Date()` reads the clock: time goes through the clock port (lib/host/).",
        });
      }
    },
    CallExpression(node: Node) {
      if (isDate(node)) {
        context.report({ node, message: "`Date()` reads the clock: time goes through the clock port (lib/host/)." });
      }
    },
  }),
};

export default {
  meta: { name: "purity" },
  rules: { "no-current-date": noCurrentDate },
};

interface Node {
  readonly callee?: { readonly type: string; readonly name?: string };
  readonly arguments?: readonly unknown[];
}

interface Context {
  report(finding: { readonly node: Node; readonly message: string }): void;
}

function isDate(node: Node): boolean {
  return node.callee?.type === "Identifier" && node.callee.name === "Date";
}
