import { isJsonObject } from "../cni/json-object.ts";
import { firstIssues } from "../policy/issue.ts";
import { parseJsonBytes } from "../policy/json-bytes.ts";
import { locateIssues } from "../policy/locate.ts";
import { findInConflist } from "./conflist-findings.ts";
import { findInPlugin } from "./plugin-findings.ts";
import { findInRuleSet } from "./rule-set-findings.ts";
import type { FileKind, FileReport, Findings } from "./validation.ts";

/** No conflist that means something is larger. */
const largestBytes = 8 * 1024 * 1024;

/**
 * Judges one file by what is in it: a list of CNI plugins, the plugin's object, else a rule set as KV holds it. By the
 * schemas that the watcher and the plugin parse with. Never throws.
 */
export function validateFile(
  file: string,
  { bytes, nowMs }: { readonly bytes: Uint8Array; readonly nowMs: number },
): FileReport {
  const json = parseLoosely(bytes);
  const kind = kindOf(json, file);
  const { rules, issues, warnings } = find(kind, { bytes, json, nowMs });
  const isValid = issues.length === 0;
  return {
    file,
    kind,
    isValid,
    ...(isValid && rules !== undefined ? { rules } : {}),
    issues: locateIssues(bytes, issues),
    warnings: locateIssues(bytes, warnings),
  };
}

/** For a file that could not be read. */
export function unreadableFile(file: string, reason: string): FileReport {
  return {
    file,
    isValid: false,
    issues: [{ path: "$", line: 1, column: 1, message: `cannot be read: ${reason}` }],
    warnings: [],
  };
}

interface Content {
  readonly bytes: Uint8Array;
  readonly json: unknown;
  readonly nowMs: number;
}

function find(kind: FileKind, { bytes, json, nowMs }: Content): Findings {
  if (kind === "rule-set") return findInRuleSet(bytes, { json, nowMs });
  const parsed = parseJsonBytes(bytes, { largestBytes });
  if (!parsed.ok) return { issues: firstIssues(parsed.issues), warnings: [] };
  if (!isJsonObject(json))
    return { issues: [{ path: "$", message: "found no object, expected a conflist" }], warnings: [] };
  return kind === "conflist" ? findInConflist(json) : findInPlugin(json, "$");
}

/** Only to tell what the file is: undefined where it is not JSON. */
function parseLoosely(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    return undefined;
  }
}

function kindOf(json: unknown, file: string): FileKind {
  if (isJsonObject(json) && "plugins" in json) return "conflist";
  if (isJsonObject(json) && json["type"] === "outbound") return "plugin";
  return file.endsWith(".conflist") ? "conflist" : "rule-set";
}
