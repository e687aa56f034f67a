import { EventEmitter } from "node:events";
import { IncomingMessage } from "node:http";
import type NpmConsul from "consul";
import { ConsulError, kindOfStatus } from "./consul-error.ts";
import { createPackageClient } from "./consul-package.ts";
import type { ConsulSettings } from "./consul-settings.ts";
import { readToken } from "./consul-token.ts";
import { BodyTooLargeError } from "./consul-transport.ts";

/** Options that every call of the package takes, though its types leave most of them out. */
export interface CallOptions {
  readonly token?: string;
  readonly timeout: number;
  readonly ctx: EventEmitter;
}

export interface ConsulReply {
  readonly statusCode: number;
  readonly headers: IncomingMessage["headers"];
  readonly body: Uint8Array;
}

export interface RequestOptions {
  /** What the request is for, as in `Cannot <action>: …`. */
  readonly action: string;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/** The package `consul`, made to answer with bytes and to fail with a {@link ConsulError}. */
export interface ConsulClient {
  /**
   * `send` calls one method of the package with the options it is given and its own. Answers 2xx and 404.
   * @throws ConsulError; the signal's reason when it aborts
   */
  request(
    send: (consul: NpmConsul, options: CallOptions) => Promise<unknown>,
    options: RequestOptions,
  ): Promise<ConsulReply>;
  close(): void;
}

/** @throws Error when a certificate file cannot be read; such files are read once */
export function createConsulClient(settings: ConsulSettings, limits: { readonly maxBodyBytes: number }): ConsulClient {
  const consul = createPackageClient(settings, limits);

  return {
    async request(send, { action, timeoutMs, signal }) {
      signal.throwIfAborted();
      const token = await readToken(settings);
      signal.throwIfAborted();

      const ctx = Object.assign(new EventEmitter(), { includeResponse: true });
      const cancel = (): unknown => ctx.emit("cancel");
      signal.addEventListener("abort", cancel, { once: true });
      try {
        const call = { timeout: timeoutMs, ctx };
        return replyOf(await send(consul, token === undefined ? call : { ...call, token }));
      } catch (error) {
        signal.throwIfAborted();
        throw classify(error, { action, timeoutMs, token });
      } finally {
        signal.removeEventListener("abort", cancel);
      }
    },
    close: () => consul.destroy(),
  };
}

/** The package answers `[response]` or `[response, data]` when the context asks for the response. */
function replyOf(answer: unknown): ConsulReply {
  const response: unknown = Array.isArray(answer) ? answer[0] : undefined;
  if (!(response instanceof IncomingMessage)) {
    throw new TypeError("the package consul gave no response");
  }
  return { statusCode: response.statusCode ?? 0, headers: response.headers, body: bodyOf(response) };
}

function bodyOf(response: object): Uint8Array {
  return "body" in response && response.body instanceof Uint8Array ? response.body : new Uint8Array();
}

/** The package's own errors hold the request with its headers, so none of them becomes a cause. */
function classify(error: unknown, call: { action: string; timeoutMs: number; token: string | undefined }): ConsulError {
  const fail = `Cannot ${call.action}`;
  if (!(error instanceof Error)) {
    return new ConsulError(`${fail}: unknown failure`, { kind: "server" });
  }
  if ("isTimeout" in error) {
    return new ConsulError(`${fail}: no answer within ${call.timeoutMs} ms`, { kind: "timeout" });
  }
  if ("isResponse" in error && "response" in error && error.response instanceof IncomingMessage) {
    return statusError(fail, error.response, call.token);
  }
  // The package puts its name and the call's before the message.
  const problem = error.message.replace(/^consul: [\w.]+: /, "");
  const kind = error instanceof BodyTooLargeError ? "malformed" : "unreachable";
  return new ConsulError(`${fail}: ${problem}`, { kind });
}

function statusError(fail: string, response: IncomingMessage, token: string | undefined): ConsulError {
  const statusCode = response.statusCode ?? 0;
  const body = new TextDecoder().decode(bodyOf(response).subarray(0, 4096)).trim();
  // Cut only then: half a token is one too.
  const shown = (token === undefined ? body : body.replaceAll(token, "[token]")).slice(0, 200);
  const explanation = shown === "" ? "" : `, ${JSON.stringify(shown)}`;
  return new ConsulError(`${fail}: Consul answers ${statusCode}${explanation}`, {
    kind: kindOfStatus(statusCode, body),
    statusCode,
  });
}
