import * as fc from "fast-check";
import { expect, test } from "vitest";
import { checksumOf, formatRuntimeRules, parseRuntimeRules } from "../../lib/host/runtime-rules-text.ts";
import { formatObserved, parseObserved, type ObservedConnection } from "../../lib/observed/connection.ts";
import { formatAttachment, parseAttachment } from "../../lib/policy/attachment-record.ts";
import { keysOf } from "../../lib/policy/scope.ts";
import { CACHE_CORPUS, RECORD_CORPUS } from "./corpus/state-files.ts";
import { CACHED, RECORDED } from "./support/good-state.ts";
import { fuzz } from "./support/campaign.ts";
import { claim, claimSame } from "./support/claim.ts";
import { damagedJson } from "./support/damaged-json.ts";
import { damagedText } from "./support/damaged-text.ts";

const recordText = formatAttachment(RECORDED);
const cacheText = formatRuntimeRules(CACHED, { latestMs: 1 });
const cacheLines = cacheText
  .split("\n")
  .filter((line) => line.startsWith('{"key"'))
  .map((line): unknown => JSON.parse(line.replace(/,$/, "")));
const chooseAll = () => () => true;
const chooseOwn = keysOf(RECORDED);
/** So that a parser that refuses everything is not taken for a careful one. */
let taken = 0;

fuzz("attachment records", {
  inputs: { short: 5000, long: 120_000 },
  arbitrary: fc.oneof(damagedText(fc.constant(recordText)), damagedJson(fc.constant(JSON.parse(recordText)))),
  corpus: RECORD_CORPUS,
  check: (text) => {
    const attachment = attempt(() => parseAttachment(text));
    if (attachment === undefined) return;
    taken += 1;
    claimSame(attachment, RECORDED, "a damaged record is refused, or says what it said");
  },
});

fuzz("cached runtime rules", {
  inputs: { short: 5000, long: 180_000 },
  arbitrary: damagedText(fc.constant(cacheText)),
  corpus: CACHE_CORPUS,
  check: (text) => {
    for (const choose of [chooseAll, chooseOwn]) {
      const parsed = attempt(() => parseRuntimeRules(text, { choose }));
      if (parsed === undefined) continue;
      taken += 1;
      const whole = parseRuntimeRules(cacheText, { choose });
      claimSame(parsed, whole, "damaged runtime rules are refused, or say what they said");
    }
  },
});

fuzz("cached runtime rules of another version, whose checksum is right", {
  inputs: { short: 2000, long: 60_000 },
  arbitrary: fc.array(damagedJson(fc.constantFrom(...cacheLines)), { maxLength: 3 }),
  check: (lines) => {
    const text = cacheOf(lines.map((line) => line.replaceAll("\n", " ")));
    const parsed = attempt(() => parseRuntimeRules(text, { choose: chooseAll }));
    if (parsed === undefined) return;
    taken += 1;
    const { rules, refused } = parsed;
    claimSame(rules.ruleSets.length + refused.length, lines.length, "each rule set is taken, or told as refused");
    claim(
      refused.every(({ issues }) => issues.length > 0),
      "a refusal has a reason",
      refused,
    );
    const again = parseRuntimeRules(formatRuntimeRules(rules, { latestMs: 1 }), { choose: chooseAll });
    claimSame(again.rules, rules, "what was read can be written and read again");
  },
});

fuzz("observed connections", {
  inputs: { short: 3000, long: 50_000 },
  arbitrary: fc.oneof(damagedText(fc.constant(formatObserved(observed()))), damagedJson(fc.constant(observed()))),
  check: (text) => {
    const connections = attempt(() => parseObserved(text));
    if (connections === undefined) return;
    claimSame(parseObserved(formatObserved(connections)), connections, "what was read can be written and read again");
  },
});

test("those that were not damaged were taken", () => {
  expect(taken).toBeGreaterThan(300);
});

test("a record cut off at any byte, or with any bit flipped, is refused", () => {
  const bytes = Buffer.from(recordText);
  for (let at = 0; at < bytes.length - 1; at += 1) {
    expect(() => parseAttachment(bytes.subarray(0, at).toString())).toThrow(Error);
    for (let bit = 0; bit < 8; bit += 1) {
      const flipped = bytes.with(at, (bytes[at] ?? 0) ^ (1 << bit));
      const read = attempt(() => parseAttachment(Buffer.from(flipped).toString()));
      claim(read === undefined, `bit ${bit} of byte ${at} may be flipped unnoticed`);
    }
  }
});

test("cached runtime rules cut off at any byte, or with any bit flipped, are refused or say the same", () => {
  const bytes = Buffer.from(cacheText);
  const whole = parseRuntimeRules(cacheText, { choose: chooseOwn });
  for (let at = 0; at < bytes.length; at += 1) {
    const cut = bytes.subarray(0, at).toString();
    expect(() => parseRuntimeRules(cut, { choose: chooseOwn })).toThrow(Error);
    for (let bit = 0; bit < 8; bit += 1) {
      const flipped = Buffer.from(bytes.with(at, (bytes[at] ?? 0) ^ (1 << bit))).toString();
      const read = attempt(() => parseRuntimeRules(flipped, { choose: chooseOwn }));
      // The name of the list itself is nothing that anybody reads.
      if (read !== undefined) claimSame(read, whole, `bit ${bit} of byte ${at}`);
    }
  }
});

function attempt<T>(parse: () => T): T | undefined {
  try {
    return parse();
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    return undefined;
  }
}

/** As `formatRuntimeRules` puts a file together. */
function cacheOf(lines: readonly string[]): string {
  const body = `${lines.join(",\n")}${lines.length > 0 ? "\n" : ""}]}\n`;
  const head = { format: 1, node: "n1", latestMs: 1 };
  const text = JSON.stringify({ ...head, checksum: checksumOf({ ...head, body }), ruleSets: [] });
  return `${text.slice(0, -2)}\n${body}`;
}

function observed(): readonly ObservedConnection[] {
  const [firstSeen, lastSeen] = ["2026-11-24T12:00:00.000Z", "2026-11-24T12:05:00.000Z"];
  const common = { allocation: "alloc-1", network: "egress", protocol: "tcp", firstSeen, lastSeen, lines: 3 };
  return [
    { ...common, decision: { kind: "denied" }, destination: "192.0.2.1", port: 443 },
    {
      ...common,
      namespace: "default",
      decision: { kind: "audited", wouldBe: "denied", key: "global/a", modifyIndex: 7 },
      destination: "2001:db8::1",
    },
  ];
}
