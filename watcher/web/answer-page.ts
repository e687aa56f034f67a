import type { IncomingMessage, ServerResponse } from "node:http";
import type { Log } from "../../lib/host/log.ts";
import { show } from "../../lib/policy/show.ts";
import { isAllowedHost } from "../../lib/web/allowed-host.ts";
import type { RequestLimit } from "../request-limit.ts";
import type { Document, Pages } from "./pages.ts";

/** Pages over HTTP. */
export interface PageAnswers {
  /** Answers a GET or HEAD; false where there is no such page, and nothing is answered. */
  readonly answer: (request: IncomingMessage, response: ServerResponse) => boolean;
}

export interface PageAnswersPorts {
  readonly pages: Pages;
  /** Names besides addresses and `localhost` that pages may be asked for by. */
  readonly names: readonly string[];
  /** To make a page takes the time of everything else that the watcher does. */
  readonly limit: RequestLimit;
  readonly log: Log;
}

/** Nothing but our own files, and nobody's frame: whatever got into a page could not run, nor send anything anywhere. */
const HEADERS = {
  "content-security-policy":
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  "cross-origin-resource-policy": "same-origin",
  "cache-control": "no-store",
};

export function createPageAnswers({ pages, names, limit, log }: PageAnswersPorts): PageAnswers {
  return {
    answer({ url = "", headers: { host } }, response) {
      const make = pages.find(url);
      if (!make) return false;
      if (isAllowedHost(host, names)) void answerWith(make, response);
      else write(response, refusal(host));
      return true;
    },
  };

  async function answerWith(make: () => Promise<Document>, response: ServerResponse): Promise<void> {
    const gone = new AbortController();
    response.once("close", () => gone.abort());
    try {
      await limit.take(gone.signal);
      write(response, await make());
    } catch (error) {
      if (gone.signal.aborted) return;
      log.error({ error: String(error) }, "Cannot make a page");
      write(response, {
        status: 500,
        type: "text/plain; charset=utf-8",
        text: "Cannot make this page: see the watcher's log\n",
      });
    }
  }
}

function write(response: ServerResponse, { status, type, text }: Document): void {
  response.writeHead(status, { ...HEADERS, "content-type": type }).end(text);
}

/** As DNS rebinding would ask (421: RFC 9110, section 15.5.20). */
function refusal(host: string | undefined): Document {
  const wanted = "an address, localhost, this node's name, or one of --web-names";
  const text = `Cannot show this page: it is asked for as ${show(host)}, expected ${wanted}\n`;
  return { status: 421, type: "text/plain; charset=utf-8", text };
}
