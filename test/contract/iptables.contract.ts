import * as fc from "fast-check";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { IptablesError } from "../../lib/host/iptables-error.ts";
import type { Iptables } from "../../lib/host/iptables.ts";
import type { ChainRule } from "../../lib/netfilter/chain.ts";
import { createCompiler } from "../../lib/netfilter/compile-node.ts";
import { parseRuleset, type ActualRuleset } from "../../lib/netfilter/parse-ruleset.ts";
import { isEmptyPlan, planNode } from "../../lib/netfilter/plan.ts";
import { predictRuleset } from "../../lib/netfilter/predict.ts";
import { isAsKnown, renderEdits, renderPlan } from "../../lib/netfilter/render-plan.ts";
import { renderRule, type RenderedChain } from "../../lib/netfilter/render-rule.ts";
import { parseCidr, type Family } from "../../lib/policy/address.ts";
import { exampleNode } from "../support/example-node.ts";

/** A filter table that a test can change, real or not. */
export interface IptablesUnderTest {
  readonly iptables: Iptables;
  /** Back to the built-in chains, without rules. */
  clear(): Promise<void>;
  /** Sends packets that reach OUTPUT. */
  send(family: Family): Promise<void>;
  close(): Promise<void>;
}

const X = "CNI-OUT-30991e10f11da05c4612";
const Y = "CNI-OUTST-0123456789abcdef01";

/** What outbound depends on. The fake must behave here as the kernel and its programs do, or its tests say nothing. */
export function describeIptables(name: string, open: () => Promise<IptablesUnderTest>): void {
  describe(`the tables of ${name}`, () => {
    let table: IptablesUnderTest;
    let iptables: Iptables;
    beforeAll(async () => {
      table = await open();
      iptables = table.iptables;
    });
    beforeEach(() => table.clear());
    afterAll(() => table.close());

    async function apply(...lines: readonly string[]): Promise<void> {
      await iptables.restore(4, transaction(...lines));
    }

    async function read(family: Family = 4): Promise<ActualRuleset> {
      return parseRuleset(await iptables.save(family));
    }

    /** Chains that are not built in, and rules of all; texts without the rewriting of our own rules. */
    async function texts(family: Family = 4): Promise<Readonly<Record<string, readonly string[]>>> {
      const entries = [...(await read(family))].map(
        ([chain, rules]) => [chain, rules.map(({ text }) => text)] as const,
      );
      return Object.fromEntries(entries.filter(([chain, rules]) => rules.length > 0 || !BUILT_IN.includes(chain)));
    }

    test("both families are there, with their built-in chains and no rules", async () => {
      for (const family of [4, 6] as const) {
        expect(iptables.has(family)).toBe(true);
        const chains = [...(await read(family))];
        expect(chains).toHaveLength(BUILT_IN.length);
        expect(chains).toEqual(expect.arrayContaining(BUILT_IN.map((chain) => [chain, []])));
      }
    });

    test("a declared chain is emptied and filled again, and what is not named stays", async () => {
      await apply(`:${X} - [0:0]`, `:${Y} - [0:0]`, `-A ${X} -j DROP`, `-A ${Y} -j RETURN`);
      await apply(`:${X} - [0:0]`, `-A ${X} -s 10.0.0.1/32 -j ${Y}`, `-A ${X} -g ${Y}`);
      expect(await texts()).toEqual({ [X]: [`-s 10.0.0.1/32 -j ${Y}`, `-g ${Y}`], [Y]: ["-j RETURN"] });
    });

    test("families do not share chains", async () => {
      await apply(`:${X} - [0:0]`);
      expect(await texts(6)).toEqual({});
    });

    test("rules are inserted before a position and deleted by their text", async () => {
      await apply("-A FORWARD -s 10.0.0.1/32 -j DROP", "-A FORWARD -s 10.0.0.2/32 -j DROP");
      await apply("-I FORWARD 2 -s 10.0.0.3/32 -j DROP", "-I FORWARD 1 -s 10.0.0.4/32 -j DROP");
      await apply("-D FORWARD -s 10.0.0.1/32 -j DROP");
      const sources = (await texts())["FORWARD"]?.map((text) =>
        text.replace("-s 10.0.0.", "").replace("/32 -j DROP", ""),
      );
      expect(sources).toEqual(["4", "3", "2"]);
    });

    test("one of several equal rules is deleted at a time", async () => {
      await apply("-A FORWARD -j DROP", "-A FORWARD -j DROP", "-D FORWARD -j DROP");
      expect(await texts()).toEqual({ FORWARD: ["-j DROP"] });
    });

    test("a chain goes in the transaction that takes away what led to it", async () => {
      await apply(`:${X} - [0:0]`, `:MAIN - [0:0]`, `-A ${X} -j DROP`, `-A MAIN -g ${X}`);
      await apply(":MAIN - [0:0]", `:${X} - [0:0]`, `-X ${X}`);
      expect(await texts()).toEqual({ MAIN: [] });
    });

    test("chains that lead to each other in one direction go together", async () => {
      await apply(`:${X} - [0:0]`, `:${Y} - [0:0]`, `-A ${X} -j ${Y}`);
      await apply(`:${Y} - [0:0]`, `:${X} - [0:0]`, `-X ${Y}`, `-X ${X}`);
      expect(await texts()).toEqual({});
    });

    test.each([
      ["a jump to a chain that is not there", [`-A FORWARD -j ${Y}`]],
      ["a goto to a chain that is not there", [`-A FORWARD -g ${Y}`]],
      ["a rule for a chain that is not there", [`-A ${Y} -j DROP`]],
      ["an insertion behind the end", ["-I FORWARD 3 -j DROP"]],
      ["the deletion of a rule that is not there", ["-D FORWARD -j ACCEPT"]],
      ["the removal of a chain that a rule leads to", [`:${X} - [0:0]`, `-X ${X}`]],
      ["the removal of a chain that is not there", [`-X ${Y}`]],
      ["the removal of a chain that holds rules", [`-X OTHER`]],
      ["a chain made twice", [`-N ${X}`]],
      ["a loop", [`-A ${X} -j ${X}`]],
      ["a longer loop", [`:${Y} - [0:0]`, `-A ${X} -j ${Y}`, `-A ${Y} -j ${X}`]],
      ["a name of 29 characters", [":12345678901234567890123456789 - [0:0]"]],
      ["an unknown command", ["-Q FORWARD"]],
      ["an unknown option", ["-A FORWARD --no-such-option 1 -j DROP"]],
      ["an unknown match", ["-A FORWARD -m nosuchmatch -j DROP"]],
      ["an option without its match", ["-A FORWARD --dports 1 -j DROP"]],
      ["more than 15 ports", [`-A FORWARD -p tcp -m multiport --dports ${ports(16)} -j DROP`]],
      [
        "more than 15 ports, ranges counted twice",
        [`-A FORWARD -p tcp -m multiport --dports ${ports(14)},90:91 -j DROP`],
      ],
      ["an address of the other family", ["-A FORWARD -s fd00::1/128 -j DROP"]],
    ])("%s fails, and nothing of its transaction is applied", async (_, lines) => {
      const before = [`:${X} - [0:0]`, ":OTHER - [0:0]", "-A OTHER -j DROP", `-A FORWARD -j ${X}`];
      await apply(...before);
      const text = transaction(":NEW - [0:0]", "-A NEW -j DROP", ...lines);
      await expect(iptables.restore(4, text)).rejects.toMatchObject({ name: "IptablesError", input: text });
      expect(await texts()).toEqual({ [X]: [], OTHER: ["-j DROP"], FORWARD: [`-j ${X}`] });
    });

    test("a text that ends before COMMIT applies nothing", async () => {
      await expect(iptables.restore(4, "*filter\n:NEW - [0:0]\n")).rejects.toBeInstanceOf(IptablesError);
      expect(await texts()).toEqual({});
    });

    test("of several transactions those before a failure stay", async () => {
      const text =
        transaction(":FIRST - [0:0]") + transaction(":SECOND - [0:0]", "-j nonsense") + transaction(":THIRD - [0:0]");
      await expect(iptables.restore(4, text)).rejects.toBeInstanceOf(IptablesError);
      expect(await texts()).toEqual({ FIRST: [] });
    });

    test("a listing after a transaction shows what it did", async () => {
      const text =
        transaction(`:${X} - [0:0]`, `-A ${X} -j DROP`, `-A FORWARD -j ${X}`) + transaction(`-S ${X}`, "-S FORWARD");
      const listed = parseRuleset(await iptables.restore(4, text));
      expect([...listed].map(([chain, rules]) => [chain, rules.map((rule) => rule.text)])).toEqual([
        [X, ["-j DROP"]],
        ["FORWARD", [`-j ${X}`]],
      ]);
    });

    test("a listing ends before the first chain that is not there", async () => {
      const listed = parseRuleset(await iptables.list(4, ["INPUT", "FORWARD", "NOPE", "OUTPUT"]));
      expect([...listed.keys()]).toEqual(["INPUT", "FORWARD"]);
      await expect(iptables.list(4, ["NOPE", "INPUT"])).rejects.toBeInstanceOf(IptablesError);
    });

    test("a failure carries what was printed before it", async () => {
      const text = transaction("-S FORWARD") + transaction("-S NOPE");
      const error = await iptables.restore(4, text).catch((failure: unknown) => failure);
      expect(error).toMatchObject({ input: text, stdout: "-P FORWARD ACCEPT\n" });
    });

    test("counters are listed where asked for, and start at zero", async () => {
      await apply(`:${X} - [0:0]`, `-A ${X} -j DROP`);
      const counted = parseRuleset(await iptables.save(4, { withCounters: true }));
      expect(counted.get(X)?.[0]?.counters).toEqual({ packets: 0, bytes: 0 });
      expect((await read()).get(X)?.[0]?.counters).toBeUndefined();
    });

    test.each([4, 6] as const)("IPv%i rules that a chain keeps go on counting while it is edited", async (family) => {
      const edit = async (...hashes: readonly string[]): Promise<void> => {
        const known = await read(family);
        const edits = renderEdits({ write: [counting(hashes)], ...NOTHING_ELSE }, known);
        const printed = await iptables.restore(family, edits.text);
        expect(edits.edited).toEqual([X]);
        expect(isAsKnown(edits, { printed, known })).toBe(true);
      };
      const packets = async (): Promise<readonly (readonly [string | undefined, number | undefined])[]> =>
        (parseRuleset(await iptables.save(family, { withCounters: true })).get(X) ?? []).map(
          ({ hash, counters }) => [hash?.slice(-1), counters?.packets] as const,
        );
      await iptables.restore(family, renderPlan({ write: [counting(["a", "b", "c"])], ...NOTHING_ELSE }));
      await iptables.restore(family, transaction(`-A OUTPUT -j ${X}`));
      await table.send(family);
      const [[, sent = 0] = []] = await packets();
      expect(sent).toBeGreaterThan(0);
      await edit("d", "a", "e", "c", "f");
      expect(await packets()).toEqual(Object.entries({ d: 0, a: sent, e: 0, c: sent, f: 0 }));
      await table.send(family);
      const [[, later = 0] = []] = await packets();
      expect(later).toBeGreaterThan(0);
      await edit("c", "a", "e", "f", "a");
      const moved = [["c", 0] as const, ["a", sent + later] as const, ["e", later] as const, ["f", later] as const];
      expect(await packets()).toEqual([...moved, ["a", 0]]);
    });

    test.each([4, 6] as const)("a chain of IPv%i that is edited becomes whatever is wanted of it", async (family) => {
      const lists = fc.array(fc.constantFrom("a", "b", "c", "d", "e", "f", "0", "1"), { maxLength: 12 });
      let edited = 0;
      for (const hashes of fc.sample(lists, { numRuns: 40, seed: 20 })) {
        const wanted = counting(hashes);
        const known = await read(family);
        const edits = renderEdits({ write: [wanted], ...NOTHING_ELSE }, known);
        edited += edits.edited.length;
        expect(isAsKnown(edits, { printed: await iptables.restore(family, edits.text), known })).toBe(true);
        expect((await read(family)).get(X)?.map(({ hash }) => hash)).toEqual(wanted.rules.map(({ hash }) => hash));
      }
      expect(edited).toBeGreaterThan(20);
    });

    test("an edit of a chain that somebody else has changed fails, or shows it", async () => {
      await apply(...declared(counting(["a", "b", "c"])));
      const known = await read();
      const edits = renderEdits({ write: [counting(["a", "d", "c"])], ...NOTHING_ELSE }, known);
      await apply(`-I ${X} 1 -j RETURN`);
      expect(isAsKnown(edits, { printed: await iptables.restore(4, edits.text), known })).toBe(false);
      await apply(`-F ${X}`);
      await expect(iptables.restore(4, edits.text)).rejects.toBeInstanceOf(IptablesError);
      await apply(`-X ${X}`);
      await expect(iptables.restore(4, edits.text)).rejects.toBeInstanceOf(IptablesError);
      expect(await texts()).toEqual({});
    });

    test.each([4, 6] as const)("every rule that we render for IPv%i is deleted by its text", async (family) => {
      const rules = allRules(family).map((rule) => renderRule(rule, family));
      const chain = { name: X, rules };
      await iptables.restore(family, transaction(":OTHER - [0:0]", ...declared(chain)));
      const listed = (await read(family)).get(X) ?? [];
      const remove = (all: readonly string[]) =>
        iptables.restore(family, transaction(...all.map((text) => `-D ${X} ${text}`)));
      await remove(rules.map(({ text }) => text));
      expect(await texts(family)).toEqual({ OTHER: [], [X]: [] });
      await iptables.restore(family, transaction(...declared(chain)));
      await remove(listed.map(({ text }) => text));
      expect(await texts(family)).toEqual({ OTHER: [], [X]: [] });
    });

    test("a log prefix is cut to 29 characters", async () => {
      await apply(`-A FORWARD -j LOG --log-prefix "${"x".repeat(28)}: "`);
      expect(await texts()).toEqual({ FORWARD: [`-j LOG --log-prefix "${"x".repeat(28)}:"`] });
    });

    test("a comment of any text is not taken for a target or a hash", async () => {
      await apply(
        ":OTHER - [0:0]",
        '-A FORWARD -m comment --comment "x -j OTHER" -j ACCEPT',
        String.raw`-A FORWARD -m comment --comment "say \"outbound:1:0123456789abcdef\" -g OTHER \\" -j DROP`,
        '-A FORWARD -m comment --comment "it\'s"',
        "-A FORWARD -m comment --comment plain_word-1 -j OTHER",
      );
      const rules = (await read()).get("FORWARD") ?? [];
      expect(rules.map(({ hash, target }) => ({ hash, target }))).toEqual([
        { hash: undefined, target: "ACCEPT" },
        { hash: undefined, target: "DROP" },
        { hash: undefined, target: undefined },
        { hash: undefined, target: "OTHER" },
      ]);
    });

    test.each([4, 6] as const)(
      "every rule that we render for IPv%i is taken, and known again by its hash",
      async (family) => {
        const rules = allRules(family).map((rule) => renderRule(rule, family));
        await iptables.restore(
          family,
          transaction(":OTHER - [0:0]", `:${X} - [0:0]`, ...rules.map(({ text }) => `-A ${X} ${text}`)),
        );
        const listed = (await read(family)).get(X) ?? [];
        expect(listed.map(({ hash }) => hash)).toEqual(rules.map(({ hash }) => hash));
        expect(listed.map(({ target }) => target)).toEqual(rules.map(({ text }) => / -[jg] (\S+)/.exec(text)?.[1]));
      },
    );

    test.each([4, 6] as const)(
      "an applied plan for IPv%i reads as predicted, and leaves nothing to do",
      async (family) => {
        const node = createCompiler(family).compileNode(exampleNode.attachments, exampleNode.input);
        const plan = (actual: ActualRuleset) => planNode(node, { actual, family, keep: new Set(), isSettled: true });
        const first = plan(await read(family));
        await iptables.restore(family, renderPlan(first));
        const placed = await read(family);
        expect(isEmptyPlan(plan(placed))).toBe(true);
        // Without rules: the chains of the rule sets go, and no jump moves.
        const input = { ...exampleNode.input, runtimeRules: { ...exampleNode.input.runtimeRules, ruleSets: [] } };
        const [, ...others] = exampleNode.attachments;
        const emptied = createCompiler(family).compileNode(others, input);
        const second = planNode(emptied, { actual: placed, family, keep: new Set(), isSettled: true });
        expect(second.remove.length).toBeGreaterThan(1);
        await iptables.restore(family, renderPlan(second));
        const after = await read(family);
        const predicted = predictRuleset(placed, second);
        expect(predicted && byHash(predicted)).toEqual(byHash(after));
      },
    );
  });
}

const BUILT_IN = ["INPUT", "FORWARD", "OUTPUT"];

function transaction(...lines: readonly string[]): string {
  return ["*filter", ...lines, "COMMIT", ""].join("\n");
}

const NOTHING_ELSE = { remove: [], anchors: [], stuck: [] };

/** A chain of rules that match every packet and let it on, each with a hash of one digit repeated. */
function counting(digits: readonly string[]): RenderedChain {
  const rules = digits.map((digit) => {
    const hash = `1:${digit.repeat(16)}`;
    return { text: `-m comment --comment outbound:${hash}`, hash, target: "" };
  });
  return { name: X, rules };
}

function declared({ name, rules }: RenderedChain): readonly string[] {
  return [`:${name} - [0:0]`, ...rules.map(({ text }) => `-A ${name} ${text}`)];
}

function ports(count: number): string {
  return Array.from({ length: count }, (_, index) => index + 1).join(",");
}

/** What outbound looks at in a table. */
function byHash(actual: ActualRuleset): Readonly<Record<string, unknown>> {
  return Object.fromEntries(
    [...actual].map(([chain, rules]) => [chain, rules.map(({ hash, target }) => ({ hash, target }))]),
  );
}

/** Each match and each target, at the edges of what they may hold. */
function allRules(family: Family): readonly ChainRule[] {
  const [net, host] = (family === 4 ? ["10.0.0.0/8", "192.0.2.1"] : ["2001:db8::/32", "2001:db8::1"]).map(parseCidr);
  const drop = { kind: "drop" } as const;
  const range = (first: number, last: number) => ({ first, last });
  const fifteen = Array.from({ length: 15 }, (_, index) => range(2 * index, 2 * index));
  const sevenRanges = Array.from({ length: 7 }, (_, index) => range(10 * index, 10 * index + 1));
  const matches = [
    ...(net && host ? [{ source: net }, { source: host }, { notSource: host }, { destination: net }] : []),
    { destination: parseCidr(family === 4 ? "0.0.0.0/0" : "::/0") },
    { inInterface: "veth0123456789a" },
    { notInInterface: "veth0123456789a" },
    { bridgePort: "veth0123456789a" },
    { notBridgePort: "veth0123456789a" },
    ...(["tcp", "udp", "sctp"] as const).flatMap((protocol) => [
      { protocol },
      { protocol, destinationPorts: [range(0, 0)] },
      { protocol, destinationPorts: [range(0, 65_535)] },
      { protocol, destinationPorts: [range(1, 1), range(65_534, 65_535)] },
      { protocol, destinationPorts: fifteen },
      { protocol, destinationPorts: [...sevenRanges, range(999, 999)] },
    ]),
    { protocol: family === 4 ? ("icmp" as const) : ("ipv6-icmp" as const) },
    { isReply: true as const },
    { isNew: true },
    { isNew: false },
    { isMarked: true },
    { isMarked: false },
    { destinationType: "LOCAL" as const },
    ...(family === 4 ? [{ destinationType: "BROADCAST" as const }] : []),
    ...(family === 6 ? [133, 134, 135, 136].map((onLinkIcmpv6Type) => ({ onLinkIcmpv6Type })) : []),
    { limitPerSecond: 10 },
    { limitPerSecond: 1 },
  ];
  return [
    ...matches.map((match) => ({ match, target: drop })),
    { match: {}, target: { kind: "jump", chain: "OTHER" } },
    { match: {}, target: { kind: "goto", chain: "OTHER" } },
    { match: {}, target: { kind: "reject" } },
    { match: { protocol: "tcp" }, target: { kind: "reset" } },
    { match: {}, target: { kind: "return" } },
    { match: {}, target: { kind: "mark" } },
    { match: {}, target: { kind: "unmark" } },
    { match: {}, target: { kind: "log", prefix: "outbound 8623ac7a-28ba-20c3: " } },
    { match: {}, target: { kind: "log", prefix: "outbound !0123456789abcdef: ", level: "debug" } },
  ];
}
