import * as fc from "fast-check";
import { type JsonTree, literal, nodesOf, printTree, replaceNode, treeOf } from "../../support/json-tree.ts";
import { hostileTexts } from "./hostile-text.ts";

/** A change of one part of a JSON document, which mostly leaves it JSON. */
interface Change {
  readonly kind: "replace" | "remove" | "repeat" | "wrap" | "add" | "rename" | "swap";
  /** Which of its parts; more than there are start again. */
  readonly part: number;
  readonly other: number;
  readonly text: string;
  readonly times: number;
}

const LITERALS = [
  "null",
  "true",
  "false",
  "0",
  "-0",
  "-1",
  "1",
  "1.5",
  "65536",
  "2147483648",
  "9007199254740993",
  "1e999",
  "-1e999",
  "1e-400",
  '""',
  "[]",
  "{}",
  "[[]]",
  "[null]",
  "[{}]",
  '{"__proto__":{"name":"x"}}',
  '{"toString":1}',
] as const;

/** JSON with a few changes to its structure; none is among them too. */
export function damagedJson(values: fc.Arbitrary<unknown>): fc.Arbitrary<string> {
  return fc
    .tuple(values, fewChanges(), fc.boolean())
    .map(([value, all, isIndented]) =>
      printTree(all.reduce(change, treeOf(value)), isIndented ? INDENTED : { indent: "", newline: "" }),
    );
}

const INDENTED = { indent: "  ", newline: "\n" };

/** One mostly: of several, one would hide what another does. */
function fewChanges(): fc.Arbitrary<readonly Change[]> {
  return fc.oneof(
    { weight: 1, arbitrary: fc.constant([]) },
    { weight: 4, arbitrary: fc.array(changes(), { minLength: 1, maxLength: 1 }) },
    { weight: 2, arbitrary: fc.array(changes(), { minLength: 2, maxLength: 4 }) },
  );
}

function changes(): fc.Arbitrary<Change> {
  return fc.record({
    kind: fc.constantFrom("replace", "replace", "replace", "remove", "repeat", "wrap", "add", "rename", "swap"),
    part: fc.nat(200),
    other: fc.nat(200),
    text: fc.oneof(
      fc.constantFrom<string>(...LITERALS),
      hostileTexts().map((text) => JSON.stringify(text)),
    ),
    times: fc.constantFrom(2, 2, 3, 30, 300),
  });
}

/** Repeated lists of lists grow without end; `large-text.ts` makes what is large. */
const MOST_NODES = 5000;

function change(tree: JsonTree, one: Change): JsonTree {
  const changed = changeOnce(tree, one);
  return nodesOf(changed).length > MOST_NODES ? tree : changed;
}

function changeOnce(tree: JsonTree, one: Change): JsonTree {
  const nodes = nodesOf(tree);
  const node = nodes[one.part % nodes.length] ?? tree;
  switch (one.kind) {
    case "replace":
      return replaceNode(tree, node, literal(one.text));
    case "swap":
      return replaceNode(tree, node, nodes[one.other % nodes.length] ?? node);
    case "wrap":
      return replaceNode(tree, node, wrapped(node, one));
    default:
      return replaceNode(tree, node, changedInside(node, one));
  }
}

function wrapped(node: JsonTree, { times, other }: Change): JsonTree {
  let around = node;
  for (let depth = times; depth > 1; depth -= 1) {
    around =
      other % 2 === 0
        ? { kind: "array", items: [around] }
        : { kind: "object", entries: [{ key: '"rules"', value: around }] };
  }
  return around;
}

function changedInside(node: JsonTree, { kind, other, text, times }: Change): JsonTree {
  if (node.kind === "literal") return node;
  if (node.kind === "array") {
    const at = node.items.length === 0 ? 0 : other % node.items.length;
    if (kind === "remove") return { ...node, items: node.items.toSpliced(at, 1) };
    if (kind === "repeat") return { ...node, items: Array.from({ length: times }, () => node.items).flat() };
    return { ...node, items: node.items.toSpliced(at, 0, literal(text)) };
  }
  const { entries } = node;
  const at = entries.length === 0 ? 0 : other % entries.length;
  const entry = entries[at];
  if (entry === undefined) return node;
  const key = text.startsWith('"') ? text : JSON.stringify(text);
  if (kind === "remove") return { ...node, entries: entries.toSpliced(at, 1) };
  if (kind === "repeat") return { ...node, entries: [...entries, { ...entry, value: literal(text) }] };
  if (kind === "rename") return { ...node, entries: entries.with(at, { ...entry, key }) };
  return { ...node, entries: entries.toSpliced(at, 0, { key, value: literal(text) }) };
}
