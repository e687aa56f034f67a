import { lstatSync, readdirSync, renameSync, rmSync, statSync } from "node:fs";
import { attachmentChainNames, isAttachmentChain, type AttachmentId } from "../netfilter/names.ts";
import { formatAttachment, parseAttachment, shareRules } from "../policy/attachment-record.ts";
import type { Attachment } from "../policy/attachment.ts";
import type { Rule } from "../policy/rule.ts";
import { isMissing, readOwnFile, removeIfPresent, writeFileAtomically } from "./atomic-file.ts";
import type { Log } from "./log.ts";
import { removeUnfinished } from "./unfinished-files.ts";

/** What the store holds at one moment. The same object stands for an attachment for as long as its file is the same. */
export interface StoredAttachments {
  readonly attachments: readonly Attachment[];
  /** Chains whose file could not be read: something may still run behind them. */
  readonly unreadable: ReadonlySet<string>;
}

export interface AttachmentReader {
  readonly list: () => StoredAttachments;
}

/** One file an attachment, `<stateDir>/attachments/<chain>.json`. Who lists, writes or removes holds the node's lock. */
export interface AttachmentStore extends AttachmentReader {
  readonly folder: string;
  /** Has the next `list` look at every file: one that is written in place changes no time of the folder. */
  readonly lookClosely: () => void;
  /** The attachment with this identity, if it has a readable file. */
  readonly find: (id: AttachmentId) => Attachment | undefined;
  /**
   * The chain that belongs to this identity, or the free name that it would get. A file that cannot be read is set
   * aside, unless `isReadOnly`.
   */
  readonly chainFor: (id: AttachmentId, options?: { readonly isReadOnly: boolean }) => string;
  /** Whether a file of this chain is there, readable or not. */
  readonly isRecorded: (chain: string) => boolean;
  /** Whether any file but this chain's is there. */
  readonly hasOthers: (chain: string) => boolean;
  readonly write: (attachment: Attachment) => void;
  readonly remove: (chain: string) => void;
}

/** A reader for commands that must not write: a file that cannot be read stays where it is. */
export function createAttachmentReader(stateDir: string, { log }: StoreOptions): AttachmentReader {
  return { list: createLister(folderIn(stateDir), { log, isReadOnly: true }).list };
}

export function createAttachmentStore(stateDir: string, { log }: StoreOptions): AttachmentStore {
  const folder = folderIn(stateDir);
  const find = (id: AttachmentId, { isReadOnly = false } = {}): Attachment | undefined =>
    attachmentChainNames(id)
      .map((chain) => readRecord(folder, { chain, log, isReadOnly }))
      .find((attachment) => attachment && isSameId(attachment, id));
  return {
    folder,
    ...createLister(folder, { log, isReadOnly: false }),
    find,
    chainFor: (id, { isReadOnly } = { isReadOnly: false }) => {
      const [first, second] = attachmentChainNames(id);
      const taken = readRecord(folder, { chain: first, log, isReadOnly });
      return find(id, { isReadOnly })?.chain ?? (taken ? second : first);
    },
    isRecorded: (chain) => recordNames(folder).some(({ name }) => name === chain),
    hasOthers: (chain) => recordNames(folder).some(({ name }) => name !== chain),
    write: (attachment) => writeFileAtomically(fileOf(folder, attachment.chain), formatAttachment(attachment)),
    remove: (chain) => {
      removeUnfinished(folder, (name) => name === `${chain}.json`);
      removeWhole(fileOf(folder, chain));
      removeWhole(asideOf(folder, chain));
    },
  };
}

const UNREADABLE = "Cannot read attachment: its chain stays as it is until DEL";

export interface StoreOptions {
  readonly log: Log;
}

function folderIn(stateDir: string): string {
  return `${stateDir}/attachments`;
}

function fileOf(folder: string, chain: string): string {
  return `${folder}/${chain}.json`;
}

function asideOf(folder: string, chain: string): string {
  return `${folder}/${chain}.unreadable`;
}

type Lister = Pick<AttachmentStore, "list" | "lookClosely">;

interface ReadOptions extends StoreOptions {
  readonly isReadOnly: boolean;
}

function createLister(folder: string, { log, isReadOnly }: ReadOptions): Lister {
  let known = new Map<string, { readonly stamp: string; readonly attachment: Attachment }>();
  const sharedRules = new Map<string, readonly Rule[]>();
  let last: { readonly stamp: string; readonly stored: StoredAttachments } | undefined;
  let told: ReadonlySet<string> = new Set();
  return {
    list: () => {
      const stamp = settledStampOf(folder);
      if (stamp !== undefined && stamp === last?.stamp) return last.stored;
      const stored = read();
      last = stamp === undefined ? undefined : { stamp, stored };
      return stored;
    },
    lookClosely: () => {
      last = undefined;
    },
  };

  function read(): StoredAttachments {
    const current = new Map<string, { readonly stamp: string; readonly attachment: Attachment }>();
    const unreadable = new Set<string>();
    const refused = new Set<string>();
    if (known.size === 0) sharedRules.clear();
    if (!isReadOnly) removeUnfinished(folder, isRecordName);
    for (const { name: chain, isAside } of recordNames(folder)) {
      if (isAside) unreadable.add(chain);
      else {
        const stamp = stampOf(fileOf(folder, chain));
        const before = known.get(chain);
        if (stamp === undefined) continue;
        const attachment = before?.stamp === stamp ? before.attachment : readRecord(folder, { chain, log, isReadOnly });
        if (!attachment) refused.add(chain);
        else if (attachment === before?.attachment) current.set(chain, before);
        else current.set(chain, { stamp, attachment: shareRules(attachment, sharedRules) });
      }
    }
    known = current;
    for (const chain of current.keys()) unreadable.delete(chain);
    // The plugin may have set it aside, and has perhaps no log.
    for (const chain of unreadable) {
      if (!told.has(chain) && !refused.has(chain)) log.error({ file: asideOf(folder, chain) }, UNREADABLE);
    }
    for (const chain of refused) unreadable.add(chain);
    told = unreadable;
    return { attachments: [...current.values()].map(({ attachment }) => attachment), unreadable };
  }
}

/**
 * Changes with every file that comes, goes or is replaced. Undefined while the folder's last change is so fresh that
 * another one could bear the same time: the kernel keeps time in steps of a few milliseconds.
 */
function settledStampOf(folder: string): string | undefined {
  const stats = statSync(folder, { bigint: true, throwIfNoEntry: false });
  if (!stats || Math.abs(Date.now() - Number(stats.mtimeMs)) < 100) return undefined;
  return `${stats.ino}:${stats.mtimeNs}`;
}

function recordNames(folder: string): readonly { readonly name: string; readonly isAside: boolean }[] {
  return readNames(folder).flatMap((file) => {
    const [, name = "", ending] = /^(.*)\.(json|unreadable)$/.exec(file) ?? [];
    return isAttachmentChain(name) ? [{ name, isAside: ending === "unreadable" }] : [];
  });
}

function isRecordName(file: string): boolean {
  return file.endsWith(".json") && isAttachmentChain(file.slice(0, -".json".length));
}

function readNames(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    if (isMissing(error)) return [];
    throw error;
  }
}

/**
 * Changes with every rename into place, whatever the clock does: the new file has another inode. Links, which are not
 * read, are not followed: one that leads nowhere is no missing record.
 */
function stampOf(file: string): string | undefined {
  const stats = lstatSync(file, { bigint: true, throwIfNoEntry: false });
  return stats && `${stats.ino}:${stats.mtimeNs}:${stats.size}`;
}

interface RecordOptions extends ReadOptions {
  readonly chain: string;
}

function readRecord(folder: string, { chain, log, isReadOnly }: RecordOptions): Attachment | undefined {
  const file = fileOf(folder, chain);
  try {
    const attachment = parseAttachment(readOwnFile(file));
    if (attachment.chain !== chain) throw new Error(`Cannot use ${file}: it is the record of ${attachment.chain}`);
    return attachment;
  } catch (error) {
    if (isMissing(error)) return undefined;
    log.error({ file, error: String(error) }, UNREADABLE);
    if (!isReadOnly) setAside(folder, { chain, log });
    return undefined;
  }
}

/** One that cannot be moved, as on a disk that is read-only, stays and is no more readable the next time. */
function setAside(folder: string, { chain, log }: StoreOptions & { readonly chain: string }): void {
  const file = fileOf(folder, chain);
  try {
    // Nothing can be renamed over a folder.
    removeWhole(asideOf(folder, chain));
    renameSync(file, asideOf(folder, chain));
  } catch (error) {
    log.error({ file, error: String(error) }, "Cannot set an attachment's record aside");
  }
}

/** A damaged file system may show a folder in a file's place. */
function removeWhole(file: string): void {
  if (isFolder(file)) rmSync(file, { recursive: true });
  else removeIfPresent(file);
}

function isFolder(file: string): boolean {
  try {
    return lstatSync(file).isDirectory();
  } catch {
    return false;
  }
}

function isSameId(attachment: AttachmentId, id: AttachmentId): boolean {
  return (
    attachment.network === id.network && attachment.containerId === id.containerId && attachment.ifname === id.ifname
  );
}
