import { formatPath } from "./issue.ts";
import type { Issue } from "./issue.ts";
import { show } from "./show.ts";
import { visitJson } from "./visit-json.ts";

/**
 * The keys that an object of the text has more than once: programs differ in which of them they take. Of text that is
 * JSON; where it nests too deep to be looked through, that is the issue.
 */
export function findDuplicateKeys(text: string): readonly Issue[] {
  const issues = new Map<string, Issue>();
  const objects: Map<string, number>[] = [];
  const fault = visitJson(text, {
    onObjectBegin: () => {
      objects.push(new Map());
    },
    onObjectEnd: () => {
      objects.pop();
    },
    onObjectProperty: (key, _offset, _length, _line, _character, parentPath) => {
      const counts = objects.at(-1);
      const count = (counts?.get(key) ?? 0) + 1;
      counts?.set(key, count);
      if (count === 1) return;
      const path = formatPath([...parentPath(), key]);
      issues.set(path, { path, message: duplicateMessage(key, count) });
    },
  });
  if (fault === undefined) return [...issues.values()];
  const { line, column, reason } = fault;
  const message = `found JSON that is not read on from line ${line}, column ${column} (${reason}), expected rules`;
  return [{ path: "$", message }];
}

/** Whether an issue's message is about a key that is there more than once: the key has its position. */
export function isAboutDuplicate(message: string): boolean {
  return message.startsWith(START);
}

const START = "found the key ";

function duplicateMessage(key: string, count: number): string {
  return `${START}${show(key)} ${count === 2 ? "twice" : `${count} times`}, expected it once`;
}
