import { quote } from "./scope-flags.ts";

/** Why a check-and-set write did not happen. An index of 0 stands for no such key. */
export function describeConflict({ action, key, readIndex, nowIndex }: Conflict): string {
  const look = `look at it with outbound rules get ${quote(key)}, and try again`;
  const cannot = `Cannot ${action} ${key}`;
  if (nowIndex === 0) return `${cannot}: it was removed by somebody else since it was read (ModifyIndex ${readIndex})`;
  if (readIndex === 0) return `${cannot}: it was created by somebody else (ModifyIndex ${nowIndex}): ${look}`;
  return `${cannot}: it was changed by somebody else since it was read (ModifyIndex ${readIndex}, now ${nowIndex}): ${look}`;
}

export interface Conflict {
  readonly action: "put" | "remove";
  readonly key: string;
  /** The version that the change was made on. */
  readonly readIndex: number;
  readonly nowIndex: number;
}
