import { compileDispatch } from "../netfilter/compile-attachment.ts";
import { parseRuleset } from "../netfilter/parse-ruleset.ts";
import { planDetachment } from "../netfilter/plan.ts";
import { renderRule } from "../netfilter/render-rule.ts";
import type { Family } from "../policy/address.ts";
import type { Attachment } from "../policy/attachment.ts";
import { reconcile } from "../reconcile.ts";
import { FAMILIES } from "./families.ts";
import type { PluginPorts } from "./ports.ts";
import { sweep } from "../sweep.ts";

/** An attachment, or where nothing is known of it the chain that it would have had. */
export type Detachable = Attachment | { readonly chain: string };

/**
 * Takes an attachment's chains and record away; what is gone already is as good. The record goes last, so that a
 * repeat, or the watcher, finds what a killed one left. The last attachment takes with it all that it shared.
 *
 * @returns whether nothing is left of it. What kernel or disk refused to remove is logged, and its record stays
 */
export async function detach(attachment: Detachable, ports: PluginPorts): Promise<boolean> {
  const { iptables, store, log, interfaces } = ports;
  const { chain } = attachment;
  const families = FAMILIES.filter((family) => iptables.has(family) && interfaces.hasFamily(family));
  const isLast = !store.hasOthers(chain);
  const attempts = await Promise.allSettled(
    families.map((family) =>
      isLast
        ? sweep(family, { gone: new Set([chain]), iptables, interfaces, log })
        : detachFrom(family, { attachment, ports }),
    ),
  );
  const failures = attempts.filter((attempt) => attempt.status === "rejected");
  for (const { reason } of failures) log.error({ chain, error: String(reason) }, "Cannot remove an attachment's chain");
  if (failures.length > 0) return false;
  try {
    store.remove(chain);
  } catch (error) {
    // A disk that is read-only must not keep the rest of the chain from being undone.
    log.error({ chain, error: String(error) }, "Cannot remove an attachment's record, the watcher will");
    return false;
  }
  return true;
}

interface DetachOptions {
  readonly attachment: Detachable;
  readonly ports: PluginPorts;
}

async function detachFrom(family: Family, { attachment, ports }: DetachOptions): Promise<void> {
  const { iptables, log } = ports;
  if ("policy" in attachment && (await removeKnown(family, attachment, ports))) return;
  const { chain } = attachment;
  const actual = parseRuleset(await iptables.list(family, ["FORWARD", chain]));
  if (!actual.has(chain)) return;
  await reconcile(family, { plan: (current) => planDetachment(chain, { actual: current }), iptables, log });
}

/** The rules that lead to a chain are known from its record; where they are not as they were, the attempt changes nothing. */
async function removeKnown(family: Family, attachment: Attachment, { iptables }: PluginPorts): Promise<boolean> {
  const { chain, policy } = attachment;
  const dispatch = compileDispatch(attachment, family).map((rule) => renderRule(rule, family));
  if (dispatch.length === 0) return true;
  const lines = dispatch.map(({ text }) => `-D ${policy.mainChain} ${text}`);
  const text = ["*filter", ...lines, `-F ${chain}`, `-X ${chain}`, "COMMIT", ""].join("\n");
  return iptables.restore(family, text).then(
    () => true,
    () => false,
  );
}
