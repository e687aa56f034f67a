import type { AttachmentStore, StoredAttachments } from "../lib/host/attachment-store.ts";
import type { Log } from "../lib/host/log.ts";
import type { Attachment, Identity } from "../lib/policy/attachment.ts";
import { completeIdentity, isIdentified } from "../lib/policy/identity.ts";

/** Lists the attachments, with what has been found out about them. Whoever calls it holds the node's lock. */
export type RecordCompleter = () => StoredAttachments;

export interface CompleterPorts {
  readonly store: Pick<AttachmentStore, "list" | "write">;
  /** What has been found out about an allocation; what CNI_ARGS said goes before it. */
  readonly identityOf: (containerId: string) => Identity | undefined;
  readonly log: Log;
}

/**
 * What is found out goes into the attachment's record before it goes into the kernel: a restart without Nomad, the
 * plugin and every command know it too. A disk that cannot be written must not keep rules from the kernel.
 */
export function createRecordCompleter({ store, identityOf, log }: CompleterPorts): RecordCompleter {
  /** For those whose record cannot be written: the same object as long as the file is the same. */
  const unwritten = new WeakMap<Attachment, Attachment>();

  return () => {
    const stored = store.list();
    const found = stored.attachments.flatMap((attachment) => complete(attachment) ?? []);
    if (found.length === 0) return stored;
    const written = found.filter(write);
    const { attachments, unreadable } = written.length > 0 ? store.list() : stored;
    return { attachments: attachments.map((each) => unwritten.get(each) ?? each), unreadable };
  };

  function complete(attachment: Attachment): Completion | undefined {
    const { identity, containerId } = attachment;
    if (isIdentified(identity)) return undefined;
    const known = identityOf(containerId);
    const completed = known && completeIdentity(identity, known);
    return completed && { attachment, completed: unwritten.get(attachment) ?? { ...attachment, identity: completed } };
  }

  function write({ attachment, completed }: Completion): boolean {
    try {
      store.write(completed);
      return true;
    } catch (error) {
      if (!unwritten.has(attachment)) {
        const about = { allocation: attachment.containerId, error: String(error) };
        log.error(about, "Cannot keep an identity on disk, a restart would not know it");
      }
      unwritten.set(attachment, completed);
      return false;
    }
  }
}

interface Completion {
  readonly attachment: Attachment;
  readonly completed: Attachment;
}
