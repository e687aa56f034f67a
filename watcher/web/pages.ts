import type { Clock } from "../../lib/host/clock.ts";
import { viewAttachment } from "../../lib/inspect/attachment-view.ts";
import { findAllocation } from "../../lib/inspect/find-allocation.ts";
import { tablesOf } from "../../lib/inspect/kernel-listings.ts";
import type { ObservedConnection } from "../../lib/observed/connection.ts";
import type { Attachment } from "../../lib/policy/attachment.ts";
import { groupProblems } from "../../lib/policy/identity-problem.ts";
import { renderAllocationPage } from "../../lib/web/attachment-page.ts";
import { renderClusterPage } from "../../lib/web/cluster-page.ts";
import type { ClusterView } from "../../lib/web/cluster-verdict.ts";
import { ICON } from "../../lib/web/icon.ts";
import { renderMessage, type PageOptions } from "../../lib/web/layout.ts";
import { LINES_READ, RULE_BOUNDS } from "../../lib/web/limits.ts";
import { LIVE_SCRIPT } from "../../lib/web/live-script.ts";
import { renderNodePage } from "../../lib/web/node-page.ts";
import { STYLE_SHEET } from "../../lib/web/style-sheet.ts";
import type { WatchState } from "../watch.ts";
import { viewNode } from "./node-view.ts";
import type { KernelReading } from "./kernel-reading.ts";
import type { SharedReading } from "./shared-reading.ts";

/** What a browser is sent. */
export interface Document {
  readonly status: number;
  readonly type: string;
  readonly text: string;
}

/** The pages of a watcher: they show, and change nothing. */
export interface Pages {
  /** Undefined where there is no such page. */
  readonly find: (target: string) => (() => Promise<Document>) | undefined;
}

export interface PagesPorts {
  readonly state: () => WatchState;
  readonly connections: () => readonly ObservedConnection[];
  readonly kernel: SharedReading<KernelReading>;
  readonly cluster: SharedReading<ClusterView>;
  readonly clock: Pick<Clock, "nowMs">;
}

const HTML = "text/html; charset=utf-8";
const ATTACHMENTS = "/attachments/";
const LONGEST_QUERY = 200;

const FILES: Readonly<Record<string, Document>> = {
  "/style.css": { status: 200, type: "text/css; charset=utf-8", text: STYLE_SHEET },
  "/live.js": { status: 200, type: "text/javascript; charset=utf-8", text: LIVE_SCRIPT },
  "/icon.svg": { status: 200, type: "image/svg+xml", text: ICON },
};

export function createPages(options: Pick<PageOptions, "node" | "version">, ports: PagesPorts): Pages {
  const about = () => ({ ...options, nowMs: ports.clock.nowMs() });
  const answer = (text: string, status = 200): Document => ({ status, type: HTML, text });
  return {
    find(target) {
      const [path = "", search = ""] = target.split("?", 2);
      const file = Object.hasOwn(FILES, path) ? FILES[path] : undefined;
      if (file) return () => Promise.resolve(file);
      if (path === "/") return () => nodePage(new URLSearchParams(search));
      if (path === "/cluster") return async () => answer(renderClusterPage(await ports.cluster.get(), about()));
      if (path.startsWith(ATTACHMENTS)) return () => allocationPage(path.slice(ATTACHMENTS.length));
      return undefined;
    },
  };

  async function nodePage(search: URLSearchParams): Promise<Document> {
    const { listings, atMs } = await ports.kernel.get();
    const query = (search.get("q") ?? "").trim().slice(0, LONGEST_QUERY).toWellFormed();
    const page = Math.trunc(Number(search.get("page"))) || 1;
    const view = viewNode(ports.state(), { ...about(), listings, connections: ports.connections(), query, page });
    return answer(renderNodePage(view, { ...about(), countedAtMs: atMs }));
  }

  async function allocationPage(segment: string): Promise<Document> {
    const { listings, atMs } = await ports.kernel.get();
    const { attachments, applied, unidentified } = ports.state();
    const identityProblems = groupProblems(unidentified);
    const found = find(segment, attachments);
    if ("problem" in found) {
      return answer(renderMessage({ ...about(), title: "No such allocation", lines: found.problem.split("\n") }), 404);
    }
    const context = applied ?? { runtimeRules: { node: options.node, ruleSets: [] }, nowMs: 0 };
    const observed = ports.connections();
    const views = found.attachments.map((attachment) => {
      const kernel = tablesOf(listings, (index) => index.reach(attachment.chain, LINES_READ));
      return viewAttachment(attachment, { context, kernel, identityProblems, observed, bounds: RULE_BOUNDS });
    });
    return answer(
      renderAllocationPage({ views, runtimeRules: context.runtimeRules }, { ...about(), countedAtMs: atMs }),
    );
  }
}

type Found = { readonly attachments: readonly Attachment[] } | { readonly problem: string };

/** By its chain, or by its allocation's id or the start of that. */
function find(segment: string, attachments: readonly Attachment[]): Found {
  try {
    const id = decodeURIComponent(segment);
    const byChain = attachments.filter(({ chain }) => chain === id);
    return { attachments: byChain.length > 0 ? byChain : findAllocation(id, attachments) };
  } catch (error) {
    return { problem: error instanceof Error ? error.message : String(error) };
  }
}
