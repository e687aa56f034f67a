export type Json = string | number | boolean | null | readonly Json[] | JsonObject;

export interface JsonObject {
  readonly [key: string]: Json;
}

/** Reads what our own code wrote, or text of which only `Json` is claimed: nothing is checked but that it is JSON. */
// oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- the caller says what it wrote
export function parseOwnJson<T>(text: string): T {
  const value: unknown = JSON.parse(text);
  if (!isAsWritten<T>(value)) throw new Error(`Cannot parse JSON: ${text}`);
  return value;
}

// oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- as above
function isAsWritten<T>(value: unknown): value is T {
  return value !== undefined;
}
