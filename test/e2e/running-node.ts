import { z } from "zod";
import { ensureConsul } from "../setup/consul.ts";
import { ensurePackages } from "../setup/packages.ts";
import { type Conflist, type ConflistOptions, exampleConflist } from "../support/cni/conflist.ts";
import { type ConsulAgent, type ConsulOptions, startConsul } from "../support/consul-agent.ts";
import type { Container } from "../support/container.ts";
import type { JsonObject } from "../support/json.ts";
import { type ClientNode, createNode } from "../support/network-namespace.ts";
import type { Destination } from "../support/traffic/endpoint.ts";
import type { ProbeVerdict } from "../support/traffic/messages.ts";
import type { Variant } from "../support/variant.ts";
import { monotonicMs, waitUntil } from "../support/wait.ts";

/** The contract's bound for a rule change to take effect. */
export const CONTRACT_MS = 1_000;

export const families = [4, 6] as const;

/** A node with Consul beside it. Static rules of `conflist` let everything of the first outside addresses' port 80 through. */
export interface RunningNode {
  readonly node: ClientNode;
  readonly consul: ConsulAgent;
  readonly conflist: Conflist;
  /** Each reached by the static rules, by TCP and UDP. */
  readonly allowed: readonly Destination[];
  /** Ports from 1000 to 1019 and 80 of this address are listened on, by TCP and UDP. */
  readonly outside: { readonly 4: string; readonly 6: string };
  /** Writes a rule set; the key is relative to `outbound/rules/`. Returns when it was sent, as `monotonicMs`. */
  put(key: string, value: string | JsonObject | readonly JsonObject[]): Promise<number>;
  /** Deletes one. Returns when it was sent. */
  remove(key: string): Promise<number>;
  /** Deletes every rule set, key by key: below a deleted folder, a blocking query may not wake (Consul's tombstones). */
  removeAll(): Promise<void>;
  close(): Promise<void>;
}

export interface RunningNodeOptions {
  readonly backend: Variant;
  readonly consul?: Partial<ConsulOptions>;
  /** Static rules besides those that let `allowed` through. */
  readonly outboundRules?: readonly JsonObject[];
}

export async function startRunningNode(options: RunningNodeOptions): Promise<RunningNode> {
  await ensurePackages({ docker: false });
  const node = await createNode({ backend: options.backend, name: "n1" });
  const consul = await startConsul({ binary: await ensureConsul(), inNamespace: node, ...options.consul }).catch(
    async (error: unknown) => {
      await node.close();
      throw error;
    },
  );
  const outside = { 4: node.outside.v4[1], 6: node.outside.v6[1] };
  const allowed = [node.outside.v4[0], node.outside.v6[0]].map((address) => ({ address, port: 80 }));
  const ports = [80, ...Array.from({ length: 20 }, (_, index) => 1000 + index)];
  await node.outside.listen({ addresses: [outside[4], outside[6]], ports });
  await node.outside.listen({ addresses: allowed.map(({ address }) => address), ports: [80] });
  return {
    node,
    consul,
    conflist: conflistOf(node, { outboundRules: options.outboundRules ?? [] }),
    allowed,
    outside,
    ...writesTo(consul),
    async removeAll() {
      const { status, body } = await consul.request({ path: "/v1/kv/outbound/rules/?keys" });
      for (const key of status === 200 ? keysSchema.parse(JSON.parse(body)) : []) await consul.delete(key);
    },
    async close() {
      await Promise.all([node.close(), consul.close()]);
    },
  };
}

const keysSchema = z.array(z.string());

/** The default denies; port 80 of the first outside address of each family is let through. */
export function conflistOf(
  node: ClientNode,
  {
    outboundRules: more = [],
    ...options
  }: Omit<ConflistOptions, "outbound"> & Pick<RunningNodeOptions, "outboundRules"> = {},
): Conflist {
  const host = [node.outside.v4[0], node.outside.v6[0]];
  const outboundRules = [
    { host, proto: "tcp", port: 80, action: "ACCEPT" },
    { host, proto: "udp", port: 80, action: "ACCEPT" },
    ...more,
  ];
  return exampleConflist(node, { portmap: false, ...options, outbound: { outboundRules } });
}

/** A rule that lets TCP and UDP to a port of the outside address of each family through. */
export function acceptTo({ outside }: RunningNode, port: number): readonly JsonObject[] {
  return ["tcp", "udp"].map((proto) => ({ host: [outside[4], outside[6]], proto, port, action: "ACCEPT" }));
}

export interface UntilOptions {
  readonly timeoutMs?: number;
  /** Since when to measure, as `monotonicMs`; default: now. */
  readonly sinceMs?: number;
}

/** Tries until the verdict is this one, and returns how many milliseconds after `sinceMs` the attempt was begun. */
export async function untilVerdict(
  container: Pick<Container, "connect">,
  destination: Destination,
  verdict: ProbeVerdict,
  { timeoutMs = 10_000, sinceMs = monotonicMs() }: UntilOptions = {},
): Promise<number> {
  const attempt = async () => {
    const startedAtMs = monotonicMs();
    const is = await container.connect({ timeoutMs: verdict === "open" ? 50 : 150, ...destination });
    return is === verdict && { startedAtMs };
  };
  const what = `${destination.address}:${destination.port} to be ${verdict}`;
  const { startedAtMs } = await waitUntil(attempt, { what, timeoutMs });
  return Math.max(0, startedAtMs - sinceMs);
}

/** All rules of both families' filter tables, without counters and times. */
export async function savedRules(node: ClientNode): Promise<string> {
  const saved = await Promise.all(
    ["iptables-save", "ip6tables-save"].map((command) => node.exec([command, "-t", "filter"])),
  );
  return saved.map(({ stdout }) => stdout.replace(/^#.*\n/gm, "").replace(/\[\d+:\d+\]/g, "")).join("");
}

/** A line for whoever reads the test's output; nothing depends on it. */
export function tell(what: string, ms: number): void {
  console.log(`${what}: ${ms.toFixed(0)} ms`);
}

/** How rule sets are written to a Consul. */
export function writesTo(consul: Pick<ConsulAgent, "put" | "delete">): Pick<RunningNode, "put" | "remove"> {
  return {
    async put(key, value) {
      const sentAtMs = monotonicMs();
      await consul.put(`outbound/rules/${key}`, value);
      return sentAtMs;
    },
    async remove(key) {
      const sentAtMs = monotonicMs();
      await consul.delete(`outbound/rules/${key}`);
      return sentAtMs;
    },
  };
}
