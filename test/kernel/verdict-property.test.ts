import { join } from "node:path";
import * as fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createAttachmentStore, type AttachmentStore } from "../../lib/host/attachment-store.ts";
import { hostInterfaces, type HostInterfaces } from "../../lib/host/host-interfaces.ts";
import { silentLog as log } from "../../lib/host/log.ts";
import { createCompiler } from "../../lib/netfilter/compile-node.ts";
import type { Attachment } from "../../lib/policy/attachment.ts";
import { evaluateFor, type Packet, type Verdict } from "../../lib/policy/evaluate.ts";
import { createNodeRunner, type NodeRunner, type PassInput } from "../../watcher/node-runner.ts";
import { ensurePackages } from "../setup/packages.ts";
import { attachmentOf } from "../support/attachment.ts";
import { exampleConflist } from "../support/cni/conflist.ts";
import { sentBy, tracerOf } from "../support/compiled-verdict.ts";
import type { Container } from "../support/container.ts";
import { iptablesIn } from "../support/iptables-in.ts";
import { createNode, type ClientNode } from "../support/network-namespace.ts";
import { packetsAtEdges, policyCases, world, type PolicyCase } from "../support/policy-cases.ts";
import { variants } from "../support/variant.ts";

const containerIds = ["8623ac7a-28ba-20c3-24a6-e615a39bbbf3", "0f3c5d1e-0a1b-2c3d-4e5f-0123456789ab"] as const;
const { nowMs, network, identity, destinations, firstPort, lastPort } = world;
/** What a container sends in one case; all at once, so no more than the kernel answers with ICMP errors in one burst. */
const PACKETS = 20;
const PINGS = 3;
/** How long silence has to last where silence is expected. Anything else is waited for, however slow the machine. */
const SILENCE_MS = 150;
const PATIENCE_MS = 5_000;

const VERDICTS = { open: "accept", refused: "reject", timeout: "drop", unreachable: "unreachable" } as const;

const OPEN: PolicyCase = {
  policy: { defaultAction: "ACCEPT", staticRules: [], initialRules: [], hostTraffic: "filter", logDenied: false },
  jobRules: [],
  runtimeRules: { node: world.node, ruleSets: [] },
};

/** The containers' veth pairs are in another network namespace than the test. */
const interfaces: HostInterfaces = { ...hostInterfaces, exists: () => true, netnsState: () => "present" };

beforeAll(() => ensurePackages({ docker: false }), 900_000);

describe.each(variants)("with iptables-%s", (variant) => {
  let node: ClientNode;
  /** One on a bridge and one behind a ptp interface. */
  let containers: readonly Container[];
  let store: AttachmentStore;
  let runner: NodeRunner;

  beforeAll(async () => {
    node = await createNode({ backend: variant });
    const without = { outbound: false, portmap: false } as const;
    const ptp = { main: "ptp", name: "ptp", subnet4: "10.99.0.0/24", subnet6: "fd00:99::/64" } as const;
    containers = [
      await node.attach({ conflist: exampleConflist(node, without) }),
      await node.attach({ conflist: exampleConflist(node, { ...without, ...ptp }) }),
    ];
    const ports = Array.from({ length: lastPort - firstPort + 1 }, (_, index) => firstPort + index);
    await node.outside.listen({ addresses: [...destinations[4], ...destinations[6]], ports });
    const iptables = await iptablesIn({ namespace: node, variant, directory: join(node.directory, "inside") });
    store = createAttachmentStore(node.stateDir, { log });
    runner = createNodeRunner({ iptables, store, interfaces, log, nowMs: () => nowMs });
  });

  afterAll(() => node.close());

  test("everything is reached where everything is accepted", async () => {
    await install([OPEN, OPEN], { isResync: false });
    for (const container of containers) {
      const packets = packetsAtEdges(OPEN).filter(canBeSent);
      const verdicts = await Promise.all(packets.map((packet) => send(container, packet, PATIENCE_MS)));
      expect(verdicts).toEqual(packets.map(() => "accept"));
    }
  });

  test("kernel, compiled chains and reference evaluator agree on every packet", async () => {
    const cases = fc
      .tuple(policyCases(containerIds[0]), policyCases(containerIds[1]))
      .map(([one, two]) => [one, { ...two, runtimeRules: one.runtimeRules }] as const);
    const choices = fc.array(fc.nat(), { minLength: PACKETS, maxLength: PACKETS });
    await fc.assert(
      fc.asyncProperty(cases, choices, fc.boolean(), async (both, choice, isResync) => {
        const attachments = await install(both, { isResync });
        expect(await findDisagreements(both, { attachments, choice })).toEqual([]);
      }),
      { numRuns: 60, interruptAfterTimeLimit: 90_000, markInterruptAsFailure: true },
    );
  }, 120_000);

  /** Makes these the policies of the containers, from whatever they were before. */
  async function install(
    cases: readonly PolicyCase[],
    { isResync }: Pick<PassInput, "isResync">,
  ): Promise<readonly Attachment[]> {
    const attachments = cases.map(({ policy, jobRules }, index) => {
      const { addresses, hostInterface = "", path: netns } = containers[index] ?? {};
      const containerId = containerIds[index] ?? "";
      return attachmentOf({
        network,
        containerId,
        identity,
        policy,
        jobRules,
        sequence: index,
        ...(addresses && { addresses }),
        ...(netns !== undefined && { netns }),
        hostInterface: { name: hostInterface, isBridgePort: index === 0 },
      });
    });
    for (const attachment of attachments) store.write(attachment);
    const [{ runtimeRules } = OPEN] = cases;
    await runner.pass({
      runtimeRules,
      isSettled: true,
      isResync,
      isListing: true,
      onAttachments: () => {},
      persist: () => {},
    });
    return attachments;
  }

  async function findDisagreements(
    cases: readonly PolicyCase[],
    { attachments, choice }: SendOptions,
  ): Promise<readonly unknown[]> {
    const [{ runtimeRules } = OPEN] = cases;
    const tracers = ([4, 6] as const).map((family) => {
      const compiled = createCompiler(family).compileNode(attachments, { runtimeRules, nowMs });
      return { family, trace: tracerOf(compiled) };
    });
    const sent = attachments.flatMap((attachment, index) => {
      const [one, container] = [cases[index], containers[index]];
      if (!one || !container) return [];
      return choosePackets(one, choice).map(async (packet) => {
        const { verdict: reference, source } = evaluateFor(attachment, packet, { runtimeRules, nowMs });
        const tracer = tracers.find(({ family }) => family === packet.family);
        const compiled = tracer?.trace(sentBy(attachment, packet)).verdict;
        const kernel = await send(container, packet, reference === "drop" ? SILENCE_MS : PATIENCE_MS);
        return { container: index, packet, kernel, compiled, reference, source };
      });
    });
    const outcomes = await Promise.all(sent);
    return outcomes.filter(({ kernel, compiled, reference }) => kernel !== reference || compiled !== reference);
  }
});

interface SendOptions {
  readonly attachments: readonly Attachment[];
  readonly choice: readonly number[];
}

/** Some pings and many of all else: there are few pings at the edges of a case's rules, and they cost more. */
function choosePackets(one: PolicyCase, choice: readonly number[]): readonly Packet[] {
  const packets = packetsAtEdges(one).filter(canBeSent);
  const chosen = [true, false].flatMap((isPing) => {
    const group = packets.filter(({ port }) => (port === undefined) === isPing);
    const numbers = isPing ? choice.slice(0, PINGS) : choice.slice(PINGS);
    return [...new Set(numbers.map((number) => number % group.length))].map((index) => group[index]);
  });
  return chosen.filter((packet) => packet !== undefined);
}

/** Nothing answers SCTP in this world. */
function canBeSent({ protocol }: Packet): boolean {
  return protocol !== "sctp";
}

async function send(container: Container, packet: Packet, timeoutMs: number): Promise<Verdict | "unreachable"> {
  const { destination: address, protocol, port } = packet;
  if (port === undefined || (protocol !== "tcp" && protocol !== "udp")) return ping(container, address, timeoutMs);
  return VERDICTS[await container.connect({ address, port, protocol, timeoutMs })];
}

async function ping(container: Container, address: string, timeoutMs: number): Promise<Verdict> {
  const argv = ["ping", "-n", "-c", "1", "-W", String(timeoutMs / 1000), address];
  const { exitCode, stdout } = await container.exec(argv, { allowFailure: true, env: { LC_ALL: "C" } });
  if (exitCode === 0) return "accept";
  return /unreachable/i.test(stdout) ? "reject" : "drop";
}
