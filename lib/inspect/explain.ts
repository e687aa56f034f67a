import type { Attachment } from "../policy/attachment.ts";
import { evaluateFor, type Packet, type Source, type Verdict } from "../policy/evaluate.ts";
import { formatRule, type RuleInput } from "../policy/rule.ts";
import type { RuntimeContext } from "../policy/runtime-rules.ts";
import { describeIdentity, describeRule, describeSource } from "./describe.ts";
import { formatDestination } from "./destination.ts";
import { alignColumns } from "./table.ts";

/** One attachment of `outbound explain --json`. */
export interface Explanation {
  readonly allocation: string;
  readonly job: string;
  readonly network: string;
  readonly ifname: string;
  readonly destination: Packet;
  readonly verdict: Verdict;
  /** What decides, in words and as data; `host-traffic`: no rule is asked. */
  readonly from: string;
  readonly source: Source | { readonly kind: "host-traffic" };
  /** The rule that decides; null where none matches. */
  readonly rule: RuleInput | null;
  readonly text: string;
}

/** What becomes of a new connection, and which rule says so. */
export function explain(attachment: Attachment, { packet, context, hostAddresses }: ExplainOptions): Explanation {
  const subject = {
    allocation: attachment.containerId,
    job: describeIdentity(attachment.identity),
    network: attachment.network,
    ifname: attachment.ifname,
    destination: packet,
  };
  const { hostTraffic, defaultAction } = attachment.policy;
  if (hostTraffic === "allow" && hostAddresses.has(packet.destination)) {
    return {
      ...subject,
      verdict: "accept",
      from: "conflist hostTraffic",
      source: { kind: "host-traffic" },
      rule: null,
      text: `none is asked: ${packet.destination} is this host's own, and traffic to it is left alone`,
    };
  }
  const { verdict, source, rule } = evaluateFor(attachment, packet, context);
  return {
    ...subject,
    verdict,
    from: describeSource(source),
    source,
    rule: rule ? formatRule(rule) : null,
    text: rule ? describeRule(rule) : `none matches: ${defaultAction} by default`,
  };
}

export interface ExplainOptions {
  readonly packet: Packet;
  readonly context: RuntimeContext;
  /** This host's own addresses, canonical. */
  readonly hostAddresses: ReadonlySet<string>;
}

export function formatExplanation(explanation: Explanation): string {
  const { rule, from } = explanation;
  const comment = rule?.comment === undefined ? "" : `: ${JSON.stringify(rule.comment)}`;
  return alignColumns([
    ["Allocation", `${explanation.allocation} (${explanation.job}), network ${explanation.network}`],
    ["Connection", formatDestination(explanation.destination)],
    ["Verdict", explanation.verdict],
    ["Rule", explanation.text],
    ["From", `${from}${comment}`],
  ]).join("\n");
}
