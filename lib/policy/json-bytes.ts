import type { Parsed } from "./issue.ts";

/**
 * Parses strict UTF-8 JSON of a bounded size. A leading byte order mark, which Windows editors write, is left out.
 * Never throws.
 */
export function parseJsonBytes(
  value: Uint8Array,
  { largestBytes }: { readonly largestBytes: number },
): Parsed<unknown> {
  if (value.byteLength > largestBytes) {
    return failure(`found ${value.byteLength} bytes, expected at most ${largestBytes}`);
  }
  const text = decode(value);
  if (text === undefined) return failure("found bytes that are not UTF-8, expected JSON in UTF-8");
  if (text.trim() === "") return failure("found an empty value, expected JSON");
  try {
    return { ok: true, value: JSON.parse(text) };
  } catch (error) {
    // Nesting too deep for the engine's parser ends here too, as a RangeError.
    const reason = error instanceof Error ? error.message : String(error);
    return failure(`found text that is not JSON (${reason}), expected JSON`);
  }
}

function decode(value: Uint8Array): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(value);
  } catch {
    return undefined;
  }
}

function failure(message: string): Parsed<never> {
  return { ok: false, issues: [{ path: "$", message }] };
}
