/** Lines between a test and the agent inside a network namespace. */
export interface AgentRequest {
  readonly id: number;
  readonly command: AgentCommand;
}

export type AgentReply<Result = unknown> =
  | { readonly id: number; readonly result: Result }
  | { readonly id: number; readonly error: string };

export type AgentCommand =
  | ({ readonly kind: "listen" } & ListenOptions)
  | ({ readonly kind: "probe" } & ProbeOptions)
  | ({ readonly kind: "open-flow"; readonly flow: number } & FlowOptions)
  | { readonly kind: "read-flow" | "close-flow"; readonly flow: number }
  | ({ readonly kind: "start-flood" } & FloodOptions)
  | { readonly kind: "stop-flood" }
  | ({ readonly kind: "start-sink" } & SinkOptions)
  | { readonly kind: "read-sink"; readonly sentAfterMs: number };

/** What the agent answers to each kind of command. */
export interface AgentResults {
  readonly listen: null;
  readonly probe: ProbeVerdict;
  readonly "open-flow": null;
  readonly "read-flow": FlowState;
  readonly "close-flow": FlowState;
  readonly "start-flood": null;
  readonly "stop-flood": FloodState;
  readonly "start-sink": null;
  readonly "read-sink": SinkState;
}

export interface ListenOptions {
  readonly addresses: readonly string[];
  readonly ports: readonly number[];
  readonly protocols: readonly FlowProtocol[];
}

export type FlowProtocol = "tcp" | "udp";

/**
 * open: connected, or the datagram was echoed. refused: RST or ICMP port unreachable (as from a REJECT). unreachable:
 * any other ICMP error, or no route. timeout: nothing came back. A TCP connect over IPv6 that a node rejects with an ICMP
 * error learns of it only from its second SYN, a second later: the first error comes back while `connect` still holds the
 * socket. A rejection by TCP reset is seen at once.
 */
export type ProbeVerdict = "open" | "refused" | "unreachable" | "timeout";

export interface ProbeOptions {
  readonly address: string;
  readonly port: number;
  readonly protocol: FlowProtocol;
  readonly timeoutMs: number;
  /** Source address; must be one of the namespace's own. */
  readonly from?: string;
}

export interface FlowOptions {
  readonly address: string;
  readonly port: number;
  readonly protocol: FlowProtocol;
  readonly everyMs: number;
  readonly from?: string;
}

/** Times are milliseconds of CLOCK_MONOTONIC. */
export interface FlowState {
  readonly sent: number;
  readonly replies: readonly FlowReply[];
  /** Why the socket ended, where it did by itself: an errno name, or "closed by peer". */
  readonly ended?: string;
}

export interface FlowReply {
  readonly sequence: number;
  readonly sentAtMs: number;
  readonly repliedAtMs: number;
}

export interface FloodOptions {
  readonly address: string;
  readonly port: number;
  readonly packetsPerSecond: number;
  readonly from?: string;
}

export interface FloodState {
  readonly sent: number;
  readonly durationMs: number;
  /** Sends that the sender's own kernel refused. */
  readonly failed: number;
}

export interface SinkOptions {
  readonly address: string;
  readonly port: number;
}

export interface SinkState {
  /** Every packet that reached the socket, those included that it had no room for. */
  readonly received: number;
  /** Of those read, the ones sent after the time asked for. */
  readonly receivedSentAfter: number;
  readonly firstSentAtMs?: number;
  readonly lastSentAtMs?: number;
}
