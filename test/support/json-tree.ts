/** JSON as text has it: keys that come twice and numbers that no program can hold included. */
export type JsonTree =
  | { readonly kind: "object"; readonly entries: readonly JsonEntry[] }
  | { readonly kind: "array"; readonly items: readonly JsonTree[] }
  | { readonly kind: "literal"; readonly text: string };

export interface JsonEntry {
  /** As it stands in the text, with its quotes. */
  readonly key: string;
  readonly value: JsonTree;
}

export interface Layout {
  /** Between a comma or bracket and what follows, for each level: `\n` and two spaces, or nothing. */
  readonly indent: string;
  readonly newline: string;
}

export function treeOf(value: unknown): JsonTree {
  if (Array.isArray(value)) return { kind: "array", items: value.map(treeOf) };
  if (typeof value !== "object" || value === null) return { kind: "literal", text: JSON.stringify(value) };
  const entries = Object.entries(value).map(([key, each]) => ({ key: JSON.stringify(key), value: treeOf(each) }));
  return { kind: "object", entries };
}

export function literal(text: string): JsonTree {
  return { kind: "literal", text };
}

/** The tree and all below it, in the order of the text. */
export function nodesOf(tree: JsonTree): readonly JsonTree[] {
  const inside =
    tree.kind === "array" ? tree.items : tree.kind === "object" ? tree.entries.map(({ value }) => value) : [];
  return [tree, ...inside.flatMap(nodesOf)];
}

/** The tree with one node, found by identity, replaced. */
export function replaceNode(tree: JsonTree, node: JsonTree, next: JsonTree): JsonTree {
  if (tree === node) return next;
  if (tree.kind === "array") return { ...tree, items: tree.items.map((item) => replaceNode(item, node, next)) };
  if (tree.kind === "literal") return tree;
  return { ...tree, entries: tree.entries.map(({ key, value }) => ({ key, value: replaceNode(value, node, next) })) };
}

export function printTree(tree: JsonTree, { indent, newline }: Layout, depth = 0): string {
  if (tree.kind === "literal") return tree.text;
  const gap = `${newline}${indent.repeat(depth + 1)}`;
  const end = `${newline}${indent.repeat(depth)}`;
  const lines =
    tree.kind === "array"
      ? tree.items.map((item) => printTree(item, { indent, newline }, depth + 1))
      : tree.entries.map(({ key, value }) => `${key}: ${printTree(value, { indent, newline }, depth + 1)}`);
  const [open, close] = tree.kind === "array" ? ["[", "]"] : ["{", "}"];
  return lines.length === 0 ? `${open}${close}` : `${open}${gap}${lines.join(`,${gap}`)}${end}${close}`;
}
