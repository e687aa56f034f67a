import { parseCniArgs, parseJobRules } from "../../../lib/cni/args.ts";
import { parsePluginConfig } from "../../../lib/cni/config.ts";
import { isJsonObject } from "../../../lib/cni/json-object.ts";
import { readValidAttachments } from "../../../lib/cni/valid-attachments.ts";
import type { PluginOutcome } from "../../../lib/cni/run.ts";
import type { Attachment } from "../../../lib/policy/attachment.ts";
import { claim, claimSame } from "./claim.ts";
import type { PluginRequest } from "./plugin-cases.ts";

export interface Step {
  readonly request: PluginRequest;
  readonly outcome: PluginOutcome;
  readonly stored: readonly Attachment[];
}

/**
 * Whose containers may run: those whose last ADD succeeded, as the request itself describes them. They stay on record
 * as they are, whatever is asked for others or refused to themselves.
 */
export function attachedAfter(before: readonly Attachment[], step: Step): readonly Attachment[] {
  const after = attachedAfterStep(before, step);
  for (const each of after) {
    const record = step.stored.find(({ chain }) => chain === each.chain);
    claimSame(record, each, "who runs is on record as it was attached");
  }
  return after;
}

function attachedAfterStep(before: readonly Attachment[], { request, outcome, stored }: Step): readonly Attachment[] {
  const { CNI_COMMAND: command, CNI_CONTAINERID: containerId, CNI_IFNAME: ifname } = request.env;
  const isOther = (each: Attachment): boolean => each.containerId !== containerId || each.ifname !== ifname;
  if (command === "GC") return before.filter((each) => !isCollected(each, request.stdin));
  if (command === "DEL") return before.filter(isOther);
  if (command !== "ADD" || outcome.exitCode !== 0) return before;
  const config: unknown = JSON.parse(request.stdin);
  claim(isJsonObject(config), "who was attached had a configuration");
  // One container may be attached to several networks.
  const isIt = (each: Attachment): boolean => !isOther(each) && each.network === config["name"];
  const record = stored.find(isIt);
  claim(record !== undefined, "who was attached is on record", request);
  const { policy, jobRules: mode } = parsePluginConfig(config);
  const { identity, additionalRules } = parseCniArgs(request.env["CNI_ARGS"] ?? "");
  const jobRules = parseJobRules(additionalRules ?? "[]", mode).rules;
  claimSame(
    { policy: record.policy, identity: record.identity, jobRules: record.jobRules },
    { policy, identity, jobRules },
    "what is on record is what was asked for",
  );
  return [...before.filter((each) => !isIt(each)), record];
}

/** Whether GC is told that a container has gone: it need not be running, whatever GC could remove of it. */
function isCollected({ network, containerId, ifname }: Attachment, stdin: string): boolean {
  try {
    const config: unknown = JSON.parse(stdin);
    if (!isJsonObject(config) || config["name"] !== network) return false;
    const valid = readValidAttachments(config);
    return !valid.some((each) => each.containerId === containerId && each.ifname === ifname);
  } catch {
    return false;
  }
}

/** Of attachments that were given one address or interface the newest owns it, and the others' packets are judged as its. */
export function isNewest(one: Attachment, _: number, all: readonly Attachment[]): boolean {
  return all.every(
    (other) =>
      other === one ||
      other.sequence < one.sequence ||
      (!other.addresses.some((address) => one.addresses.includes(address)) &&
        (other.hostInterface === undefined || other.hostInterface.name !== one.hostInterface?.name)),
  );
}
