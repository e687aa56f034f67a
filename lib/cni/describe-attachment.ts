import type { Attachment, HostInterface } from "../policy/attachment.ts";
import { parseCniArgs, parseJobRules } from "./args.ts";
import { parsePluginConfig, type PluginConfig } from "./config.ts";
import { CNI_ERROR, CniError } from "./errors.ts";
import type { PluginPorts } from "./ports.ts";
import { readPrevResult } from "./prev-result.ts";
import type { ContainerRequest } from "./request.ts";

/** What a request says of its attachment, all but the chain's name and the time. */
export type AttachmentDescription = Omit<Attachment, "chain" | "addedAt" | "sequence">;

/**
 * Puts together what conflist, prevResult and CNI_ARGS say.
 *
 * @throws {CniError} where any of them cannot be used
 */
export function describeAttachment(
  request: ContainerRequest,
  { config, ports }: DescribeOptions,
): AttachmentDescription {
  const { addresses, hostInterfaces } = readPrevResult(request.config, { ifname: request.ifname });
  const { identity, additionalRules, ambiguous } = parseCniArgs(request.args);
  const jobRules = parseJobRules(additionalRules ?? "[]", config.jobRules);
  const allocation = request.containerId;
  if (ambiguous.length > 0) refuseForged(ambiguous, request, ports);
  if (jobRules.ignored > 0) {
    ports.log.warn(
      { allocation, ignored: jobRules.ignored },
      "Accepting job rules are left out: jobRules is deny-only",
    );
  }
  if (config.jobRules === "ignore" && additionalRules !== undefined) {
    ports.log.warn({ allocation }, "Job rules are left out: jobRules is ignore");
  }
  const hostInterface = findHostInterface(hostInterfaces, ports);
  return {
    network: request.name,
    containerId: request.containerId,
    ifname: request.ifname,
    addresses,
    ...(hostInterface && { hostInterface }),
    netns: request.netns,
    identity,
    policy: config.policy,
    jobRules: jobRules.rules,
  };
}

/**
 * Whoever forges a name may want another's accepts, or not to have the denies of its own: nobody can tell which of the
 * two is true, so neither starts. What runs already is not destroyed for it.
 */
function refuseForged(keys: readonly string[], { kind, containerId }: ContainerRequest, { log }: PluginPorts): void {
  if (kind === "ADD") {
    throw new CniError(`Cannot tell whose container it is: CNI_ARGS say ${keys.join(" and ")} twice`, {
      code: CNI_ERROR.invalidEnvironment,
    });
  }
  log.warn({ allocation: containerId, keys }, "CNI_ARGS give a key twice: it is not used");
}

export interface DescribeOptions {
  readonly config: PluginConfig;
  readonly ports: PluginPorts;
}

/** Parses the configuration and opens the ports it names; every other verb but DEL and GC begins so. */
export function openConfigured(
  request: { readonly config: ContainerRequest["config"] },
  open: OpenPorts,
): DescribeOptions {
  const config = parsePluginConfig(request.config);
  return { config, ports: open(config) };
}

type OpenPorts = (config: PluginConfig) => PluginPorts;

/** Names that need no quoting anywhere, are no option, and no wildcard: a final `+` matches any ending (iptables(8)). */
const PLAIN_NAME = /^[A-Za-z0-9_.][A-Za-z0-9_.-]{0,14}$/;

/**
 * The bridge and ptp plugins list the host's end of the veth pair last, after the bridge it is plugged into. Anything
 * else must not be taken for it: what comes in through the uplink is not this container's.
 */
function findHostInterface(names: readonly string[], { interfaces }: PluginPorts): HostInterface | undefined {
  const name = names.filter(interfaces.mayHavePeer).at(-1);
  if (name === undefined) return undefined;
  if (!PLAIN_NAME.test(name)) {
    throw new CniError(`Cannot match interface: ${name} has characters outside A-Z a-z 0-9 . _ -, or "-" first`, {
      code: CNI_ERROR.invalidConfig,
    });
  }
  return { name, isBridgePort: interfaces.isBridgePort(name) };
}
