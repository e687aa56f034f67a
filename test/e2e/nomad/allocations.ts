import { randomBytes } from "node:crypto";
import { z } from "zod";
import { runCommand } from "../../support/command.ts";
import { createEndpoint, type Endpoint } from "../../support/traffic/endpoint.ts";
import { waitUntil } from "../../support/wait.ts";
import type { Cluster } from "./cluster.ts";
import type { NomadAgent } from "./nomad-agent.ts";

const allocationSchema = z.object({
  ID: z.string(),
  JobID: z.string(),
  JobVersion: z.number(),
  ClientStatus: z.string(),
  DesiredStatus: z.string(),
  TaskStates: z.record(z.string(), z.object({ Events: z.array(z.object({ DisplayMessage: z.string() })) })).nullable(),
});
export type Allocation = z.infer<typeof allocationSchema>;

interface Which {
  /** Default "default". */
  readonly namespace?: string;
  /** Default "running". */
  readonly status?: string;
  /** Not one of these, which were there before. */
  readonly not?: readonly Allocation[];
}

export async function allocationsOf(
  agent: NomadAgent,
  job: string,
  namespace = "default",
): Promise<readonly Allocation[]> {
  const path = `job/${encodeURIComponent(job)}/allocations?all=true&namespace=${namespace}`;
  return z.array(allocationSchema).parse(await agent.api(path));
}

/** Waits for an allocation of the job in this status. Throws, with the events of those there are, after a minute. */
export async function allocationOf(
  agent: NomadAgent,
  job: string,
  { namespace = "default", status = "running", not = [] }: Which = {},
): Promise<Allocation> {
  let last: readonly Allocation[] = [];
  const find = async () => {
    last = await allocationsOf(agent, job, namespace);
    return last.find(({ ID, ClientStatus }) => ClientStatus === status && !not.some((old) => old.ID === ID));
  };
  return waitUntil(find, { what: `${job} to be ${status}`, timeoutMs: 60_000 }).catch((cause: unknown) => {
    throw new Error(`Cannot go on: allocations of ${job} are ${JSON.stringify(last, undefined, 1)}`, { cause });
  });
}

/** What a task has printed. */
export async function logOf(
  agent: NomadAgent,
  { ID }: Allocation,
  stream: "stdout" | "stderr" = "stdout",
): Promise<string> {
  return agent.nomad("alloc", "logs", ...(stream === "stderr" ? ["-stderr"] : []), ID);
}

/** What Nomad says has happened to its tasks. */
export async function eventsOf(agent: NomadAgent, { ID, JobID }: Allocation): Promise<string> {
  const found = (await allocationsOf(agent, JobID)).find((each) => each.ID === ID);
  const events = Object.values(found?.TaskStates ?? {}).flatMap(({ Events }) => Events);
  return events.map(({ DisplayMessage }) => DisplayMessage).join("\n");
}

export type Inside = Endpoint & { readonly close: () => Promise<void> };

/** An allocation's network, to send and receive in beside its task. Close it before the job is stopped. */
export async function enter({ agent, onClose }: Cluster, { ID }: Allocation): Promise<Inside> {
  const name = `cnio-alloc-${randomBytes(5).toString("hex")}`;
  const hold = `nsenter --net=/run/netns/${ID} sleep 20 >/dev/null 2>&1 & echo $!`;
  const pid = (await agent.exec(["sh", "-c", hold])).stdout.trim();
  const links = ["nsenter", `--target=${pid}`, "--net", "ip", "-o", "link"];
  const isInside = async () => (await runCommand(links, { allowFailure: true })).stdout.includes("eth0@");
  await waitUntil(isInside, { what: `${ID}'s network` });
  await runCommand(["ip", "netns", "attach", name, pid]);
  await runCommand(["kill", pid]);
  const { closeEndpoint, ...endpoint } = createEndpoint(name);
  const close = async () => {
    await closeEndpoint();
    await runCommand(["ip", "netns", "del", name], { allowFailure: true });
  };
  onClose(close);
  return { ...endpoint, close };
}
