import * as fc from "fast-check";
import type { Scope } from "../../../lib/policy/scope.ts";
import { hostileTexts } from "./hostile-text.ts";

/** Names such as Nomad's and people's, and any other, few enough for two scopes to have some in common. */
export function names(): fc.Arbitrary<string> {
  return fc.oneof(
    {
      weight: 3,
      arbitrary: fc.constantFrom("a", "A", "job", "group", "alloc", ".", "..", "a/job/b", "a=2Fb", "é", "é"),
    },
    { weight: 2, arbitrary: hostileTexts().filter((text) => text !== "") },
  );
}

/** Objects as the parser makes them. */
const PLAIN = { noNullPrototype: true };

export function anyScopes(): fc.Arbitrary<Scope> {
  const [namespace, job, group, alloc] = [names(), names(), names(), names()];
  return fc.oneof(
    fc.constant<Scope>({ kind: "global" }),
    names().map((node): Scope => ({ kind: "node", node })),
    names().map((network): Scope => ({ kind: "network", network })),
    namespace.map((each): Scope => ({ kind: "namespace", namespace: each })),
    fc.record({ kind: fc.constant("job" as const), namespace, job }, PLAIN),
    fc.record({ kind: fc.constant("group" as const), namespace, job, group }, PLAIN),
    fc.record({ kind: fc.constant("alloc" as const), namespace, alloc }, PLAIN),
  );
}
