import * as fc from "fast-check";
import { expect, test } from "vitest";
import { createCompiler, type Compiler } from "../../../lib/netfilter/compile-node.ts";
import { sharedChainName } from "../../../lib/netfilter/names.ts";
import { ACCEPT_MARK } from "../../../lib/netfilter/render-rule.ts";
import type { Attachment } from "../../../lib/policy/attachment.ts";
import { evaluate, evaluateFor, type Packet } from "../../../lib/policy/evaluate.ts";
import {
  networkHasRuleSet,
  ruleSetsFor,
  type RuntimeContext,
  type RuntimeRuleSet,
} from "../../../lib/policy/runtime-rules.ts";
import { attachmentOf, type AttachmentOverrides } from "../../support/attachment.ts";
import { FOREIGN_MARK, sentBy, tracerOf } from "../../support/compiled-verdict.ts";
import { packetsAtEdges, policyCases, world, worldRuntimeRules, type PolicyCase } from "../../support/policy-cases.ts";

const containerId = "8623ac7a-28ba-20c3-24a6-e615a39bbbf3";
const { nowMs, network, identity } = world;

/** Of all packets at the edges of a case's rules, each run looks at every nineteenth. */
const STRIDE = 19;
/** The accept mark is a bit that other programs may have set too. */
const arrivals = fc.record({
  phase: fc.nat(STRIDE - 1),
  mark: fc.constantFrom(FOREIGN_MARK, FOREIGN_MARK | Number(ACCEPT_MARK)),
});

test("compiled chains decide every packet as the reference evaluator does", () => {
  fc.assert(
    fc.property(policyCases(containerId), hostInterfaces(), arrivals, (one, hostInterface, arrival) => {
      const attachment = attachmentOf({ network, containerId, identity, ...hostInterface, ...policyOf(one) });
      expect(findDisagreements([attachment], { one, arrival })).toEqual([]);
    }),
    { numRuns: 2000 },
  );
});

test("attachments that share chains are decided each by its own policy, and again after rules have changed", () => {
  const other = { containerId: "0f3c5d1e-aaaa-bbbb-cccc-0123456789ab", addresses: ["10.88.0.3", "fd00:88::3"] };
  const cases = fc.tuple(policyCases(containerId), policyCases(containerId), worldRuntimeRules(containerId));
  fc.assert(
    fc.property(cases, fc.boolean(), arrivals, ([one, two, later], isSamePolicy, arrival) => {
      const shared = policyOf(one);
      const attachments = [
        attachmentOf({ network, containerId, identity, ...shared }),
        attachmentOf({
          network,
          identity: { ...identity, job: "web", group: "db" },
          hostInterface: { name: "veth9", isBridgePort: true },
          ...other,
          ...(isSamePolicy ? shared : policyOf(two)),
        }),
      ];
      const compilers = { 4: createCompiler(4), 6: createCompiler(6) };
      const { ruleSets } = one.runtimeRules;
      // Some rule sets stay the same objects, some change, some go: the memory must not keep what was.
      const kept = ruleSets.slice(0, 2);
      const added = later.ruleSets.filter(({ key }) => kept.every((set) => set.key !== key));
      const changed = [...kept, ...added].toSorted((left, right) => (left.key < right.key ? -1 : 1));
      for (const current of [ruleSets, changed, [], ruleSets]) {
        const runtimeRules = { ...one.runtimeRules, ruleSets: current };
        expect(findDisagreements(attachments, { one: { ...one, runtimeRules }, arrival, compilers })).toEqual([]);
      }
    }),
    { numRuns: 200 },
  );
});

test("audited rule sets change no verdict, and count what they would have decided", () => {
  // Cases made small enough for every run to have an audited set that some packet reaches.
  const cases = fc.tuple(policyCases(containerId), policyCases(containerId)).map(([one, two]) => {
    const { ruleSets } = one.runtimeRules;
    const audited = two.runtimeRules.ruleSets
      .filter(({ key }) => ruleSets.every((set) => set.key !== key))
      .map((set): RuntimeRuleSet => ({ ...set, ruleSet: { ...set.ruleSet, mode: "audit" } }));
    return { one, audited };
  });
  let counted = 0;
  fc.assert(
    fc.property(cases, arrivals, ({ one, audited }, { phase, mark }) => {
      const attachment = attachmentOf({ network, containerId, identity, ...policyOf(one) });
      const enforcedOnly = one.runtimeRules.ruleSets.filter(({ ruleSet }) => ruleSet.mode === "enforce");
      const all = [...one.runtimeRules.ruleSets, ...audited].toSorted((left, right) => (left.key < right.key ? -1 : 1));
      const context = { runtimeRules: { ...one.runtimeRules, ruleSets: all }, nowMs };
      const packets = packetsAtEdges({ ...one, runtimeRules: context.runtimeRules });
      for (const family of [4, 6] as const) {
        const compile = (ruleSets: readonly RuntimeRuleSet[]) =>
          tracerOf(
            createCompiler(family).compileNode([attachment], {
              runtimeRules: { ...one.runtimeRules, ruleSets },
              nowMs,
            }),
          );
        const [withAudited, without] = [compile(all), compile(enforcedOnly)];
        for (const [index, packet] of packets.entries()) {
          if (packet.family !== family || index % STRIDE !== phase) continue;
          const sent = { ...sentBy(attachment, packet), mark };
          const trace = withAudited(sent);
          const plain = without(sent);
          expect({ packet, verdict: trace.verdict, mark: trace.mark }).toEqual({
            packet,
            verdict: plain.verdict,
            mark: plain.mark,
          });
          const logged = trace.path.filter((chain) => /^CNI-OUT[DA]L-/.test(chain));
          counted += logged.length;
          expect({ packet, logged: logged.toSorted() }).toEqual({
            packet,
            logged: wouldDecide(attachment, { packet, context }).toSorted(),
          });
        }
      }
    }),
    { numRuns: 300 },
  );
  expect(counted).toBeGreaterThan(100);
});

/** The log chains of the audited sets that would each decide the packet if it, and no other of them, were enforced. */
function wouldDecide(
  attachment: Attachment,
  { packet, context }: { readonly packet: Packet; readonly context: RuntimeContext },
): readonly string[] {
  const { ruleSets } = context.runtimeRules;
  const audited = ruleSets.filter(({ ruleSet }) => ruleSet.mode === "audit");
  return audited.flatMap((set) => {
    const enforced: RuntimeRuleSet = { ...set, ruleSet: { ...set.ruleSet, mode: "enforce" } };
    const others = ruleSets.map((each) => (each === set ? enforced : each));
    const { source, rule } = evaluate(
      {
        ...attachment.policy,
        jobRules: attachment.jobRules,
        // To audit a set of the network's does not make the initial rules step back.
        networkHasRuleSet: networkHasRuleSet(attachment.network, context),
        runtimeRuleSets: ruleSetsFor(attachment, {
          ...context,
          runtimeRules: { ...context.runtimeRules, ruleSets: others },
        }),
      },
      packet,
    );
    if (source.kind !== "runtime" || source.key !== set.key) return [];
    const isAccept = rule?.action === "ACCEPT";
    // Where all is accepted by default there is nothing for accepts to decide, and they are not asked.
    if (isAccept && attachment.policy.defaultAction === "ACCEPT") return [];
    return [sharedChainName(isAccept ? "accept-log" : "deny-log", set.key)];
  });
}

interface AgreementOptions {
  readonly one: PolicyCase;
  readonly arrival: { readonly phase: number; readonly mark: number };
  readonly compilers?: Readonly<Record<4 | 6, Compiler>>;
}

/** Packets that chains and evaluator decide otherwise; also accepted ones that leave with the accept mark or without others. */
function findDisagreements(
  attachments: readonly Attachment[],
  { one, arrival, compilers }: AgreementOptions,
): readonly unknown[] {
  const { runtimeRules } = one;
  const packets = packetsAtEdges(one).filter((_, index) => index % STRIDE === arrival.phase);
  return ([4, 6] as const).flatMap((family) => {
    const compiler = compilers?.[family] ?? createCompiler(family);
    const send = tracerOf(compiler.compileNode(attachments, { runtimeRules, nowMs }));
    const sent = attachments.flatMap((attachment) =>
      packets
        .filter((packet) => packet.family === family)
        .map((packet) => {
          const decision = evaluateFor(attachment, packet, { runtimeRules, nowMs });
          return { packet, decision, ...send({ ...sentBy(attachment, packet), mark: arrival.mark }) };
        }),
    );
    return sent.filter(
      ({ verdict, mark, decision }) => verdict !== decision.verdict || (verdict === "accept" && mark !== FOREIGN_MARK),
    );
  });
}

function policyOf({ policy, jobRules }: PolicyCase): Pick<AttachmentOverrides, "policy" | "jobRules"> {
  return { policy, jobRules };
}

function hostInterfaces(): fc.Arbitrary<Pick<AttachmentOverrides, "hostInterface">> {
  const name = "veth0a1b2c3d";
  return fc.constantFrom(
    { hostInterface: { name, isBridgePort: true } },
    { hostInterface: { name, isBridgePort: false } },
  );
}
