import { createCompiler } from "../netfilter/compile-node.ts";
import type { Family } from "../policy/address.ts";
import type { Attachment, Identity } from "../policy/attachment.ts";
import { completeIdentity, isIdentified } from "../policy/identity.ts";
import { attach } from "./attach.ts";
import { describeAttachment, type DescribeOptions } from "./describe-attachment.ts";
import { detach } from "./detach.ts";
import { FAMILIES, familiesToFilter } from "./families.ts";
import type { PluginPorts } from "./ports.ts";
import { resultText } from "./prev-result.ts";
import type { ContainerRequest } from "./request.ts";

/**
 * ADD: records the attachment, then gives it its chain in every family. The record comes first: whatever happens in
 * between, the watcher finds an attachment without its chain and makes one, never a chain that it takes for an
 * orphan. Comes for a container that is attached already too: Nomad repeats ADD without DEL. One that fails leaves a new
 * container without anything of ours, and one that was attached as it was.
 *
 * @returns what goes to stdout: prevResult, as it came
 */
export async function add(request: ContainerRequest, { config, ports }: DescribeOptions): Promise<string> {
  const description = describeAttachment(request, { config, ports });
  const result = resultText(request.config, request.cniVersion);
  const families = familiesToFilter(description, ports);
  await ports.withLock(async () => {
    const chain = ports.store.chainFor(description);
    // Also one whose record cannot be read: it runs, and may keep what it has.
    const isNew = !ports.store.isRecorded(chain);
    const previous = isNew ? undefined : ports.store.find(description);
    const identity = identityOf(description, previous);
    const addedAt = new Date(ports.nowMs()).toISOString();
    const attachment: Attachment = { ...description, identity, chain, addedAt, sequence: ports.uptime() };
    ports.store.write(attachment);
    const failures = await attachIn(families, { attachment, isNew, ports });
    if (failures.length === 0) return;
    if (isNew) await detach(attachment, ports);
    else if (previous) await putBack(previous, ports);
    throw failures[0];
  });
  ports.log.info(
    { allocation: request.containerId, network: request.name, addresses: description.addresses },
    "Attached",
  );
  return result;
}

/** What the watcher has found out about this container outlasts a repeated ADD: the denies of its job stay. */
function identityOf({ identity }: Pick<Attachment, "identity">, recorded: Attachment | undefined): Identity {
  if (recorded === undefined || isIdentified(identity)) return identity;
  return completeIdentity(identity, recorded.identity) ?? identity;
}

interface AttachInOptions {
  readonly attachment: Attachment;
  readonly isNew: boolean;
  readonly ports: PluginPorts;
}

/** @returns why it failed, for each family in which it did */
async function attachIn(families: readonly Family[], options: AttachInOptions): Promise<readonly unknown[]> {
  const { attachment, isNew, ports } = options;
  const { iptables, log } = ports;
  const runtimeRules = ports.readRuntimeRules(attachment) ?? { node: "", ruleSets: [] };
  const nowMs = ports.nowMs();
  const attempts = await Promise.allSettled(
    families.map((family) => {
      const compiled = createCompiler(family).compileAttachment(attachment, { runtimeRules, nowMs });
      return attach(compiled, { family, isNew, iptables, log });
    }),
  );
  return attempts.filter((attempt) => attempt.status === "rejected").map(({ reason }): unknown => reason);
}

/**
 * A container that ran before keeps what it has, on record and in the kernel: a repeated ADD that failed in one family
 * must not have opened the other. The record goes first, so that the watcher puts right what the kernel refuses here.
 */
async function putBack(attachment: Attachment, ports: PluginPorts): Promise<void> {
  const { chain, containerId: allocation } = attachment;
  const families = FAMILIES.filter((family) => ports.iptables.has(family) && ports.interfaces.hasFamily(family));
  const tell = (error: unknown): void =>
    ports.log.error({ allocation, chain, error: String(error) }, "Cannot put back what a failed ADD has changed");
  try {
    ports.store.write(attachment);
  } catch (error) {
    tell(error);
    return;
  }
  for (const failure of await attachIn(families, { attachment, isNew: false, ports })) tell(failure);
}
