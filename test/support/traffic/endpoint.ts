import { monotonicMs, waitUntil } from "../wait.ts";
import { type AgentProcess, startAgent } from "./agent-process.ts";
import type { FlowProtocol, FlowReply, FlowState, ProbeVerdict } from "./messages.ts";

export interface Destination {
  readonly address: string;
  readonly port: number;
  /** Default tcp. */
  readonly protocol?: FlowProtocol;
  /** How long to wait for an answer: default 300. Where traffic is let through, the answer comes much sooner. */
  readonly timeoutMs?: number;
  /** Source address; must be one of the namespace's own. */
  readonly from?: string;
}

/** A network namespace that can make and answer real traffic. */
export interface Endpoint {
  /** Name of the network namespace, as `ip netns` shows it. */
  readonly namespace: string;
  /** Starts echo servers; default: TCP and UDP. They stay until the namespace goes. */
  listen(options: {
    readonly addresses: readonly string[];
    readonly ports: readonly number[];
    readonly protocols?: readonly FlowProtocol[];
  }): Promise<void>;
  /** One attempt: a TCP connect, or a datagram that must come back. */
  connect(destination: Destination): Promise<ProbeVerdict>;
  canReach(destination: Destination): Promise<boolean>;
  /**
   * Opens a socket that sends a small message every `everyMs` (default 5) and gets it back from an echo server. Waits for
   * the first reply, and throws where none comes in `timeoutMs` (default 1,000), unless `awaitFirstReply` is false.
   */
  openFlow(destination: Destination & { readonly everyMs?: number; readonly awaitFirstReply?: boolean }): Promise<Flow>;
}

/** Times are milliseconds of CLOCK_MONOTONIC, as `monotonicMs` gives them. */
export interface Flow {
  state(): Promise<FlowState>;
  /** The first reply to a message sent after that time. Throws after `timeoutMs`, default 5,000. */
  replyAfter(timeMs: number, options?: { readonly timeoutMs?: number }): Promise<FlowReply>;
  /**
   * Waits until nothing has come back for `silenceMs` (default 200) or the socket has ended, and returns the last reply.
   * Throws where it is still alive after `timeoutMs`, default 5,000.
   */
  lastReplyBeforeCut(options?: { readonly silenceMs?: number; readonly timeoutMs?: number }): Promise<FlowReply | null>;
  /** Whether a message sent from now on comes back within `withinMs`, default 300. */
  isAlive(options?: { readonly withinMs?: number }): Promise<boolean>;
  /** Ends the socket (TCP: by reset) and returns all that was seen. */
  close(): Promise<FlowState>;
}

/** The agent starts with the first call that needs it, and serves all later ones. */
export function createEndpoint(namespace: string): Endpoint & { readonly closeEndpoint: () => Promise<void> } {
  let running: AgentProcess | undefined;
  let nextFlow = 0;
  const agent = () => (running ??= startAgent(namespace));
  const connect: Endpoint["connect"] = (destination) =>
    agent().ask({ kind: "probe", protocol: "tcp", timeoutMs: 300, ...destination });
  return {
    namespace,
    async listen(options) {
      await agent().ask({ kind: "listen", protocols: ["tcp", "udp"], ...options });
    },
    connect,
    async canReach(destination) {
      return (await connect(destination)) === "open";
    },
    async openFlow({ awaitFirstReply = true, timeoutMs = 1_000, ...destination }) {
      const flow = nextFlow++;
      const own = agent();
      await own.ask({ kind: "open-flow", flow, protocol: "tcp", everyMs: 5, ...destination });
      const followed = followFlow({
        state: () => own.ask({ kind: "read-flow", flow }),
        close: () => own.ask({ kind: "close-flow", flow }),
      });
      if (awaitFirstReply) await followed.replyAfter(0, { timeoutMs });
      return followed;
    },
    async closeEndpoint() {
      await running?.close();
      running = undefined;
    },
  };
}

/** What a flow says of itself, followed over time. */
export function followFlow({ state, close }: Pick<Flow, "state" | "close">): Flow {
  const replyAfter: Flow["replyAfter"] = (timeMs, options) =>
    waitUntil(async () => (await state()).replies.find((reply) => reply.sentAtMs > timeMs), {
      what: "a reply on an open flow",
      ...options,
    });
  return {
    state,
    replyAfter,
    lastReplyBeforeCut: ({ silenceMs = 200, timeoutMs = 5_000 } = {}) => {
      const startedAtMs = monotonicMs();
      const findCut = async () => {
        const { replies, ended } = await state();
        const last = replies.at(-1);
        const silentSinceMs = Math.max(startedAtMs, last?.repliedAtMs ?? 0);
        return (ended !== undefined || monotonicMs() - silentSinceMs > silenceMs) && { last: last ?? null };
      };
      return waitUntil(findCut, { what: "an open flow to be cut", timeoutMs }).then(({ last }) => last);
    },
    async isAlive({ withinMs = 300 } = {}) {
      const startedAtMs = monotonicMs();
      return replyAfter(startedAtMs, { timeoutMs: withinMs }).then(
        () => true,
        () => false,
      );
    },
    close,
  };
}
