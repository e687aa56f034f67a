import type { Family } from "../policy/address.ts";
import { isUnread, ok, problem, unknown, warning, type Check, type Fact } from "./check.ts";
import { countOf } from "./words.ts";

export type Variant = "nf_tables" | "legacy";

/** One family's programs. */
export interface IptablesFacts {
  /** Whether the kernel speaks the family at all. */
  readonly hasFamily: boolean;
  /** Undefined where the programs are not installed. */
  readonly program: Fact<IptablesProgram> | undefined;
}

export interface IptablesProgram {
  readonly file: string;
  /** `1.8.9` */
  readonly version: string;
  readonly variant: Variant;
  /** Rules of the filter table in the other variant: they are in force too. */
  readonly otherRules: Fact<number>;
}

/** Both families' programs, and whether all of the node's rules are of one variant. */
export function checkIptables(facts: Readonly<Record<Family, IptablesFacts>>): readonly Check[] {
  return [checkProgram("iptables", facts[4]), checkProgram("ip6tables", facts[6]), checkVariants(facts)];
}

function checkProgram(name: string, { hasFamily, program }: IptablesFacts): Check {
  if (!hasFamily) return ok(name, `${name} is not needed: this kernel has no ${familyOf(name)}`);
  if (program === undefined) {
    return problem(name, {
      message: `${name}-restore is not installed: containers with ${familyOf(name)} addresses fail to start`,
      remedy: "Install the package iptables",
    });
  }
  if (isUnread(program)) {
    return problem(name, {
      message: `${name}-restore does not run: ${program.unread}`,
      remedy: "Install the package iptables again",
    });
  }
  return ok(name, `${name} ${program.version}, ${program.variant}`);
}

function checkVariants(facts: Readonly<Record<Family, IptablesFacts>>): Check {
  const name = "iptables variants";
  const present = ([4, 6] as const).flatMap((family) => {
    const { program } = facts[family];
    return program === undefined || isUnread(program) ? [] : [{ ...program, name: nameOf(family) }];
  });
  const [first, second] = present;
  if (!first) return unknown(name, { message: "which variant of iptables is in use cannot be told without it" });
  if (second && second.variant !== first.variant) {
    return warning(name, {
      message: `${first.name} is ${first.variant} and ${second.name} is ${second.variant}: look at each with its own`,
      remedy: "update-alternatives --config iptables, and the same for ip6tables: choose one variant",
    });
  }
  const mixed = present.filter(({ otherRules }) => typeof otherRules === "number" && otherRules > 0);
  if (mixed.length > 0) {
    const found = mixed.map((each) => `${countOf(Number(each.otherRules), "rule")} of ${otherOf(each)}`).join(", ");
    return warning(name, {
      message: `${found} in force beside those of ${first.variant}: neither variant shows the other's`,
      remedy: `Look at both, and move what made them to ${first.variant}, which this node's ${first.name} is`,
    });
  }
  const [unread] = present.flatMap(({ otherRules }) => (isUnread(otherRules) ? [otherRules.unread] : []));
  if (unread !== undefined) return unknown(name, { message: `whether the other variant has rules too: ${unread}` });
  return ok(name, `all rules are of one variant, ${first.variant}`);
}

function nameOf(family: Family): string {
  return family === 4 ? "iptables" : "ip6tables";
}

function familyOf(name: string): string {
  return name === "iptables" ? "IPv4" : "IPv6";
}

function otherOf({ name, variant }: { readonly name: string; readonly variant: Variant }): string {
  return `${name}-${variant === "legacy" ? "nft" : "legacy"}`;
}
