import { join } from "node:path";
import * as fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createAttachmentStore, type AttachmentStore } from "../../lib/host/attachment-store.ts";
import { hostInterfaces, type HostInterfaces } from "../../lib/host/host-interfaces.ts";
import { silentLog as log } from "../../lib/host/log.ts";
import { createCompiler } from "../../lib/netfilter/compile-node.ts";
import { attachedHere } from "../../lib/plan/attached.ts";
import type { ChangeView } from "../../lib/plan/effect-view.ts";
import { makePlan } from "../../lib/plan/plan.ts";
import type { Attachment } from "../../lib/policy/attachment.ts";
import { evaluateFor, type Packet, type Verdict } from "../../lib/policy/evaluate.ts";
import { formatRuleSet } from "../../lib/policy/rule-set.ts";
import type { RuntimeRules } from "../../lib/policy/runtime-rules.ts";
import { createNodeRunner, type NodeRunner } from "../../watcher/node-runner.ts";
import { ensurePackages } from "../setup/packages.ts";
import { attachmentOf } from "../support/attachment.ts";
import { exampleConflist } from "../support/cni/conflist.ts";
import { sentBy, tracerOf } from "../support/compiled-verdict.ts";
import type { Container } from "../support/container.ts";
import { iptablesIn } from "../support/iptables-in.ts";
import { createNode, type ClientNode } from "../support/network-namespace.ts";
import { packetsAtEdges, policyCases, world, worldRuntimeRules, type PolicyCase } from "../support/policy-cases.ts";
import { variants } from "../support/variant.ts";
import { isIn, toVerdictChange } from "../support/verdict-change.ts";

const containerId = "8623ac7a-28ba-20c3-24a6-e615a39bbbf3";
const { nowMs, node: nodeName, network, identity, destinations, firstPort, lastPort } = world;
/** Packets sent in each case, from within the regions and from around them; and those that are only traced. */
const SENT_EACH = 5;
const TRACED_EACH = 100;
/** How long silence has to last where silence is expected. Anything else is waited for, however slow the machine. */
const SILENCE_MS = 150;
const PATIENCE_MS = 5_000;

const VERDICTS = { open: "accept", refused: "reject", timeout: "drop", unreachable: "unreachable" } as const;

/** The container's veth pair is in another network namespace than the test. */
const interfaces: HostInterfaces = { ...hostInterfaces, exists: () => true, netnsState: () => "present" };

interface PlannedCase {
  readonly policyCase: PolicyCase;
  readonly other: RuntimeRules;
  readonly at: number;
  readonly choice: readonly number[];
}

/** What a packet met. */
interface Met {
  readonly kernel: Verdict | "unreachable" | "not sent";
  readonly compiled: Verdict | undefined;
}

beforeAll(() => ensurePackages({ docker: false }), 900_000);

describe.each(variants)("with iptables-%s", (variant) => {
  let node: ClientNode;
  let container: Container;
  let store: AttachmentStore;
  let runner: NodeRunner;

  beforeAll(async () => {
    node = await createNode({ backend: variant });
    container = await node.attach({ conflist: exampleConflist(node, { outbound: false, portmap: false }) });
    const ports = Array.from({ length: lastPort - firstPort + 1 }, (_, index) => firstPort + index);
    await node.outside.listen({ addresses: [...destinations[4], ...destinations[6]], ports });
    const iptables = await iptablesIn({ namespace: node, variant, directory: join(node.directory, "inside") });
    store = createAttachmentStore(node.stateDir, { log });
    runner = createNodeRunner({ iptables, store, interfaces, log, nowMs: () => nowMs });
  });

  afterAll(() => node.close());

  test("the kernel's verdicts change where plan says so, from and to what it says, and nowhere else", async () => {
    let changed = 0;
    await fc.assert(
      fc.asyncProperty(plannedCases(), async ({ policyCase, other, at, choice }) => {
        const before = policyCase.runtimeRules;
        const sets = [...other.ruleSets, ...before.ruleSets];
        const next = sets[at % sets.length];
        if (!next) return;
        const isRemoval = before.ruleSets.includes(next);
        const rest = before.ruleSets.filter(({ key }) => key !== next.key);
        const after = { ...before, ruleSets: isRemoval ? rest : [...rest, next].toSorted(byKey) };
        const attachment = attachmentFor(policyCase);
        const { effects } = makePlan(
          {
            source: "state",
            nodes: [attachedHere(nodeName, [attachment])],
            statuses: [],
            entries: before.ruleSets.map(({ key, modifyIndex, ruleSet }) => {
              return { key, modifyIndex, value: new TextEncoder().encode(JSON.stringify(formatRuleSet(ruleSet))) };
            }),
          },
          { ...next, after: isRemoval ? undefined : next.ruleSet, nowMs },
        );
        const changes = effects.flatMap((effect) => effect.changes);
        const sides = { ...policyCase, runtimeRules: { ...before, ruleSets: [...before.ruleSets, ...after.ruleSets] } };
        const packets = choosePackets(packetsAtEdges(sides), { changes, choice });
        const was = await meet(packets, { attachment, runtimeRules: before });
        const now = await meet(packets, { attachment, runtimeRules: after });
        const wrong = packets.flatMap(({ packet, change }, index) => {
          const met = [was[index], now[index]];
          const expected = change ? [change.before.verdict, change.after.verdict] : undefined;
          if (change) changed += 1;
          return agrees(met, expected) ? [] : [{ packet, met, expected: expected ?? "the same verdict twice" }];
        });
        expect(wrong).toEqual([]);
      }),
      { numRuns: 25, interruptAfterTimeLimit: 25_000, markInterruptAsFailure: false },
    );
    expect(changed).toBeGreaterThan(50);
  }, 60_000);

  /** Makes these the runtime rules, and sends the packets; all of them go through the compiled chains. */
  async function meet(
    packets: readonly ChosenPacket[],
    { attachment, runtimeRules }: { readonly attachment: Attachment; readonly runtimeRules: RuntimeRules },
  ): Promise<readonly Met[]> {
    store.write(attachment);
    await runner.pass({
      runtimeRules,
      isSettled: true,
      isResync: false,
      isListing: true,
      onAttachments: () => {},
      persist: () => {},
    });
    const tracers = {
      4: tracerOf(createCompiler(4).compileNode([attachment], { runtimeRules, nowMs })),
      6: tracerOf(createCompiler(6).compileNode([attachment], { runtimeRules, nowMs })),
    };
    return Promise.all(
      packets.map(async ({ packet, isSent }) => {
        const compiled = tracers[packet.family](sentBy(attachment, packet)).verdict;
        if (!isSent) return { compiled, kernel: "not sent" };
        // Only how long to wait depends on it.
        const { verdict } = evaluateFor(attachment, packet, { runtimeRules, nowMs });
        return { compiled, kernel: await send(packet, verdict === "drop" ? SILENCE_MS : PATIENCE_MS) };
      }),
    );
  }

  async function send({ destination: address, protocol, port }: Packet, timeoutMs: number) {
    if (port === undefined || (protocol !== "tcp" && protocol !== "udp")) {
      throw new Error(`Cannot send packet: nothing answers ${protocol} here`);
    }
    return VERDICTS[await container.connect({ address, port, protocol, timeoutMs })];
  }

  function attachmentFor({ policy, jobRules }: PolicyCase): Attachment {
    return attachmentOf({
      network,
      containerId,
      identity,
      policy,
      jobRules,
      addresses: container.addresses,
      netns: container.path,
      hostInterface: { name: container.hostInterface ?? "", isBridgePort: true },
    });
  }
});

function plannedCases(): fc.Arbitrary<PlannedCase> {
  return fc.record({
    policyCase: policyCases(containerId),
    other: worldRuntimeRules(containerId),
    at: fc.nat(),
    choice: fc.array(fc.nat(), { minLength: TRACED_EACH, maxLength: TRACED_EACH }),
  });
}

interface ChosenPacket {
  readonly packet: Packet;
  /** The region that it is in; undefined: none. */
  readonly change: ChangeView | undefined;
  readonly isSent: boolean;
}

/** From within the regions and from around them; some are sent. */
function choosePackets(
  packets: readonly Packet[],
  { changes, choice }: { readonly changes: readonly ChangeView[]; readonly choice: readonly number[] },
): readonly ChosenPacket[] {
  const regions = changes.map((change) => ({ change, region: toVerdictChange(change) }));
  const found = packets.map((packet) => ({
    packet,
    change: regions.find(({ region }) => isIn(region, packet))?.change,
  }));
  return [true, false].flatMap((isInside) => {
    const group = found.filter(({ change }) => (change !== undefined) === isInside);
    const chosen = [...new Set(choice.map((number) => number % group.length))].flatMap((index) => group[index] ?? []);
    const sendable = chosen.filter(({ packet }) => packet.protocol === "tcp" || packet.protocol === "udp");
    const sent = new Set(sendable.slice(0, SENT_EACH));
    return chosen.map((each) => ({ ...each, isSent: sent.has(each) }));
  });
}

/** Whether kernel and compiled chains decided as expected; undefined: the same before and after. */
function agrees(
  [was, now]: readonly (Met | undefined)[],
  expected: readonly (Verdict | undefined)[] | undefined,
): boolean {
  const [compiledBefore, compiledAfter] = expected ?? [was?.compiled, was?.compiled];
  const isSent = was?.kernel !== "not sent";
  return (
    was !== undefined &&
    was.compiled === compiledBefore &&
    now?.compiled === compiledAfter &&
    (!isSent || (was.kernel === compiledBefore && now?.kernel === compiledAfter))
  );
}

function byKey(a: { readonly key: string }, b: { readonly key: string }): number {
  return a.key < b.key ? -1 : Number(a.key > b.key);
}
