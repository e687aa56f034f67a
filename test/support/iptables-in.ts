import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createIptables, type Iptables } from "../../lib/host/iptables.ts";
import type { Namespace } from "./namespace.ts";
import type { Variant } from "./variant.ts";

export interface IptablesInOptions {
  readonly namespace: Pick<Namespace, "namespace">;
  readonly variant: Variant;
  /** Where to put scripts; made if it is missing. */
  readonly directory: string;
}

/** The real iptables of one variant, for this process, on the tables of another network namespace. */
export async function iptablesIn({ namespace, variant, directory }: IptablesInOptions): Promise<Iptables> {
  await mkdir(directory, { recursive: true });
  const programs = ["iptables-save", "iptables-restore", "ip6tables-save", "ip6tables-restore"];
  await Promise.all(
    programs.map((program) => {
      const command = `ip netns exec ${namespace.namespace} xtables-${variant}-multi ${program} "$@"`;
      return writeFile(join(directory, program), `#!/bin/sh\nexec ${command}\n`, { mode: 0o755 });
    }),
  );
  return createIptables({ path: directory });
}
