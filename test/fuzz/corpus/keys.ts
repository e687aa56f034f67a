import type { Scope } from "../../../lib/policy/scope.ts";
import type { Finding } from "../support/campaign.ts";

export interface NamedScope {
  readonly scope: Scope;
  readonly name: string;
}

export const SCOPE_CORPUS: readonly Finding<readonly [NamedScope, NamedScope]>[] = [
  {
    was: "two names that are no Unicode text had one key",
    input: [
      { scope: { kind: "namespace", namespace: "\ud800" }, name: "a" },
      { scope: { kind: "namespace", namespace: "\udfff" }, name: "a" },
    ],
  },
  {
    was: "a name that is no Unicode text had the key of another that is",
    input: [
      { scope: { kind: "global" }, name: "\ud800" },
      { scope: { kind: "global" }, name: "\ufffd" },
    ],
  },
];

export const KEY_CORPUS: readonly Finding<string>[] = [];
