import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Conflist } from "../support/cni/conflist.ts";
import { attachSynthetic } from "../support/cni/synthetic.ts";
import { type ConsulAgent, startConsul } from "../support/consul-agent.ts";
import type { Container } from "../support/container.ts";
import type { JsonObject } from "../support/json.ts";
import type { ClientNode } from "../support/network-namespace.ts";
import type { Variant } from "../support/variant.ts";
import { type Bench, benchConflist, identityOf, putFolders } from "./stage.ts";
import { runWorker } from "./worker-job.ts";
import type { ChangeFound, ChangeJob, Series } from "./worker-change.ts";

/** A node with Consul, and one real container among synthetic ones. */
export interface ChangeStage {
  readonly node: ClientNode;
  readonly consul: ConsulAgent;
  /** Fills the node up with synthetic attachments; no watcher may run. */
  readonly fill: (attachments: number) => Promise<void>;
  readonly measure: (series: readonly Series[], options?: { readonly consulFloors?: number }) => Promise<ChangeFound>;
  /** One rule for the destinations that are probed. */
  readonly rulesTo: (action: "ACCEPT" | "DROP") => readonly JsonObject[];
}

export interface ChangeStageOptions {
  readonly bench: Bench;
  readonly variant: Variant;
}

const PORT = 1000;

export function withChangeStage<T>(
  { bench, variant }: ChangeStageOptions,
  work: (stage: ChangeStage) => Promise<T>,
): Promise<T> {
  return bench.withNode(variant, async (node) => {
    const consul = await startConsul({ binary: bench.consulBinary, inNamespace: node });
    try {
      await putFolders(consul, node);
      const conflist = benchConflist(node, { rules: 10 });
      const container = await node.attach({ conflist, identity: identityOf(0) });
      return await work(await createStage({ node, consul, conflist, container }));
    } finally {
      await consul.close();
    }
  });
}

interface StageParts {
  readonly node: ClientNode;
  readonly consul: ConsulAgent;
  readonly conflist: Conflist;
  readonly container: Container;
}

async function createStage({ node, consul, conflist, container }: StageParts): Promise<ChangeStage> {
  const addresses = [node.outside.v4[1], node.outside.v6[1]];
  await node.outside.listen({ addresses, ports: [PORT], protocols: ["udp"] });
  let attached = 1;
  return {
    node,
    consul,
    async fill(attachments) {
      await attachSynthetic(node, { conflist, first: attached, end: attachments, identityOf });
      attached = attachments;
    },
    measure(series, { consulFloors = 0 } = {}) {
      const job: ChangeJob = {
        socketPath: fileURLToPath(consul.unixUrl.replace(/^unix:/, "file:")),
        container: container.namespace,
        destinations: addresses.map((address) => ({ address, port: PORT })),
        series,
        consulFloors,
      };
      return runWorker<ChangeFound>(node, { script: join(import.meta.dirname, "worker-change.ts"), job });
    },
    rulesTo: (action) => [{ host: addresses, proto: "udp", port: PORT, action }],
  };
}
