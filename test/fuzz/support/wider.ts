import { parseRuleset } from "../../../lib/netfilter/parse-ruleset.ts";
import type { Iptables } from "../../../lib/host/iptables.ts";
import type { Family } from "../../../lib/policy/address.ts";
import type { Attachment } from "../../../lib/policy/attachment.ts";
import { evaluateFor, type Packet } from "../../../lib/policy/evaluate.ts";
import type { RuntimeContext } from "../../../lib/policy/runtime-rules.ts";
import { sentBy } from "../../support/compiled-verdict.ts";
import { createTracer, type Trace, type TracedPacket } from "../../support/tracer.ts";
import { claim } from "./claim.ts";
import { probesOf } from "./probes.ts";

/** Every so many probes are sent: over many inputs all are. */
const STRIDE = 7;

export interface Judged {
  readonly attachments: readonly Attachment[];
  readonly context: RuntimeContext;
  readonly iptables: Pick<Iptables, "save" | "has">;
  /** Which of the probes; any number. */
  readonly phase: number;
}

/** How many packets passed, and how many were stopped. */
export interface Passage {
  readonly passed: number;
  readonly stopped: number;
}

/**
 * That no packet of these attachments gets past FORWARD that the reference evaluator stops, nor past INPUT, for those
 * whose traffic to the host is filtered.
 */
export async function claimNotWider({ attachments, context, iptables, phase }: Judged): Promise<Passage> {
  let [passed, stopped] = [0, 0];
  for (const family of [4, 6] as const) {
    if (!iptables.has(family)) continue;
    const send = tracerFrom(await iptables.save(family));
    for (const attachment of attachments) {
      claimNoSpoofing(attachment, { send, family });
      for (const packet of probesFor(attachment, { context, family, phase })) {
        for (const hook of hooksOf(attachment)) {
          const { verdict } = send(hook, sentBy(attachment, packet));
          if (verdict !== "accept") {
            stopped += 1;
            continue;
          }
          passed += 1;
          const decision = evaluateFor(attachment, packet, context);
          claim(decision.verdict === "accept", "a packet passes that the reference evaluator stops", {
            hook,
            packet,
            decision,
            attachment,
          });
        }
      }
    }
  }
  return { passed, stopped };
}

type Hook = "FORWARD" | "INPUT";
type Send = (hook: Hook, packet: TracedPacket) => Trace;

function tracerFrom(listing: string): Send {
  const trace = createTracer(parseRuleset(listing));
  return (hook, packet) =>
    trace({ start: hook, packet: hook === "INPUT" ? { ...packet, destinationType: "LOCAL" } : packet });
}

function hooksOf({ policy }: Attachment): readonly Hook[] {
  return policy.hostTraffic === "filter" ? ["FORWARD", "INPUT"] : ["FORWARD"];
}

/** That nothing passes which comes in through an attachment's interface with a source of somebody else's. */
function claimNoSpoofing(
  attachment: Attachment,
  { send, family }: { readonly send: Send; readonly family: Family },
): void {
  if (attachment.hostInterface === undefined || !hasFamily(attachment, family)) return;
  const packet = sentBy(attachment, { family, destination: FOREIGN[family], protocol: "udp", port: 53 });
  for (const hook of hooksOf(attachment)) {
    const { verdict } = send(hook, { ...packet, source: FOREIGN[family] });
    claim(verdict !== "accept", "a packet passes that has a source of somebody else's", { hook, packet, attachment });
  }
}

const FOREIGN = { 4: "198.18.99.99", 6: "2001:db8:99::99" } as const;

function hasFamily({ addresses }: Attachment, family: Family): boolean {
  return addresses.some((address) => address.includes(":") === (family === 6));
}

interface ProbeOptions {
  readonly context: RuntimeContext;
  readonly family: Family;
  readonly phase: number;
}

function probesFor(attachment: Attachment, { context, family, phase }: ProbeOptions): readonly Packet[] {
  if (!hasFamily(attachment, family)) return [];
  const { staticRules, initialRules } = attachment.policy;
  const runtime = context.runtimeRules.ruleSets.flatMap(({ ruleSet }) => ruleSet.rules);
  const probes = probesOf([...staticRules, ...attachment.jobRules, ...initialRules, ...runtime]);
  return probes.filter((packet, index) => packet.family === family && (index + phase) % STRIDE === 0);
}
