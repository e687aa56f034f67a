import { type JsonEntry, type JsonTree, literal, nodesOf, printTree, replaceNode, treeOf } from "./json-tree.ts";
import { createRandom, type Random } from "./random.ts";

/** A value for KV that began as a rule set that somebody could have written. */
export interface MutatedRuleSet {
  readonly value: Uint8Array;
  /** What was done to it, in this order. None: it is as it was, and valid. */
  readonly mutations: readonly string[];
}

/**
 * Rule sets with structure-aware mutations: most of what comes out is wrong in one place or two, some of it is still
 * right, some is no JSON. The same seed gives the same ones.
 */
export function* mutatedRuleSets({ seed, count }: { readonly seed: number; readonly count: number }) {
  const random = createRandom(seed);
  for (let index = 0; index < count; index += 1) yield mutatedRuleSet(random);
}

function mutatedRuleSet(random: Random): MutatedRuleSet {
  let tree = ruleSetTree(random);
  const mutations: string[] = [];
  for (let left = random.pick([0, 1, 1, 1, 2, 3]); left > 0; left -= 1) {
    const name = random.pick(Object.keys(treeMutators));
    tree = treeMutators[name]?.(tree, random) ?? tree;
    mutations.push(name);
  }
  const layout = random.pick([
    { indent: "", newline: "" },
    { indent: "  ", newline: "\n" },
    { indent: "\t", newline: "\r\n" },
  ]);
  const bytes = new TextEncoder().encode(printTree(tree, layout));
  if (!random.oneIn(4)) return { value: bytes, mutations };
  const name = random.pick(Object.keys(textMutators));
  return { value: textMutators[name]?.(bytes, random) ?? bytes, mutations: [...mutations, name] };
}

const hosts = ["10.1.2.3", "10.2.0.0/16", "0.0.0.0/0", "2001:db8::/64", "::1", "192.0.2.255/32"];
const ports = [443, 0, 65_535, "443", "80,443", "8000-8100", "8000:8100", "1, 2 ,3-4"];

function ruleSetTree(random: Random): JsonTree {
  const rules = Array.from({ length: random.pick([0, 1, 1, 2, 3]) }, () => ruleOf(random));
  const more = {
    ...(random.oneIn(3) ? { mode: random.pick(["enforce", "audit"]) } : {}),
    ...(random.oneIn(3) ? { expiresAt: random.pick(["2026-12-31T18:00:00Z", "2031-01-01T00:00:00.5+02:00"]) } : {}),
    ...(random.oneIn(3) ? { description: "für die Aufträge" } : {}),
    ...(random.oneIn(5) ? { $schema: "./rule-set.schema.json" } : {}),
  };
  return treeOf(random.pick<unknown>([ruleOf(random), rules, { rules, ...more }, { ...more, rules }]));
}

function ruleOf(random: Random): Readonly<Record<string, unknown>> {
  const proto = random.pick([undefined, "tcp", "UDP", "sctp", "all"]);
  const hasPort = proto !== undefined && proto !== "all" && random.oneIn(2);
  const host = random.pick<unknown>([undefined, random.pick(hosts), [random.pick(hosts), random.pick(hosts)]]);
  return {
    ...(host === undefined ? {} : { host }),
    ...(proto === undefined ? {} : { proto }),
    ...(hasPort ? { port: random.pick<unknown>(ports) } : {}),
    action: random.pick(["ACCEPT", "DROP", "REJECT", "accept", "Drop"]),
    ...(random.oneIn(3)
      ? { comment: random.pick(["orders db", "", "\u{1f600} ü \u0000", '"quoted" \\ ', "[[{{"]) }
      : {}),
  };
}

type TreeMutator = (tree: JsonTree, random: Random) => JsonTree;

/** Values that are wrong, or nearly, at each key. */
const wrongValues: Readonly<Record<string, readonly string[]>> = {
  host: [
    '"db.example.com"',
    '"10.0.0.300"',
    '"010.0.0.1"',
    '"10.0.0.1/8"',
    '"::ffff:1.2.3.4"',
    '"fe80::1%eth0"',
    '""',
    "[]",
    '[["::1"]]',
    '"0x7f.1"',
    '"10.0.0.1/33"',
    '"10.0.0.1 "',
    "167772161",
  ],
  proto: ['"tpc"', '"any"', '"6"', "6", '"ſctp"', '"icmp"', '"icmpv6"', "null", '""'],
  port: [
    "70000",
    "-1",
    "1.5",
    "1e3",
    '"443/tcp"',
    '"9-1"',
    '"1-2-3"',
    '"0443"',
    '",80"',
    '"http"',
    "[80]",
    "true",
    '"99999999999999999999"',
  ],
  action: ['"ALLOW"', '"DENY"', '"RETURN"', '"ACCEPT "', '"accept\\u0000"', "null", "[]", "1"],
  comment: [`"${"x".repeat(1025)}"`, "5", "null", "{}"],
  rules: ["null", "{}", '"x"', "[[]]", "[null]", "7", '[{"action":"DROP"},7]'],
  mode: ['"enforced"', '"AUDIT"', '""', "true", '"off"'],
  expiresAt: [
    '"2026-02-30T00:00:00Z"',
    '"tomorrow"',
    '"2026-12-31"',
    "1767225600",
    '"2026-12-31T18:00:00"',
    '"9999-12-31T23:59:59-01:00"',
  ],
  description: ["5", "[]", "null"],
  $schema: ["5", "null"],
};
const strangeKeys = [
  "protocol",
  "hosts",
  "Action",
  "dport",
  "rule",
  "expires",
  "__proto__",
  "constructor",
  "toString",
  "",
  "a b",
  "ключ",
  "\u{1f600}",
  "x".repeat(200),
  "port\u0000",
  "]",
  "$",
  "0",
];
const strangeLiterals = [
  "null",
  "true",
  "0",
  "-0",
  "1e999",
  "-1e999",
  "1e-400",
  "9007199254740993",
  "1".repeat(400),
  '""',
  '"\\ud800"',
  '"\\u0000"',
  `"${"\u{202e}\u{1f600}".repeat(20)}"`,
  '"__proto__"',
  "[]",
  "{}",
];

const treeMutators: Readonly<Record<string, TreeMutator>> = {
  "other type": (tree, random) => {
    const node = random.pick(nodesOf(tree));
    return replaceNode(tree, node, literal(random.pick(strangeLiterals)));
  },
  "wrong value": (tree, random) =>
    inObject(tree, random, (entries) => {
      const index = random.below(entries.length);
      return entries.map((entry, at) => {
        const choices = wrongFor(entry);
        return at === index ? { ...entry, value: literal(random.pick(choices)) } : entry;
      });
    }),
  "unknown key": (tree, random) =>
    inObject(tree, random, (entries) => {
      const key = JSON.stringify(random.pick(strangeKeys));
      return insertAt(entries, { key, value: literal(random.pick(strangeLiterals)) }, random);
    }),
  "renamed key": (tree, random) =>
    inObject(tree, random, (entries) => {
      const index = random.below(entries.length);
      const key = JSON.stringify(random.pick([...Object.keys(wrongValues), ...strangeKeys]));
      return entries.map((entry, at) => (at === index ? { ...entry, key } : entry));
    }),
  "duplicate key": (tree, random) =>
    inObject(tree, random, (entries) => {
      const [entry] = entries.slice(random.below(entries.length));
      if (entry === undefined) return entries;
      const key = random.oneIn(3) ? escapeFirst(entry.key) : entry.key;
      const value = random.oneIn(2) ? entry.value : literal(random.pick(wrongFor(entry)));
      return insertAt(entries, { key, value }, random);
    }),
  "missing key": (tree, random) =>
    inObject(tree, random, (entries) => {
      const index = random.below(entries.length);
      return entries.filter((_, at) => at !== index);
    }),
  "nested in lists": (tree, random) => wrap(tree, random, (items) => ({ kind: "array", items })),
  "nested in objects": (tree, random) =>
    wrap(tree, random, (items) => ({
      kind: "object",
      entries: items.map((value) => ({ key: JSON.stringify(random.pick(["rules", "host", "x"])), value })),
    })),
  "repeated items": (tree, random) => {
    const lists = nodesOf(tree).flatMap((node) => (node.kind === "array" ? [node] : []));
    if (lists.length === 0 || nodesOf(tree).length > 50) return tree;
    const list = random.pick(lists);
    const times = random.pick([2, 2, 3, 30, 100]);
    const items = Array.from({ length: times }, () => list.items).flat();
    return replaceNode(tree, list, { ...list, items });
  },
};

type TextMutator = (bytes: Uint8Array, random: Random) => Uint8Array;

const textMutators: Readonly<Record<string, TextMutator>> = {
  truncated: (bytes, random) => bytes.slice(0, random.below(bytes.length)),
  "a byte left out": (bytes, random) => splice(bytes, random, { remove: 1, insert: [] }),
  "a byte of no UTF-8": (bytes, random) =>
    splice(bytes, random, { remove: 0, insert: [random.pick([0x80, 0xc0, 0xff, 0xed])] }),
  "a sign too many": (bytes, random) =>
    splice(bytes, random, { remove: 0, insert: encode(random.pick(Array.from("{}[],:'\"\\/#\n\u0001-0é\u{1f600}"))) }),
  "a comment": (bytes, random) =>
    splice(bytes, random, { remove: 0, insert: encode(random.pick(["// x\n", "/* x */", "# x\n"])) }),
  "a trailing comma": (bytes) => replaceText(bytes, /\s*([\]}])/, ",$1"),
  "single quotes": (bytes) => replaceText(bytes, /"/g, "'"),
  "a byte order mark": (bytes) => Uint8Array.from([0xef, 0xbb, 0xbf, ...bytes]),
  "two byte order marks": (bytes) => Uint8Array.from([0xef, 0xbb, 0xbf, 0xef, 0xbb, 0xbf, ...bytes]),
  "another value after it": (bytes) => Uint8Array.from([...bytes, ...encode("\n[]")]),
  "deep brackets": (_, random) =>
    encode(random.pick(["[", '{"a":', '{"rules":[']).repeat(random.pick([90, 300, 20_000]))),
  nothing: (_, random) => encode(random.pick(["", " \n", "null", "\u{feff}"])),
};

function inObject(
  tree: JsonTree,
  random: Random,
  change: (entries: readonly JsonEntry[]) => readonly JsonEntry[],
): JsonTree {
  const objects = nodesOf(tree).flatMap((node) => (node.kind === "object" ? [node] : []));
  if (objects.length === 0) return tree;
  const object = random.pick(objects);
  return replaceNode(tree, object, { ...object, entries: change(object.entries) });
}

function wrap(tree: JsonTree, random: Random, around: (items: readonly JsonTree[]) => JsonTree): JsonTree {
  const node = random.pick(nodesOf(tree));
  let wrapped = node;
  for (let depth = random.pick([1, 1, 1, 1, 2, 2, 3, 97, 101]); depth > 0; depth -= 1) wrapped = around([wrapped]);
  return replaceNode(tree, node, wrapped);
}

function insertAt(entries: readonly JsonEntry[], entry: JsonEntry, random: Random): readonly JsonEntry[] {
  return entries.toSpliced(random.below(entries.length + 1), 0, entry);
}

function wrongFor({ key }: JsonEntry): readonly string[] {
  const name = String(JSON.parse(key));
  return (Object.hasOwn(wrongValues, name) ? wrongValues[name] : undefined) ?? strangeLiterals;
}

/** The same key, spelled otherwise. */
function escapeFirst(key: string): string {
  const code = key.codePointAt(1) ?? 0;
  return key === '""' || code > 0x7e || key[1] === "\\"
    ? key
    : `"\\u${code.toString(16).padStart(4, "0")}${key.slice(2)}`;
}

function splice(
  bytes: Uint8Array,
  random: Random,
  { remove, insert }: { readonly remove: number; readonly insert: Iterable<number> },
): Uint8Array {
  return Uint8Array.from([...bytes].toSpliced(random.below(bytes.length + 1), remove, ...insert));
}

function replaceText(bytes: Uint8Array, pattern: RegExp, replacement: string): Uint8Array {
  return encode(new TextDecoder().decode(bytes).replace(pattern, replacement));
}

function encode(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}
