import { visitJson } from "../../../lib/policy/visit-json.ts";

/**
 * Whether this process's JSON.parse finds keys that a text does not have. V8 (13.6 at least) compares a key with the one
 * that came next in earlier objects by as many characters of the text as the key has once its escapes are read: after
 * `{"a":1,"\\":1}` it reads `{"a":1,"\r":1}` as the former. Bun's engine does not.
 */
export function isMisread(text: string): boolean {
  const [written, read] = [new Set<string>(), new Set<string>()];
  const fault = visitJson(text, { onObjectProperty: (key) => void written.add(key) });
  if (fault !== undefined) return false;
  try {
    JSON.parse(text, function collect(this: unknown, key, value: unknown) {
      if (!Array.isArray(this)) read.add(key);
      return value;
    });
  } catch {
    return false;
  }
  return [...read].some((key) => key !== "" && !written.has(key));
}
