import type { ListedAttachment } from "../inspect/attachment-list.ts";
import type { AttachmentView } from "../inspect/attachment-view.ts";
import type { ObservedConnection } from "../observed/connection.ts";
import type { LocatedIssue } from "../policy/locate.ts";
import type { RuntimeRuleSet } from "../policy/runtime-rules.ts";

/** What the page of a node shows. Lists are as long as they are: the page says how much of them it leaves out. */
export interface NodeView {
  readonly isInSync: boolean;
  /** What keeps it from being in sync. */
  readonly problems: readonly string[];
  readonly prefixes: readonly WatchedPrefix[];
  readonly counts: NodeCounts;
  readonly list: AttachmentsPage;
  /** What default actions denied, the last first. */
  readonly denied: readonly DeniedConnection[];
  /** Whether any attachment's denied packets are logged, so that `denied` can know of them. */
  readonly isDeniedLogged: boolean;
  readonly rejections: readonly RejectedValue[];
  readonly unknownKeys: readonly { readonly key: string; readonly reason: string }[];
  /** Rule sets that expire, the next first. */
  readonly expiring: readonly RuntimeRuleSet[];
}

/** How it stands with one prefix of KV. */
export interface WatchedPrefix {
  readonly prefix: string;
  readonly status: "starting" | "ok" | "failing" | "filtered";
  readonly index?: string;
  readonly lastSuccessMs?: number;
  /** Why it could not be read the last time. */
  readonly problem?: string;
}

export interface NodeCounts {
  readonly attachments: number;
  readonly enforced: number;
  readonly audited: number;
  readonly expired: number;
}

/** A part of the attachments. */
export interface AttachmentsPage {
  readonly rows: readonly CountedAttachment[];
  /** What was searched for; empty: nothing. */
  readonly query: string;
  /** How many match. */
  readonly matching: number;
  /** From 1 on. */
  readonly page: number;
  readonly pages: number;
}

export interface CountedAttachment extends ListedAttachment, Pick<AttachmentView, "defaultAction"> {}

/** With the chain of the attachment that it was of, where that is still there. */
export interface DeniedConnection extends ObservedConnection {
  readonly chain?: string;
}

export interface RejectedValue {
  readonly key: string;
  readonly modifyIndex: number;
  /** Of the version that stays in force. */
  readonly keptModifyIndex?: number;
  readonly sinceMs: number;
  readonly issues: readonly LocatedIssue[];
}
