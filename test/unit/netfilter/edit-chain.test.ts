import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { editChain } from "../../../lib/netfilter/edit-chain.ts";
import { parseRuleset } from "../../../lib/netfilter/parse-ruleset.ts";
import { createFakeIptables } from "../../fakes/fake-iptables.ts";

const X = "CNI-OUT-30991e10f11da05c4612";

function chainOf(digits: readonly string[]) {
  const rules = digits.map((digit) => {
    const hash = `1:${digit.padStart(16, "0")}`;
    return { text: `-m comment --comment outbound:${hash} -j RETURN`, hash, target: "RETURN" };
  });
  return { name: X, rules };
}

/** What a chain holds after an edit, and the packets of rules that had one before. */
async function edited(
  before: readonly string[],
  lines: readonly string[],
): Promise<readonly (readonly [string, number])[]> {
  const table = createFakeIptables();
  const filled = chainOf(before).rules.map(({ text }) => `-A ${X} ${text}`);
  await table.restore(4, ["*filter", `:${X} - [0:0]`, ...filled, "COMMIT", ""].join("\n"));
  table.send(4);
  await table.restore(4, ["*filter", ...lines, "COMMIT", ""].join("\n"));
  const rules = parseRuleset(await table.save(4, { withCounters: true })).get(X) ?? [];
  return rules.map(({ hash = "", counters }) => [hash.replace(/^1:0*/, ""), counters?.packets ?? -1] as const);
}

describe("editChain", () => {
  test("makes any chain what is wanted, and touches no rule that need not move", async () => {
    const digits = fc.array(fc.constantFrom("a", "b", "c", "d", "e"), { maxLength: 8 });
    await fc.assert(
      fc.asyncProperty(digits, digits, async (before, wanted) => {
        const lines = editChain(chainOf(wanted), chainOf(before).rules);
        if (!lines) return;
        const after = await edited(before, lines);
        expect(after.map(([digit]) => digit)).toEqual(wanted);
        expect(after.filter(([, packets]) => packets === 1)).toHaveLength(
          before.length - lines.filter(isDeletion).length,
        );
      }),
      { numRuns: 500 },
    );
  });

  test("replaces a rule that keeps our comment and has another target", () => {
    const { rules } = chainOf(["a", "b", "c"]);
    const actual = rules.map((rule, index) =>
      index === 1 ? { ...rule, text: rule.text.replace("RETURN", "ACCEPT"), target: "ACCEPT" } : rule,
    );
    const [before, own] = [actual[1]?.text, rules[1]?.text];
    expect(editChain(chainOf(["a", "b", "c"]), actual)).toEqual([`-D ${X} ${before}`, `-I ${X} 2 ${own}`]);
  });

  test("replaces a jump of ours that somebody made a goto", () => {
    const { rules } = chainOf(["a", "b", "c"]);
    const [own] = rules;
    const changed = {
      ...rules[1],
      text: rules[1]?.text.replace("-j ", "-g ") ?? "",
      hash: rules[1]?.hash,
      target: "RETURN",
    };
    const actual = rules.map((rule, index) => (index === 1 ? changed : rule));
    expect(own).toBeDefined();
    expect(editChain(chainOf(["a", "b", "c"]), actual)).toEqual([
      `-D ${X} ${changed.text}`,
      `-I ${X} 2 ${rules[1]?.text}`,
    ]);
  });

  test("gives up where a rule with our comment holds what is no plain text", () => {
    const { rules } = chainOf(["a", "b"]);
    const actual = rules.map((rule) => ({ ...rule, text: `${rule.text}\0` }));
    expect(editChain(chainOf(["b"]), actual)).toBeUndefined();
  });

  test("refuses none of the lists in which every rule stands once", () => {
    const digits = fc.uniqueArray(fc.constantFrom("a", "b", "c", "d", "e", "f"), { minLength: 1 });
    fc.assert(
      fc.property(digits, digits, (before, wanted) => {
        const isAnyLeft = wanted.some((digit) => before.includes(digit));
        expect(editChain(chainOf(wanted), chainOf(before).rules) !== undefined).toBe(isAnyLeft);
      }),
    );
  });

  test.each([
    ["a rule changed", "abcd", "aecd", 1, 1],
    ["one added in front", "abcd", "eabcd", 0, 1],
    ["one taken away", "abcd", "acd", 1, 0],
    ["the first put last", "abcd", "bcda", 1, 1],
    ["the last of equal ones taken away", "abcb", "ab", 2, 0],
    ["all in reverse", "abcd", "dcba", 3, 3],
  ])("%s: as few lines as can be", (_, before, wanted, deletions, insertions) => {
    const lines = editChain(chainOf(wanted.split("")), chainOf(before.split("")).rules) ?? [];
    expect(lines.filter(isDeletion)).toHaveLength(deletions);
    expect(lines).toHaveLength(deletions + insertions);
  });

  test("leaves alone what would take longer to edit than to fill again", () => {
    const many = Array.from({ length: 20_000 }, (_, index) => index.toString(16));
    const half = many.filter((_, index) => index % 2 === 0);
    expect(editChain(chainOf(half), chainOf(many).rules)).toBeUndefined();
    expect(editChain(chainOf(many), chainOf(half).rules)).toBeUndefined();
    expect(editChain(chainOf(many.slice(1)), chainOf(many).rules)).toHaveLength(1);
  });
});

function isDeletion(line: string): boolean {
  return line.startsWith("-D ");
}
