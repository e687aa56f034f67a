import { watchedPrefix } from "../policy/scope.ts";
import type { CompiledNode } from "./compile-node.ts";

/**
 * Which KV prefixes say what a chain holds, by the chain's name. Until they have been read, a chain that exists may
 * be newer than what is known of it. Chains that are a function of their name are not here.
 */
export function prefixesToRead(node: CompiledNode): ReadonlyMap<string, readonly string[]> {
  const prefixes = new Map<string, readonly string[]>();
  for (const { attachment, scopes } of node.attachments) {
    const { network, identity, chain } = attachment;
    const { namespace } = identity;
    prefixes.set(chain, [
      watchedPrefix({ kind: "network", network }),
      ...(namespace === undefined ? [] : [watchedPrefix({ kind: "namespace", namespace })]),
    ]);
    for (const { prefix, deny, accept, members } of scopes) {
      for (const shared of [deny, accept, ...members]) if (shared) prefixes.set(shared.name, [prefix]);
    }
  }
  return prefixes;
}
