import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import type { CommandOutcome } from "../../support/command.ts";
import { startFlood } from "../../support/flood.ts";
import type { JsonObject } from "../../support/json.ts";
import type { Destination, Endpoint } from "../../support/traffic/endpoint.ts";
import { waitUntil } from "../../support/wait.ts";
import { closeAndFindHarmed, type OpenFlow } from "../open-flows.ts";
import { families } from "../running-node.ts";
import type { Allocation } from "./allocations.ts";
import { ALLOWED_PORT, type Cluster, DENIED_PORT, repository } from "./cluster.ts";

export function textOf(path: string): Promise<string> {
  return readFile(join(repository, path), "utf8");
}

/** Submits one of the repository's job files. */
export async function run({ agent }: Cluster, file: string, variables: readonly string[]): Promise<void> {
  await agent.nomad("job", "run", "-detach", ...variables, join(repository, file));
}

export function validate({ agent }: Cluster, file: string, variables: readonly string[]): Promise<CommandOutcome> {
  return agent.exec([agent.binary, "job", "validate", ...variables, join(repository, file)], { allowFailure: true });
}

export async function stop({ agent }: Cluster, job: string, namespace = "default"): Promise<void> {
  await agent.nomad("job", "stop", "-purge", "-detach", "-namespace", namespace, job);
}

/** A port of the world outside, over either family. */
export function ways({ outside }: Cluster, port: number): readonly Destination[] {
  return families.map((family) => ({ address: outside[family], port }));
}

/** Rules that let TCP and UDP to that port through. */
export function accept({ outside }: Cluster, port: number): readonly JsonObject[] {
  const host = families.map((family) => outside[family]);
  return ["tcp", "udp"].map((proto) => ({ host, proto, port, action: "ACCEPT" }));
}

export async function openFlows(cluster: Cluster, from: Endpoint, port: number): Promise<readonly OpenFlow[]> {
  const each = ways(cluster, port).flatMap((way) => [
    { ...way, protocol: "tcp" as const },
    { ...way, protocol: "udp" as const },
  ]);
  return Promise.all(
    each.map(async (way) => ({
      what: `${way.protocol} to ${way.address}`,
      flow: await from.openFlow({ ...way, everyMs: 20, timeoutMs: 3_000 }),
    })),
  );
}

export interface Disturbance {
  /** Flows that may pass, of which a message did not come back. */
  readonly harmed: readonly string[];
  /** Packets that must not arrive and did. */
  readonly letThrough: number;
}

export const undisturbed: Disturbance = { harmed: [], letThrough: 0 };

/** Does something while flows of the allocation are open that may pass, and packets are sent that must not. */
export async function meanwhile(cluster: Cluster, from: Endpoint, work: () => Promise<void>): Promise<Disturbance> {
  const flows = await openFlows(cluster, from, ALLOWED_PORT);
  const floods = await Promise.all(ways(cluster, DENIED_PORT).map((way) => startDenied(cluster, from, way.address)));
  await work();
  const reports = await Promise.all(floods.map((flood) => flood.stop()));
  if (reports.some(({ sent }) => sent < 100)) throw new Error("Cannot judge: hardly a packet was sent");
  return {
    harmed: await closeAndFindHarmed(flows),
    letThrough: reports.reduce((total, { received }) => total + received, 0),
  };
}

export function startDenied({ node }: Cluster, from: Endpoint, address: string) {
  return startFlood({ from, to: node.outside, address, port: DENIED_PORT, packetsPerSecond: 500 });
}

/** What is on the client of us. */
export async function installed({ agent }: Cluster): Promise<readonly string[]> {
  const { stdout } = await agent.exec(["find", "/opt/cni", "-name", "outbound*", "-o", "-name", "*.conflist"]);
  const paths = stdout.split("\n").filter((path) => path !== "" && !path.includes("outbound.installed"));
  return paths.toSorted();
}

const deploymentSchema = z.object({ ID: z.string(), JobVersion: z.number(), Status: z.string() });

/** Waits until Nomad has found each watcher of the newest version of the job healthy, by its service's check. */
export async function untilDeployed({ agent }: Cluster, job: string): Promise<void> {
  const newest = z.object({ Version: z.number() }).parse(await agent.api(`job/${job}`)).Version;
  const isDone = async () => {
    const { JobVersion, Status } = deploymentSchema.parse(await agent.api(`job/${job}/deployment`));
    return (JobVersion === newest && Status === "successful") || undefined;
  };
  await waitUntil(isDone, { what: `${job} to be deployed`, timeoutMs: 60_000 });
}

/** Whether Nomad has found, as it came back, that CHECK of every plugin passes for each of these. */
export function areChecked(log: string, allocations: readonly Allocation[]): boolean {
  const passed = log.split("\n").filter((line) => line.includes("network namespace exists and passed check"));
  return allocations.every(({ ID }) => passed.some((line) => line.includes(`alloc_id=${ID}`)));
}
