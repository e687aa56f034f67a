import * as fc from "fast-check";
import { expect, test } from "vitest";
import { createCompiler, type Compiler } from "../../../lib/netfilter/compile-node.ts";
import type { Attachment } from "../../../lib/policy/attachment.ts";
import { evaluateFor } from "../../../lib/policy/evaluate.ts";
import { attachmentOf, type AttachmentOverrides } from "../../support/attachment.ts";
import { FOREIGN_MARK, sentBy, tracerOf } from "../../support/compiled-verdict.ts";
import { packetsAtEdges, policyCases, world, worldRuntimeRules, type PolicyCase } from "../../support/policy-cases.ts";

const containerId = "8623ac7a-28ba-20c3-24a6-e615a39bbbf3";
const { nowMs, network, identity } = world;

/** Of all packets at the edges of a case's rules, each run looks at every nineteenth. */
const STRIDE = 19;
const phases = fc.nat(STRIDE - 1);

test("compiled chains decide every packet as the reference evaluator does", () => {
  fc.assert(
    fc.property(policyCases(containerId), hostInterfaces(), phases, (one, hostInterface, phase) => {
      const attachment = attachmentOf({ network, containerId, identity, ...hostInterface, ...policyOf(one) });
      expectAgreement([attachment], { one, phase });
    }),
    { numRuns: 2000 },
  );
});

test("attachments that share chains are decided each by its own policy, and again after rules have changed", () => {
  const other = { containerId: "0f3c5d1e-aaaa-bbbb-cccc-0123456789ab", addresses: ["10.88.0.3", "fd00:88::3"] };
  const cases = fc.tuple(policyCases(containerId), policyCases(containerId), worldRuntimeRules(containerId));
  fc.assert(
    fc.property(cases, fc.boolean(), phases, ([one, two, later], isSamePolicy, phase) => {
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
        expectAgreement(attachments, { one: { ...one, runtimeRules }, phase, compilers });
      }
    }),
    { numRuns: 200 },
  );
});

interface AgreementOptions {
  readonly one: PolicyCase;
  readonly phase: number;
  readonly compilers?: Readonly<Record<4 | 6, Compiler>>;
}

/** Also: an accepted packet leaves with the mark that it came with. */
function expectAgreement(attachments: readonly Attachment[], { one, phase, compilers }: AgreementOptions): void {
  const { runtimeRules } = one;
  const packets = packetsAtEdges(one).filter((_, index) => index % STRIDE === phase);
  for (const family of [4, 6] as const) {
    const compiler = compilers?.[family] ?? createCompiler(family);
    const send = tracerOf(compiler.compileNode(attachments, { runtimeRules, nowMs }));
    for (const attachment of attachments) {
      for (const packet of packets.filter((each) => each.family === family)) {
        const { verdict, mark, path } = send(sentBy(attachment, packet));
        const decision = evaluateFor(attachment, packet, { runtimeRules, nowMs });
        if (verdict === decision.verdict && (verdict !== "accept" || mark === FOREIGN_MARK)) continue;
        const found = `${verdict} with mark ${mark} by ${path.join(", ")}`;
        expect.fail(`${found}, expected ${JSON.stringify(decision)} for ${JSON.stringify(packet)}`);
      }
    }
  }
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
