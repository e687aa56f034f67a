import { quote } from "./scope-flags.ts";

/** Why a check-and-set write did not happen. An index of 0 stands for no such key. */
export function describeConflict({ action, key, readIndex, nowIndex }: Conflict): string {
  const look = `look at it with outbound rules get ${quote(key)}, and try again with --index ${nowIndex}`;
  const cannot = `Cannot ${action} ${key}`;
  if (nowIndex === 0) return `${cannot}: it is not there any more, expected version ${readIndex} (ModifyIndex)`;
  if (readIndex === 0) return `${cannot}: it is there already, as version ${nowIndex} (ModifyIndex): ${look}`;
  return `${cannot}: it is at version ${nowIndex} (ModifyIndex), expected ${readIndex}: ${look}`;
}

export interface Conflict {
  readonly action: "put" | "remove";
  readonly key: string;
  /** The version that the change was made on. */
  readonly readIndex: number;
  readonly nowIndex: number;
}
