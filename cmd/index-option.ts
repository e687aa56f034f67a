import type { Argv } from "yargs";
import { describeConflict, type Conflict } from "../lib/rules/conflict.ts";
import { UsageError } from "./usage-error.ts";

/** Which version of a key a change was made on. */
export function indexOption<T>(yargs: Argv<T>, { action }: Pick<Conflict, "action"> = { action: "put" }) {
  const unless = action === "put" ? "; 0: only if it is new" : "";
  return yargs.option("index", {
    type: "number",
    describe: `Only if its ModifyIndex, which get prints, is still this${unless}`,
  });
}

/**
 * The ModifyIndex to write on: that of what was read, which `--index` must agree with.
 *
 * @throws UsageError where it is no index; Error where the key has another one now
 */
export function checkIndex({
  index,
  ...conflict
}: Omit<Conflict, "readIndex"> & { index: number | undefined }): number {
  if (index === undefined || index === conflict.nowIndex) return conflict.nowIndex;
  if (!Number.isSafeInteger(index) || index < 0) {
    throw new UsageError("Cannot read --index: it is no ModifyIndex, expected the number that get prints");
  }
  throw new Error(describeConflict({ ...conflict, readIndex: index }));
}
