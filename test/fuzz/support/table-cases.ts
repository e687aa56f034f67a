import * as fc from "fast-check";
import type { RuntimeRules } from "../../../lib/policy/runtime-rules.ts";
import { damagedText } from "./damaged-text.ts";
import { hostileTexts } from "./hostile-text.ts";
import { runtimeRules } from "./runtime-rule-sets.ts";

/** A listing of some node's table, and what came to stand in it. */
export interface ListingCase {
  readonly runtimeRules: RuntimeRules;
  readonly edits: readonly TableEdit[];
  /** What becomes of the text: it is cut and stirred where this is not empty. */
  readonly noise: readonly LineNoise[];
}

/** A node's table that others have changed since. */
export interface DriftCase {
  readonly runtimeRules: RuntimeRules;
  readonly edits: readonly TableEdit[];
  readonly phase: number;
}

/** A change to a table, as any program with the right to may make it. */
export interface TableEdit {
  readonly kind: "delete" | "repeat" | "move" | "retarget" | "goto" | "insert" | "flush" | "add chain";
  /** Which line or chain; more than there are start again. */
  readonly at: number;
  readonly to: number;
  readonly line: string;
  readonly target: string;
}

export interface LineNoise {
  readonly at: number;
  /** How many characters the text takes the place of: with one of each, a byte has become another. */
  readonly replaced: number;
  readonly text: string;
}

const OUTER = ["FORWARD", "INPUT", "CNI-FORWARD", "CNI-OUTBOUND", "DOCKER-USER"] as const;

export function listingCases(): fc.Arbitrary<ListingCase> {
  const noise = fc.record({
    at: fc.nat(10_000),
    replaced: fc.constantFrom(0, 0, 0, 1, 1, 20),
    text: fc.oneof(hostileTexts(), damagedText(lines()), fc.string({ minLength: 1, maxLength: 1 })),
  });
  return fc.record({
    runtimeRules: runtimeRules(),
    edits: fc.array(tableEdits(), { maxLength: 3 }),
    noise: fc.array(noise, { minLength: 1, maxLength: 4 }),
  });
}

export function driftCases(): fc.Arbitrary<DriftCase> {
  return fc.record({
    runtimeRules: runtimeRules(),
    edits: fc.array(tableEdits(), { minLength: 1, maxLength: 4 }),
    phase: fc.nat(6),
  });
}

function tableEdits(): fc.Arbitrary<TableEdit> {
  return fc.record({
    kind: fc.constantFrom(
      "delete",
      "delete",
      "repeat",
      "move",
      "retarget",
      "retarget",
      "goto",
      "insert",
      "flush",
      "add chain",
    ),
    at: fc.nat(10_000),
    to: fc.nat(10_000),
    line: lines(),
    target: fc.constantFrom("ACCEPT", "DROP", "RETURN", "CNI-OUT-ACCEPT", "CNI-OUT-PASS", "OTHERS"),
  });
}

/** What others put into a table, and what only looks as if we had. */
function lines(): fc.Arbitrary<string> {
  const hash = fc.oneof(
    fc.constantFrom("outbound:1:0123456789abcdef", "outbound:2:0123456789abcdef", "outbound:x", '"outbound:1:'),
    hostileTexts().map((text) => JSON.stringify(text.replaceAll(/[\n\0]/g, " "))),
  );
  const match = fc.constantFrom(
    "",
    "-s 10.88.0.2/32 ",
    "-s 10.88.0.0/16 ",
    "-d 10.88.0.2/32 -m conntrack --ctstate RELATED,ESTABLISHED ",
    "-i veth0a1b2c3d ",
    "-m physdev --physdev-in veth0a1b2c3d ",
    "-p tcp -m tcp --dport 443 ",
  );
  const target = fc.constantFrom(
    "-j ACCEPT",
    "-j DROP",
    "-j RETURN",
    "-g CNI-OUT-ACCEPT",
    "-g CNI-OUTBOUND",
    "-g CNI-FORWARD",
    "-j CNI-OUT-0123456789abcdef0123",
    "-g CNI-OUT-0123456789abcdef0123",
    "-j CNI-OUTBOUND",
    "-j OTHERS",
    '-j LOG --log-prefix "-j ACCEPT "',
  );
  const chain = fc.constantFrom<string>(...OUTER, "CNI-OUT-ACCEPT", "CNI-OUT-PASS", "OTHERS");
  return fc
    .tuple(chain, match, fc.option(hash, { nil: undefined }), target)
    .map(
      ([from, conditions, comment, action]) =>
        `-A ${from} ${conditions}${comment === undefined ? "" : `-m comment --comment ${comment} `}${action}`,
    );
}

/** A listing with the edits made to its lines; where one has nothing to work on it is left out. */
export function editListing(listing: string, edits: readonly TableEdit[]): string {
  return edits.reduce(editOnce, listing.split("\n")).join("\n");
}

function editOnce(lines: readonly string[], { kind, at, to, line, target }: TableEdit): readonly string[] {
  const rules = lines.flatMap((each, index) => (each.startsWith("-A ") ? [index] : []));
  const index = rules[at % Math.max(1, rules.length)];
  const rule = index === undefined ? undefined : lines[index];
  const end = lines.lastIndexOf("COMMIT");
  if (kind === "insert") {
    const place = rules[to % Math.max(1, rules.length)] ?? end;
    return withChains(lines.toSpliced(place, 0, line), line);
  }
  if (kind === "add chain") return withChains(lines, "-A CNI-OUT-0123456789abcdef0123 -j OTHERS");
  if (index === undefined || rule === undefined) return lines;
  const place = rules[to % rules.length] ?? index;
  const chain = rule.split(" ")[1] ?? "";
  switch (kind) {
    case "delete":
      return lines.toSpliced(index, 1);
    case "repeat":
      return lines.toSpliced(place, 0, rule);
    case "move":
      return lines.toSpliced(index, 1).toSpliced(place, 0, rule);
    case "flush":
      return lines.filter((each) => !each.startsWith(`-A ${chain} `));
    case "goto":
      return lines.with(index, rule.replace(/ -j (CNI-\S+)$/, " -g $1"));
    case "retarget":
      return withChains(lines.with(index, rule.replace(/ -[jg] \S+.*$/, ` -j ${target}`)), `-j ${target}`);
  }
}

/** A table has the chains that its rules name. */
function withChains(lines: readonly string[], line: string): readonly string[] {
  const named = [/^-A (\S+)/.exec(line)?.[1], / -[jg] (\S+)$/.exec(line)?.[1]];
  const missing = named.filter(
    (name) =>
      name !== undefined &&
      !["ACCEPT", "DROP", "RETURN"].includes(name) &&
      !lines.some((each) => each.startsWith(`:${name} `)),
  );
  return lines.toSpliced(1 + lines.indexOf("*filter"), 0, ...missing.map((name) => `:${name} - [0:0]`));
}

/** Text put between the lines of a listing, into them and in place of parts; and what a pipe that broke lets through. */
export function addNoise(listing: string, noise: readonly LineNoise[]): string {
  return noise.reduce((text, { at, replaced, text: added }, index) => {
    const place = at % Math.max(1, text.length);
    if (index === 0 && at % 7 === 0) return text.slice(0, place);
    return `${text.slice(0, place)}${at % 2 === 0 ? `\n${added}\n` : added}${text.slice(place + replaced)}`;
  }, listing);
}
