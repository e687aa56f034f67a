import { parseCniArgs, parseJobRules } from "../../../lib/cni/args.ts";
import { parsePluginConfig } from "../../../lib/cni/config.ts";
import { isJsonObject } from "../../../lib/cni/json-object.ts";
import type { PluginOutcome } from "../../../lib/cni/run.ts";
import type { Attachment } from "../../../lib/policy/attachment.ts";
import { claim, claimSame } from "./claim.ts";
import type { PluginRequest } from "./plugin-cases.ts";

export interface Step {
  readonly request: PluginRequest;
  readonly outcome: PluginOutcome;
  readonly stored: readonly Attachment[];
}

/** Whose containers may run: those whose last ADD succeeded, as the request itself describes them. */
export function attachedAfter(
  before: readonly Attachment[],
  { request, outcome, stored }: Step,
): readonly Attachment[] {
  const { CNI_COMMAND: command, CNI_CONTAINERID: containerId, CNI_IFNAME: ifname } = request.env;
  const isOther = (each: Attachment): boolean => each.containerId !== containerId || each.ifname !== ifname;
  if (command === "GC") return before.filter((each) => stored.some(({ chain }) => chain === each.chain));
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
