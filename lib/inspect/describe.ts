import type { Cidr } from "../policy/address.ts";
import type { Identity } from "../policy/attachment.ts";
import type { Source } from "../policy/evaluate.ts";
import { formatPorts } from "../policy/ports.ts";
import type { Rule } from "../policy/rule.ts";

/** A list of hundreds of addresses is for `--json`. */
export const SHOWN_HOSTS = 3;

/** `DROP tcp to 10.1.2.0/24, 10.2.0.1 port 80,443` */
export function describeRule({ action, protocol, hosts, ports }: Rule): string {
  const port = ports.length === 0 ? "" : ` port ${formatPorts(ports)}`;
  return `${action} ${protocol} to ${describeHosts(hosts)}${port}`;
}

/** Where a rule is written: `conflist outboundRules[2]`, `KV namespace/default/job/web/allow-db[0]`, `job rules[1]`. */
export function describeSource(source: Source): string {
  switch (source.kind) {
    case "static":
      return `conflist outboundRules[${source.index}]`;
    case "initial":
      return `conflist runtimeRules[${source.index}]`;
    case "job":
      return `job rules[${source.index}]`;
    case "runtime":
      return `KV ${source.key}[${source.index}]`;
    case "default":
      return "conflist defaultAction";
  }
}

/** `default/web/app`; what Nomad did not say is left out from the end, or shown as `?` before the end. */
export function describeIdentity({ namespace, job, group }: Identity): string {
  const parts = [namespace, job, group];
  const known = parts.findLastIndex((part) => part !== undefined);
  return known === -1
    ? "unknown"
    : parts
        .slice(0, known + 1)
        .map((part) => part ?? "?")
        .join("/");
}

function describeHosts(hosts: readonly Cidr[]): string {
  if (hosts.length === 0) return "any address";
  const shown = hosts.slice(0, SHOWN_HOSTS).map(describeHost).join(", ");
  return hosts.length > SHOWN_HOSTS ? `${shown} and ${hosts.length - SHOWN_HOSTS} more` : shown;
}

function describeHost({ family, address, prefix }: Cidr): string {
  return prefix === (family === 4 ? 32 : 128) ? address : `${address}/${prefix}`;
}
