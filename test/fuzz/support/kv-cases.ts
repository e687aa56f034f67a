import * as fc from "fast-check";
import type { KvEntry } from "../../../lib/host/consul.ts";
import { formatKey } from "../../../lib/policy/scope.ts";
import { damagedJson } from "./damaged-json.ts";
import { damagedBytes, damagedText } from "./damaged-text.ts";
import { ruleSetJson, rulesJson } from "./rule-json.ts";
import { SCOPES } from "./runtime-rule-sets.ts";

/** Answers of Consul to the watches of one node, one after another. */
export interface KvCase {
  readonly answers: readonly KvAnswer[];
  readonly defaultAction: "ACCEPT" | "DROP" | "REJECT";
  readonly staticRules: readonly unknown[];
  readonly phase: number;
}

export interface KvAnswer {
  readonly prefix: string;
  readonly entries: readonly KvEntry[];
}

/** Those that a node with containers in the namespaces default and other watches. */
const PREFIXES = ["global/", "node/n1/", "network/egress/", "namespace/default/", "namespace/other/"] as const;

export function kvCases(): fc.Arbitrary<KvCase> {
  return fc.record({
    answers: fc.array(answers(), { minLength: 1, maxLength: 5 }),
    defaultAction: fc.constantFrom("ACCEPT", "DROP", "REJECT"),
    staticRules: rulesJson(2),
    phase: fc.nat(6),
  });
}

function answers(): fc.Arbitrary<KvAnswer> {
  return fc
    .constantFrom(...PREFIXES)
    .chain((prefix) => fc.array(entries(prefix), { maxLength: 4 }).map((all) => ({ prefix, entries: all })));
}

function entries(prefix: string): fc.Arbitrary<KvEntry> {
  const keys = SCOPES.map((scope) => formatKey(scope, "a")).filter((key) => key.startsWith(prefix));
  const key = fc.oneof(
    { weight: 6, arbitrary: fc.constantFrom(...keys) },
    { weight: 2, arbitrary: damagedText(fc.constantFrom(...keys)) },
    { weight: 1, arbitrary: fc.constantFrom(prefix, `${prefix}b/`, `${prefix}b`, `${prefix}..`, `${prefix}=2E=2E`) },
  );
  return fc.record({
    // Whoever reads Consul's answer has refused keys outside the prefix.
    key: key.map((each) => (each.startsWith(prefix) ? each : prefix + each)),
    value: values(),
    modifyIndex: fc.integer({ min: 1, max: 5 }),
  });
}

export function values(): fc.Arbitrary<Uint8Array> {
  const encode = (text: string): Uint8Array => new TextEncoder().encode(text);
  return fc.oneof(
    { weight: 3, arbitrary: ruleSetJson().map((each) => encode(JSON.stringify(each))) },
    { weight: 3, arbitrary: damagedJson(ruleSetJson()).map(encode) },
    { weight: 2, arbitrary: damagedBytes(damagedJson(ruleSetJson()).map(encode)) },
  );
}
