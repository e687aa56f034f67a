import type { Issue } from "./issue.ts";
import { findDuplicateKeys } from "./duplicate-keys.ts";
import { visitJson } from "./visit-json.ts";

/**
 * Parses strict UTF-8 JSON of a bounded size. A leading byte order mark, which Windows editors write, is left out. An
 * object with one key twice is an issue: JSON.parse would take the last one and say nothing. Never throws.
 */
export function parseJsonBytes(value: Uint8Array, { largestBytes }: { readonly largestBytes: number }): ParsedJson {
  if (value.byteLength > largestBytes) {
    return failure(`found ${value.byteLength} bytes, expected at most ${largestBytes}`);
  }
  const text = decode(value);
  if (text === undefined) return failure("found bytes that are not UTF-8, expected JSON in UTF-8");
  if (text.trim() === "") return failure("found an empty value, expected JSON");
  const json = parse(text);
  const issues = json === undefined ? [syntaxIssue(text)] : findDuplicateKeys(text);
  if (json !== undefined && issues.length === 0) return { ok: true, value: json.value };
  return { ok: false, issues, ...(json && { ambiguous: json.value }) };
}

export type ParsedJson =
  | { readonly ok: true; readonly value: unknown }
  | {
      readonly ok: false;
      readonly issues: readonly Issue[];
      /** One of the things that the text may mean, where a key that is there twice is all that is wrong with it. */
      readonly ambiguous?: unknown;
    };

function decode(value: Uint8Array): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(value);
  } catch {
    return undefined;
  }
}

/** Its own words differ from engine to engine. Nesting too deep for it ends here too, as a RangeError. */
function parse(text: string): { readonly value: unknown } | undefined {
  try {
    return { value: JSON.parse(text) };
  } catch {
    return undefined;
  }
}

function syntaxIssue(text: string): Issue {
  const fault = visitJson(text, {});
  const where = fault === undefined ? "" : ` at line ${fault.line}, column ${fault.column} (${fault.reason})`;
  return { path: "$", message: `found text that is not JSON${where}, expected JSON` };
}

function failure(message: string): ParsedJson {
  return { ok: false, issues: [{ path: "$", message }] };
}
