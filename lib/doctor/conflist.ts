import { isJsonObject, type JsonObject } from "../cni/json-object.ts";
import { parseJsonBytes } from "../policy/json-bytes.ts";
import type { Issue } from "../policy/issue.ts";
import { isUnread, type Fact } from "./check.ts";

/** A file in the folder where Nomad looks for networks. */
export interface ConfigFile {
  /** Without its folder. */
  readonly name: string;
  readonly bytes: Fact<Uint8Array>;
}

/** A list of plugins in which outbound is. */
export interface Conflist {
  readonly file: string;
  readonly bytes: Uint8Array;
  readonly json: JsonObject;
  /** Those that are no objects are empty here. */
  readonly plugins: readonly JsonObject[];
  /** Where outbound is among them: at least one position. */
  readonly positions: readonly number[];
}

export type ParsedFile =
  | { readonly kind: "conflist"; readonly conflist: Conflist }
  | { readonly kind: "other" }
  | { readonly kind: "unread"; readonly reason: string }
  | { readonly kind: "invalid"; readonly issues: readonly Issue[] };

/** Tells what a file is. One without outbound is not judged, but for whether Nomad can read it. */
export function parseConfigFile({ name, bytes }: ConfigFile): ParsedFile {
  if (isUnread(bytes)) return { kind: "unread", reason: bytes.unread };
  const parsed = parseJsonBytes(bytes, { largestBytes: LARGEST_BYTES });
  if (!parsed.ok) return { kind: "invalid", issues: parsed.issues };
  if (!isJsonObject(parsed.value)) {
    return { kind: "invalid", issues: [{ path: "$", message: "found no object, expected a list of plugins" }] };
  }
  const { plugins } = parsed.value;
  if (!name.endsWith(".conflist") || !Array.isArray(plugins)) return { kind: "other" };
  const objects = plugins.map((plugin: unknown) => (isJsonObject(plugin) ? plugin : {}));
  const positions = objects.flatMap(({ type }, index) => (type === "outbound" ? [index] : []));
  if (positions.length === 0) return { kind: "other" };
  return { kind: "conflist", conflist: { file: name, bytes, json: parsed.value, plugins: objects, positions } };
}

/** The lists with outbound among these files, in Nomad's order. */
export function findConflists(files: Fact<readonly ConfigFile[]>): readonly Conflist[] {
  if (isUnread(files)) return [];
  return files.flatMap((file) => {
    const parsed = parseConfigFile(file);
    return parsed.kind === "conflist" ? [parsed.conflist] : [];
  });
}

/** No conflist that means something is larger. */
const LARGEST_BYTES = 8 * 1024 * 1024;
