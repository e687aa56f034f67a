import { isAboutDuplicate } from "./duplicate-keys.ts";
import { formatPath } from "./issue.ts";
import type { Issue } from "./issue.ts";
import { isAboutUnknownKey } from "./unknown-keys.ts";
import { positionOf, visitJson } from "./visit-json.ts";
import type { Position } from "./visit-json.ts";

/** An issue and where in its file it is. */
export interface LocatedIssue extends Issue, Position {}

/** Issues of a file's bytes with their lines and columns. */
export function locateIssues(bytes: Uint8Array, issues: readonly Issue[]): readonly LocatedIssue[] {
  if (issues.length === 0) return [];
  const locate = createLocator(new TextDecoder().decode(bytes));
  return issues.map(({ path, message }) => ({ path, ...locate({ path, message }), message }));
}

/**
 * Where in a text its issues are: of a value where it begins; of a key that is unknown or there twice that key; of what
 * is missing the object that misses it; of text that is not JSON where it stops being so. A byte order mark counts as
 * nothing. Of a key that is there twice the last one counts, as in JSON.parse.
 */
export function createLocator(text: string): (issue: Issue) => Position {
  const values = new Map<string, Position>();
  const keys = new Map<string, Position>();
  const setValue = (path: readonly PropertyKey[], line: number, character: number) => {
    values.set(formatPath(path), positionOf(line, character));
  };
  const fault = visitJson(text.replace(/^\u{feff}/u, ""), {
    onObjectBegin: (_offset, _length, line, character, path) => setValue(path(), line, character),
    onArrayBegin: (_offset, _length, line, character, path) => setValue(path(), line, character),
    onLiteralValue: (_value, _offset, _length, line, character, path) => setValue(path(), line, character),
    onObjectProperty: (key, _offset, _length, line, character, path) => {
      keys.set(formatPath([...path(), key]), positionOf(line, character));
    },
  });
  if (fault !== undefined) {
    const { line, column } = fault;
    return () => ({ line, column });
  }
  return ({ path, message }) => {
    const isAboutKey = isAboutUnknownKey(message) || isAboutDuplicate(message);
    return (isAboutKey ? keys.get(path) : undefined) ?? nearest(values, path);
  };
}

function nearest(values: ReadonlyMap<string, Position>, path: string): Position {
  const position = values.get(path);
  if (position !== undefined) return position;
  const parent = path.replace(LAST_STEP, "");
  return parent === path ? { line: 1, column: 1 } : nearest(values, parent);
}

/** As `formatPath` writes it. */
const LAST_STEP = /(?:\.[A-Za-z_$][\w$]*|\[\d+\]|\["(?:[^"\\]|\\.)*"\])$/;
