import { setTimeout as sleep } from "node:timers/promises";
import type { Namespace } from "../support/namespace.ts";
import { PROTOCOL } from "../support/raw/packet.ts";
import { openRawDevice, type RawDevice } from "../support/raw/raw-device.ts";
import { openAssociation, serveSctp } from "../support/raw/sctp.ts";
import type { Flow } from "../support/traffic/endpoint.ts";
import type { FlowState } from "../support/traffic/messages.ts";
import { families } from "./running-node.ts";

const protocols = ["tcp", "udp", "sctp"] as const;

/** One end of connections over all three protocols; what it is asked by SCTP it echoes. */
export interface Party {
  readonly endpoint: Namespace;
  readonly address: Readonly<Record<4 | 6, string>>;
  readonly sctp: RawDevice;
  /** The hardware address that its packets go to. */
  readonly router: string;
}

export interface OpenFlow {
  readonly what: string;
  readonly flow: Flow;
}

/**
 * `device` is its interface. The kernel itself must not answer SCTP: one that knows it would abort associations that are
 * not its own, one that does not would call the protocol unreachable.
 */
export async function createParty(
  endpoint: Namespace,
  { device, ports, ...party }: Pick<Party, "address" | "router"> & PartyOptions,
): Promise<Party> {
  for (const program of ["iptables", "ip6tables"]) {
    await endpoint.exec([program, "-I", "INPUT", "-p", "sctp", "-j", "DROP"]);
  }
  const sctp = await openRawDevice(endpoint, device, { protocol: PROTOCOL.sctp });
  serveSctp(sctp, ports);
  return { endpoint, sctp, ...party };
}

interface PartyOptions {
  readonly device: string;
  /** Where it answers SCTP. */
  readonly ports: readonly number[];
}

let sourcePort = 20_000;

/** One flow by each protocol over each family, each with its first reply. */
export function openFlows(
  from: Party,
  to: { readonly what: string; readonly address: Readonly<Record<4 | 6, string>>; readonly port: number },
): Promise<readonly OpenFlow[]> {
  const { port } = to;
  const everyMs = 20;
  const ways = families.flatMap((family) => protocols.map((protocol) => ({ family, protocol })));
  return Promise.all(
    ways.map(async ({ family, protocol }) => {
      const address = to.address[family];
      const what = `${to.what} by ${protocol} over IPv${family}`;
      if (protocol !== "sctp") {
        const way = { address, port, protocol, everyMs, from: from.address[family], timeoutMs: 3_000 };
        return { what, flow: await from.endpoint.openFlow(way) };
      }
      const way = { source: from.address[family], destination: address, sourcePort: sourcePort++, port };
      const flow = openAssociation(from.sctp, { ...way, to: from.router, everyMs });
      await flow.replyAfter(0, { timeoutMs: 3_000 });
      return { what, flow };
    }),
  );
}

/** How long after `sinceMs` the last message was sent that came back on any of them. Throws where one is not cut. */
export async function cutAfterMs(flows: readonly OpenFlow[], sinceMs: number): Promise<number> {
  const lasts = await Promise.all(flows.map(({ flow }) => flow.lastReplyBeforeCut({ silenceMs: 300 })));
  return Math.max(...lasts.map((last) => last?.sentAtMs ?? 0)) - sinceMs;
}

/** Closes them, and names those of which a message did not come back, but for those still under way. */
export async function closeAndFindHarmed(flows: readonly OpenFlow[]): Promise<readonly string[]> {
  await sleep(300);
  const harmed = await Promise.all(
    flows.map(async ({ what, flow }) => {
      const loss = describeLoss(await flow.close());
      return loss === undefined ? [] : [`${what}: ${loss}`];
    }),
  );
  return harmed.flat();
}

function describeLoss({ sent, replies, ended }: FlowState): string | undefined {
  const last = Math.max(...replies.map(({ sequence }) => sequence));
  const lost = last + 1 - new Set(replies.map(({ sequence }) => sequence)).size;
  if (ended !== undefined) return `ended with ${ended}`;
  if (lost > 0) return `lost ${lost} of ${sent}`;
  // 20 of them are 400 ms: what has not come back by then is lost.
  return last < sent - 20 ? `silent after ${last} of ${sent}` : undefined;
}
