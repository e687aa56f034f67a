import type { ObservedConnection } from "../observed/connection.ts";
import type { Attachment } from "../policy/attachment.ts";

/** Connections that the kernel has logged: to one port of one address. It logs a few a second, and counts all. */
export interface SeenConnection {
  /** What an audited rule set would have done; absent where the default action did deny it. */
  readonly wouldBe?: "accepted" | "denied";
  readonly protocol: string;
  readonly destination: string;
  readonly port?: number;
  /** Lines of the kernel's log. */
  readonly lines: number;
  readonly firstSeen: string;
  readonly lastSeen: string;
}

/** Those of an attachment's connections that the default action denied, the last ones first. */
export function seenDenied(attachment: Attachment, observed: readonly ObservedConnection[]): readonly SeenConnection[] {
  return observed
    .filter((each) => isOf(attachment, each) && each.decision.kind === "denied")
    .map(toSeen)
    .toSorted(byLast);
}

/** Those that this version of an audited rule set would have decided, the last ones first. */
export function seenAudited(
  attachment: Attachment,
  { key, modifyIndex, observed }: SeenAuditedOptions,
): readonly SeenConnection[] {
  return observed
    .filter(
      (each) =>
        isOf(attachment, each) &&
        each.decision.kind === "audited" &&
        each.decision.key === key &&
        each.decision.modifyIndex === modifyIndex,
    )
    .map(toSeen)
    .toSorted(byLast);
}

export interface SeenAuditedOptions {
  readonly key: string;
  readonly modifyIndex: number;
  readonly observed: readonly ObservedConnection[];
}

/** Lines such as `would have denied tcp 10.1.2.3:443  12 times, last 10:31:02Z`, of at most 80 columns. */
export function formatSeen(seen: readonly SeenConnection[], { nowMs }: { readonly nowMs: number }): readonly string[] {
  const more = seen.length - MOST_SHOWN;
  return [
    ...seen.slice(0, MOST_SHOWN).flatMap((each) => formatOne(each, nowMs)),
    ...(more > 0 ? [`  and ${more} other kinds of connection, which --json has`] : []),
  ];
}

/** `tcp 10.1.2.3:443`, `icmpv6 2001:db8::1`. */
export function formatTarget({
  protocol,
  destination,
  port,
}: Pick<SeenConnection, "protocol" | "destination" | "port">): string {
  const address = destination.includes(":") && port !== undefined ? `[${destination}]` : destination;
  return `${protocol} ${address}${port === undefined ? "" : `:${port}`}`;
}

const MOST_SHOWN = 20;
const COLUMNS = 80;

function isOf({ containerId, network }: Attachment, connection: ObservedConnection): boolean {
  return connection.allocation === containerId && connection.network === network;
}

function toSeen({
  decision,
  protocol,
  destination,
  port,
  lines,
  firstSeen,
  lastSeen,
}: ObservedConnection): SeenConnection {
  return {
    ...(decision.kind === "audited" && { wouldBe: decision.wouldBe }),
    protocol,
    destination,
    ...(port !== undefined && { port }),
    lines,
    firstSeen,
    lastSeen,
  };
}

function byLast(left: SeenConnection, right: SeenConnection): number {
  return left.lastSeen < right.lastSeen ? 1 : left.lastSeen > right.lastSeen ? -1 : 0;
}

function formatOne(seen: SeenConnection, nowMs: number): readonly string[] {
  const { wouldBe, lines, lastSeen } = seen;
  const what = `  ${wouldBe ? `would have ${wouldBe}` : "denied"} ${formatTarget(seen)}`;
  const howOften = `${lines === 1 ? "once" : `${lines} times`}, last ${formatTime(lastSeen, nowMs)}`;
  const line = `${what}  ${howOften}`;
  return line.length <= COLUMNS ? [line] : [what, `    ${howOften}`];
}

/** The time of day, and the day where that is not today. */
function formatTime(timestamp: string, nowMs: number): string {
  const [day, time = ""] = timestamp.split("T");
  const [today] = new Date(nowMs).toISOString().split("T");
  const short = `${time.slice(0, 8)}Z`;
  return day === today ? short : `${day} ${short}`;
}
