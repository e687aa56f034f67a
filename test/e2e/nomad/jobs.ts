import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { JsonObject } from "../../support/json.ts";
import type { Cluster } from "./cluster.ts";

export interface WorkloadOptions {
  readonly namespace?: string;
  /** `network.cni.args`. */
  readonly args?: Readonly<Record<string, string>>;
  readonly parameterized?: boolean;
}

/** Runs a job of one allocation on our network, that does nothing: what is sent is sent beside it. */
export async function runWorkload(cluster: Cluster, name: string, options: WorkloadOptions = {}): Promise<void> {
  const file = join(cluster.node.directory, `${name}.nomad.json`);
  await writeFile(file, JSON.stringify({ Job: workload(name, options) }));
  await cluster.agent.nomad("job", "run", "-json", "-detach", file);
}

function workload(name: string, { namespace = "default", args, parameterized = false }: WorkloadOptions): JsonObject {
  const task = {
    Name: "idle",
    Driver: "raw_exec",
    Config: { command: "/bin/sleep", args: ["infinity"] },
    Resources: { CPU: 20, MemoryMB: 32 },
    KillTimeout: 1_000_000_000,
  };
  const network = { Mode: "cni/my-network", ...(args && { CNI: { Args: args } }) };
  return {
    ID: name,
    Name: name,
    Namespace: namespace,
    Type: parameterized ? "batch" : "service",
    ...(parameterized && { ParameterizedJob: { Payload: "forbidden" } }),
    TaskGroups: [{ Name: "app", Networks: [network], Tasks: [task] }],
  };
}
