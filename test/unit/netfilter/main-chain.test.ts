import { describe, expect, test } from "vitest";
import { renderMainJump } from "../../../lib/netfilter/anchors.ts";
import { compileDispatch } from "../../../lib/netfilter/compile-attachment.ts";
import {
  dispatchInterface,
  dispatchRules,
  findMainChains,
  foreignDispatchRules,
  isDispatchRule,
} from "../../../lib/netfilter/main-chain.ts";
import { parseRuleset } from "../../../lib/netfilter/parse-ruleset.ts";
import { renderRule } from "../../../lib/netfilter/render-rule.ts";
import { attachmentOf } from "../../support/attachment.ts";
import { tableIn, tableOf } from "./fixtures.ts";

const X = "CNI-OUT-30991e10f11da05c4612";
const COMMENT = '-m comment --comment "outbound:1:0123456789abcdef"';

function ruleOf(text: string) {
  const [rule] = parseRuleset(`-A M ${text}\n`).get("M") ?? [];
  if (!rule) throw new Error(`no rule: ${text}`);
  return rule;
}

describe("findMainChains", () => {
  test("gives those of the attachments, sorted, with INPUT where one of them filters traffic to the host", async () => {
    const actual = await (await tableOf()).read();
    const attachments = [
      attachmentOf({ policy: { mainChain: "B", hostTraffic: "allow" } }),
      attachmentOf({ policy: { mainChain: "A", hostTraffic: "allow" } }),
      attachmentOf({ policy: { mainChain: "A", hostTraffic: "filter" } }),
    ];
    expect(findMainChains(attachments, { actual, family: 4 })).toEqual([
      { name: "A", isInInput: true },
      { name: "B", isInInput: false },
    ]);
  });

  test("knows main chains of earlier attachments by our jump to them, and leaves INPUT to them as it is", async () => {
    const table = await tableOf(
      ":OLD - [0:0]",
      ":OTHER - [0:0]",
      `:${X} - [0:0]`,
      `-A FORWARD ${renderMainJump("OLD", 4).text}`,
      `-A INPUT ${renderMainJump("OLD", 4).text}`,
      "-A FORWARD -j OTHER",
      `-A FORWARD ${COMMENT} -j OTHER`,
      `-A FORWARD ${renderMainJump(X, 4).text}`,
    );
    expect(findMainChains([], { actual: await table.read(), family: 4 })).toEqual([{ name: "OLD", isInInput: true }]);
  });
});

describe("isDispatchRule", () => {
  test.each([4, 6] as const)(
    "knows every dispatch rule that we write for IPv%i as the kernel lists it",
    async (family) => {
      for (const isBridgePort of [true, false]) {
        const attachment = attachmentOf({ hostInterface: { name: "veth0.a_b-c", isBridgePort } });
        const rules = compileDispatch(attachment, family).map((rule) => renderRule(rule, family));
        const lines = rules.map(({ text }) => `-A M ${text}`);
        const table = await tableIn(family, ":M - [0:0]", `:${attachment.chain} - [0:0]`, ...lines);
        const listed = (await table.read()).get("M") ?? [];
        expect(listed.map(isDispatchRule)).toEqual([true, true]);
        expect(dispatchRules(listed).map(({ hash }) => hash)).toEqual(rules.map(({ hash }) => hash));
        expect(listed.flatMap(dispatchInterface)).toEqual(["veth0.a_b-c"]);
      }
    },
  );

  test.each([`-s 10.88.0.2/32 -j ${X}`, `-s fd00:88::2/128 -j ${X}`])("knows the Go plugin's %s", (text) => {
    expect(isDispatchRule(ruleOf(text))).toBe(true);
    expect(foreignDispatchRules([ruleOf(text)])).toEqual([{ text, hash: text, target: X }]);
    expect(dispatchInterface(ruleOf(text))).toEqual([]);
  });

  test.each([
    `-j ${X}`,
    `-s 10.88.0.2/32 -j ACCEPT`,
    `-s 10.88.0.2/32 -g CNI-OUTBOUND`,
    `-s 10.88.0.2/32 -p tcp -j ${X}`,
    `-s 10.88.0.2/32 -m comment --comment "mine" -g ${X}`,
    `-s 10.88.0.2/32 -m comment --comment "outbound:1:0123456789abcdef -g ${X}" -j ACCEPT`,
    `-i veth1 -j ${X}`,
    `-s 10.88.0.2/32 ${COMMENT} -j ACCEPT`,
    `-s 10.88.0.2/32 ${COMMENT} -j LOG --log-prefix "-g ${X}"`,
  ])("leaves %s out", (text) => {
    expect(isDispatchRule(ruleOf(text))).toBe(false);
    expect(dispatchRules([ruleOf(text)])).toEqual([]);
  });
});
