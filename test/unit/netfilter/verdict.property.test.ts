import * as fc from "fast-check";
import { expect, test } from "vitest";
import { createCompiler, type Compiler } from "../../../lib/netfilter/compile-node.ts";
import { ACCEPT_MARK } from "../../../lib/netfilter/render-rule.ts";
import type { Attachment } from "../../../lib/policy/attachment.ts";
import { evaluateFor } from "../../../lib/policy/evaluate.ts";
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
