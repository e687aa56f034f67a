import { randomUUID } from "node:crypto";
import { isIPv4 } from "node:net";
import { z } from "zod";
import type { Conflist } from "./cni/conflist.ts";
import {
  addNetwork,
  type Attaching,
  checkNetwork,
  delNetwork,
  type PortMapping,
  type PrevResult,
} from "./cni/libcni.ts";
import { nomadArgs, type NomadIdentity } from "./cni/nomad-args.ts";
import type { JsonObject } from "./json.ts";
import { createNamespace, type Namespace } from "./namespace.ts";
import type { ClientNode } from "./network-namespace.ts";

export interface AttachOptions {
  readonly conflist: Conflist;
  /** Nomad's allocation id; default: a random UUID. */
  readonly containerId?: string;
  /** Default: region global, namespace default, job web, group app. `{}`: a Nomad before 1.9.4, that says none of it. */
  readonly identity?: NomadIdentity;
  /** The job's own CNI arguments, `outbound.additional_rules` for one. */
  readonly args?: Readonly<Record<string, string>>;
  readonly portMappings?: readonly PortMapping[];
}

/** A network namespace that plays an allocation. */
export interface Container extends Namespace {
  readonly containerId: string;
  /** What libcni is told of it. */
  readonly attaching: Attaching;
  /** What the last ADD returned; throws before there was one. */
  readonly result: JsonObject;
  /** Its addresses by the last result, without prefix lengths. */
  readonly addresses: readonly string[];
  /** Its first address of a family; throws where it has none. */
  readonly v4: string;
  readonly v6: string;
  /** The host's end of its veth pair. */
  readonly hostInterface: string;
  add(): Promise<JsonObject>;
  check(options?: { readonly prevResult?: PrevResult }): Promise<void>;
  /** DEL, the network namespace left alone. */
  del(options?: { readonly prevResult?: PrevResult }): Promise<void>;
  /** DEL, then the network namespace removed, also where DEL failed (which is then thrown). */
  detach(options?: { readonly prevResult?: PrevResult }): Promise<void>;
}

/** As much of a result as all versions from 0.3.0 on share. */
const resultSchema = z.object({
  interfaces: z.array(z.object({ name: z.string(), sandbox: z.string().optional() })).default([]),
  ips: z.array(z.object({ address: z.string() })).default([]),
});

export async function createContainer(node: ClientNode, options: AttachOptions): Promise<Container> {
  const namespace = await createNamespace("ctr");
  await namespace.ip("link set lo up");
  const containerId = options.containerId ?? randomUUID();
  const identity = options.identity ?? { region: "global", namespace: "default", job: "web", group: "app" };
  const attaching: Attaching = {
    containerId,
    netns: namespace.path,
    args: nomadArgs({ allocId: containerId, identity, args: options.args ?? {} }),
    portMappings: options.portMappings ?? [],
  };
  const { conflist } = options;
  let result: JsonObject | undefined;
  const lastResult = () => {
    if (result === undefined) throw new Error(`Cannot read result: ${containerId} was never attached`);
    return result;
  };
  const addresses = () => resultSchema.parse(lastResult()).ips.map(({ address }) => address.replace(/\/.*/, ""));
  const del: Container["del"] = (delOptions) => delNetwork(node, conflist, attaching, delOptions);
  return {
    ...namespace,
    containerId,
    attaching,
    get result() {
      return lastResult();
    },
    get addresses() {
      return addresses();
    },
    get v4() {
      return firstOf(addresses().filter(isIPv4), `IPv4 address of ${containerId}`);
    },
    get v6() {
      return firstOf(
        addresses().filter((address) => !isIPv4(address)),
        `IPv6 address of ${containerId}`,
      );
    },
    get hostInterface() {
      const names = resultSchema
        .parse(lastResult())
        .interfaces.filter(isHostVeth)
        .map(({ name }) => name);
      return firstOf(names, `host interface of ${containerId}`);
    },
    async add() {
      result = await addNetwork(node, conflist, attaching);
      return result;
    },
    check: (checkOptions) => checkNetwork(node, conflist, attaching, checkOptions),
    del,
    async detach(delOptions) {
      try {
        await del(delOptions);
      } finally {
        await namespace.close();
      }
    },
  };
}

export async function attachContainer(node: ClientNode, options: AttachOptions): Promise<Container> {
  const container = await node.createContainer(options);
  try {
    await container.add();
  } catch (failure) {
    // A second failure would hide the first, which is the one that Nomad reports.
    await container.detach().catch(() => {});
    throw failure;
  }
  return container;
}

function isHostVeth({ name, sandbox = "" }: { readonly name: string; readonly sandbox?: string | undefined }): boolean {
  return sandbox === "" && name.startsWith("veth");
}

function firstOf(values: readonly string[], what: string): string {
  const [first] = values;
  if (first === undefined) throw new Error(`Cannot find ${what}: its result names none`);
  return first;
}
