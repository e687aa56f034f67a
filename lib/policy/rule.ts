import * as z from "zod";
import { formatCidr, parseCidr } from "./address.ts";
import type { Cidr } from "./address.ts";
import { expected } from "./issue.ts";
import { didYouMean } from "./nearest-word.ts";
import { formatPorts, parsePorts } from "./ports.ts";
import type { PortRange } from "./ports.ts";
import { orList, show } from "./show.ts";
import { unknownKeys } from "./unknown-keys.ts";

export type Protocol = "tcp" | "udp" | "sctp" | "icmp" | "icmpv6" | "all";
export type Action = "ACCEPT" | "DROP" | "REJECT";

/** One line of policy, parsed. */
export interface Rule {
  /** Destinations, each canonical; empty means any address of both families. */
  readonly hosts: readonly Cidr[];
  readonly protocol: Protocol;
  /** Destination ports, sorted and merged; empty means any. */
  readonly ports: readonly PortRange[];
  readonly action: Action;
  readonly comment?: string;
}

const protocols = ["tcp", "udp", "sctp", "icmp", "icmpv6", "all"] as const satisfies readonly Protocol[];
const actions = ["ACCEPT", "DROP", "REJECT"] as const satisfies readonly Action[];

const hostText = z.string({ error: expected("an IPv4 or IPv6 address or CIDR") });

const hostSchema = z
  .union([hostText, z.array(hostText, { error: expected("a list of at least one address") }).min(1, { abort: true })], {
    error: expected("an IPv4 or IPv6 address or CIDR, or a list of them"),
  })
  .transform((host, context) => {
    if (typeof host === "string") return attempt(context, [], () => [parseCidr(host)]);
    return host.flatMap((text, index) => attempt(context, [index], () => [parseCidr(text)]));
  });

const portSchema = z
  .union([z.string(), z.number()], { error: expected('a port, or ports and ranges such as "80,8000-8100"') })
  .transform((port, context) => attempt(context, [], () => parsePorts(port)));

/** What other firewalls call them. */
const actionAliases = {
  allow: "ACCEPT",
  permit: "ACCEPT",
  pass: "ACCEPT",
  deny: "DROP",
  block: "DROP",
  discard: "DROP",
  refuse: "REJECT",
};
const protocolAliases = {
  any: "all",
  "*": "all",
  "6": "tcp",
  "17": "udp",
  "132": "sctp",
  "1": "icmp",
  "58": "icmpv6",
  icmp6: "icmpv6",
  ipv6icmp: "icmpv6",
};

/** `ACCEPT`, `DROP` or `REJECT` in any case. */
export const actionSchema = anyCase(actions, actionAliases);

const shape = {
  host: hostSchema.optional(),
  proto: anyCase(protocols, protocolAliases).optional(),
  port: portSchema.optional(),
  action: actionSchema,
  comment: z
    .string({ error: expected("text of at most 1024 characters") })
    .max(1024, { abort: true })
    .optional(),
};

/** Other words that rules of iptables, of nftables and of other firewalls use. */
const aliases = {
  protocol: "proto",
  l4proto: "proto",
  ip: "host",
  cidr: "host",
  address: "host",
  dst: "host",
  dest: "host",
  destination: "host",
  hosts: "host",
  dport: "port",
  dports: "port",
  ports: "port",
  destinationport: "port",
  target: "action",
  verdict: "action",
  jump: "action",
  description: "comment",
};

/** One rule as people write it; unknown keys, names for addresses and matches that never could match are issues. */
export const ruleSchema = z
  .strictObject(shape, { error: unknownKeys("a rule object", { known: Object.keys(shape), aliases }) })
  .transform(({ host = [], proto = "all", port = [], action, comment }, context): Rule => {
    if (port.length > 0 && !hasPorts(proto)) {
      refuse(context, ["port"], `found a port with proto ${proto}, expected proto tcp, udp or sctp with it`);
    }
    for (const [index, cidr] of host.entries()) {
      const other = familyOf(proto) === undefined || familyOf(proto) === cidr.family ? undefined : cidr.family;
      if (other === undefined) continue;
      const fitting = other === 6 ? "icmpv6" : "icmp";
      refuse(
        context,
        host.length === 1 ? ["host"] : ["host", index],
        `found the IPv${other} host ${formatCidr(cidr)} with proto ${proto}, which never match together, expected proto ${fitting}`,
      );
    }
    return { hosts: host, protocol: proto, ports: port, action, ...(comment === undefined ? {} : { comment }) };
  });

/** A rule as JSON holds it. */
export type RuleInput = z.input<typeof ruleSchema>;

/** The canonical JSON form: parsing it gives the same rule again. */
export function formatRule(rule: Rule): RuleInput {
  const hosts = rule.hosts.map(formatCidr);
  return {
    ...(hosts.length === 0 ? {} : { host: hosts.length === 1 ? hosts.join("") : hosts }),
    ...(rule.protocol === "all" ? {} : { proto: rule.protocol }),
    ...(rule.ports.length === 0 ? {} : { port: formatPorts(rule.ports) }),
    action: rule.action,
    ...(rule.comment === undefined ? {} : { comment: rule.comment }),
  };
}

/** Whether packets of the protocol have ports. */
function hasPorts(protocol: Protocol): protocol is "tcp" | "udp" | "sctp" {
  return protocol === "tcp" || protocol === "udp" || protocol === "sctp";
}

/** The one family that the protocol exists in, if it is one. */
function familyOf(protocol: Protocol): 4 | 6 | undefined {
  if (protocol === "icmp") return 4;
  if (protocol === "icmpv6") return 6;
  return undefined;
}

function anyCase<T extends string>(words: readonly T[], aliases: Readonly<Record<string, string>>) {
  const wanted = orList(words);
  return z
    .string({ error: expected(wanted) })
    .meta({ pattern: `^(?:${words.map(eitherCase).join("|")})$` })
    .transform((text, context): T => {
      const word = words.find((candidate) => candidate.toLowerCase() === text.toLowerCase());
      if (word !== undefined) return word;
      const hint = didYouMean(text, { known: words, aliases });
      refuse(context, [], `found ${show(text)}, expected ${wanted}${hint}`);
      return z.NEVER;
    });
}

/** JSON Schema's patterns know no flags. */
function eitherCase(word: string): string {
  return word.replaceAll(/[a-z]/gi, (letter) => `[${letter.toUpperCase()}${letter.toLowerCase()}]`);
}

function attempt<T>(context: z.RefinementCtx, path: PropertyKey[], parse: () => readonly T[]): readonly T[] {
  try {
    return parse();
  } catch (error) {
    refuse(context, path, error instanceof Error ? error.message : String(error));
    return [];
  }
}

function refuse(context: z.RefinementCtx, path: PropertyKey[], message: string): void {
  context.addIssue({ code: "custom", path, message });
}
