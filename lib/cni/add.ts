import { createCompiler } from "../netfilter/compile-node.ts";
import type { Attachment, Identity } from "../policy/attachment.ts";
import { completeIdentity, isIdentified } from "../policy/identity.ts";
import { attach } from "./attach.ts";
import { describeAttachment, type DescribeOptions } from "./describe-attachment.ts";
import { detach } from "./detach.ts";
import { familiesToFilter } from "./families.ts";
import { resultText } from "./prev-result.ts";
import type { ContainerRequest } from "./request.ts";

/**
 * ADD: records the attachment, then gives it its chain in every family. The record comes first: whatever happens in
 * between, the watcher finds an attachment without its chain and makes one, never a chain that it takes for an
 * orphan. Comes for a container that is attached already too: Nomad repeats ADD without DEL.
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
    const nowMs = ports.nowMs();
    const attachment: Attachment = {
      ...description,
      identity: identityOf(description, isNew ? undefined : ports.store.find(description)),
      chain,
      addedAt: new Date(nowMs).toISOString(),
      sequence: ports.uptime(),
    };
    ports.store.write(attachment);
    const runtimeRules = ports.readRuntimeRules(attachment) ?? { node: "", ruleSets: [] };
    const attempts = await Promise.allSettled(
      families.map((family) => {
        const compiled = createCompiler(family).compileAttachment(attachment, { runtimeRules, nowMs });
        return attach(compiled, { family, isNew, iptables: ports.iptables, log: ports.log });
      }),
    );
    const failure = attempts.find((attempt) => attempt.status === "rejected");
    if (!failure) return;
    // A container that ran before keeps what it has, in the kernel and on record: repeating ADD repairs it.
    if (isNew) await detach(attachment, ports);
    throw failure.reason;
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
