import { show } from "./show.ts";

/**
 * Writes a name as one segment of a KV key: every byte outside `A-Z a-z 0-9 . _ -` as `=XX`. All of these pass
 * every Consul version's key check. The dots of `.` and `..` are written so too, because Consul refuses
 * `../` and HTTP clients resolve it. Injective.
 *
 * @throws Error for an empty name, which no key can hold, and for one that is no Unicode text (half a surrogate pair),
 * which has no bytes of its own
 */
export function encodeSegment(text: string): string {
  if (text === "") throw new Error("Cannot encode segment: the name is empty, expected at least one character");
  if (!text.isWellFormed()) throw new Error(`Cannot encode segment: ${show(text)} is no Unicode text`);
  if (text === "." || text === "..") return text.replaceAll(".", "=2E");
  return text.replaceAll(/[^A-Za-z0-9._-]+/g, encodeBytes);
}

/** The name, or undefined where the segment is not exactly what `encodeSegment` writes for it. */
export function decodeSegment(text: string): string | undefined {
  if (!/^(?:[A-Za-z0-9._-]|=[0-9A-F]{2})+$/.test(text)) return undefined;
  const decoded = text.replaceAll(/(?:=[0-9A-F]{2})+/g, decodeBytes);
  // Not UTF-8 decodes to U+FFFD, which encodes to other bytes again.
  return encodeSegment(decoded) === text ? decoded : undefined;
}

function encodeBytes(text: string): string {
  return Array.from(
    new TextEncoder().encode(text),
    (byte) => `=${byte.toString(16).toUpperCase().padStart(2, "0")}`,
  ).join("");
}

function decodeBytes(encoded: string): string {
  const bytes = encoded
    .slice(1)
    .split("=")
    .map((pair) => Number.parseInt(pair, 16));
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(Uint8Array.from(bytes));
}
