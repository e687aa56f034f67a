import { once } from "node:events";
import { request as requestHttp, type IncomingMessage } from "node:http";
import { request as requestHttps } from "node:https";
import type { HttpAddress } from "./http-settings.ts";

export interface HttpAnswer {
  readonly statusCode: number;
  readonly body: string;
}

export interface GetOptions {
  /** Begins with a slash. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  /** What node:https takes. */
  readonly tls: object;
  /** From the question to the answer's last byte. */
  readonly timeoutMs: number;
  readonly maxBytes: number;
  readonly signal: AbortSignal;
}

/** No answer within the bound. */
export class NoAnswerError extends Error {
  override readonly name = "NoAnswerError";
}

/** An answer of more bytes than allowed. */
export class TooMuchError extends Error {
  override readonly name = "TooMuchError";
}

/**
 * One GET on a connection of its own: what asks this way asks so seldom that a kept connection would have died.
 * @throws NoAnswerError; TooMuchError; the system's error; the signal's reason when it aborts
 */
export async function get({ url, socketPath }: HttpAddress, options: GetOptions): Promise<HttpAnswer> {
  const { path, headers, tls, timeoutMs, maxBytes, signal } = options;
  const { protocol, hostname, port, pathname } = new URL(url);
  const bounded = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
  const isTls = protocol === "https:";
  const call = {
    agent: false,
    headers,
    path: `${pathname.replace(/\/$/, "")}${path}`,
    ...(socketPath === undefined ? { host: hostname.replace(/^\[(.*)\]$/, "$1"), port } : { socketPath }),
  };
  const request = isTls ? requestHttps({ ...call, ...tls }) : requestHttp(call);
  const cut = (): unknown => request.destroy(new Error("cut off"));
  // What fails after the answer's head has come is told by the answer.
  request.on("error", () => {});
  bounded.addEventListener("abort", cut, { once: true });
  try {
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      request.once("response", resolve);
      request.once("error", reject);
      request.end();
    });
    return { statusCode: response.statusCode ?? 0, body: await readBody(response, { maxBytes, signal: bounded }) };
  } catch (error) {
    signal.throwIfAborted();
    if (bounded.aborted) throw new NoAnswerError(`no answer within ${timeoutMs} ms`, { cause: error });
    throw error;
  } finally {
    bounded.removeEventListener("abort", cut);
    request.destroy();
  }
}

async function readBody(
  response: IncomingMessage,
  { maxBytes, signal }: { readonly maxBytes: number; readonly signal: AbortSignal },
): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  const closed = once(response, "close", { signal });
  response.on("data", (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes <= maxBytes) chunks.push(chunk);
    else response.destroy(new TooMuchError(`the answer has more than ${maxBytes} bytes`));
  });
  try {
    await closed;
  } catch (error) {
    // Its own error for an answer that breaks off is called "aborted", which would read as if we had.
    throw error instanceof TooMuchError ? error : new Error("the answer broke off", { cause: error });
  }
  if (!response.complete) throw new Error("the answer broke off");
  return Buffer.concat(chunks).toString("utf8");
}
