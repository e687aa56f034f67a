import { createNamespace, type Namespace } from "../support/namespace.ts";
import { type Variant, variants } from "../support/variant.ts";

/**
 * The variant of iptables to show the demo with: the first that works here for both families.
 *
 * @throws Error that says what this machine does not have: network namespaces or iptables
 */
export async function findVariant(): Promise<Variant> {
  const namespace = await createNamespace("probe").catch((cause: unknown) => {
    throw new Error("Cannot use network namespaces: a container needs to be privileged for that", { cause });
  });
  try {
    for (const variant of variants) if (await works(variant, namespace)) return variant;
  } finally {
    await namespace.close();
  }
  throw new Error(`Cannot use iptables: none of ${variants.join(", ")} takes a rule for both IPv4 and IPv6`);
}

async function works(variant: Variant, namespace: Namespace): Promise<boolean> {
  const rule = ["-A", "FORWARD", "-m", "comment", "--comment", "probe", "-j", "DROP"];
  const outcomes = await Promise.all(
    ["iptables", "ip6tables"].map((command) =>
      namespace.exec([`/usr/sbin/xtables-${variant}-multi`, command, ...rule], { allowFailure: true }),
    ),
  );
  return outcomes.every(({ exitCode }) => exitCode === 0);
}
