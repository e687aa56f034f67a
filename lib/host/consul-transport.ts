import type { ClientRequest, IncomingMessage, RequestOptions } from "node:http";

/** What makes a request: `node:http`, `node:https`, or one around them. */
export interface Transport {
  request(options: RequestOptions): ClientRequest;
}

/** Stands for an answer that was cut off because it was larger than allowed. */
export class BodyTooLargeError extends Error {
  override readonly name = "BodyTooLargeError";
}

const KEEP_ALIVE_MS = 15_000;

/**
 * Adds what papi lacks: a dead peer is noticed while a query blocks, and an answer that breaks off or exceeds `maxBytes`
 * becomes an error of its request. papi listens for neither and would wait for its timeout.
 */
export function boundedTransport(transport: Transport, options: { maxBytes: number }): Transport {
  return {
    request(requestOptions) {
      const request = transport.request(requestOptions);
      request.on("socket", (socket) => socket.setKeepAlive(true, KEEP_ALIVE_MS));
      request.on("response", (response) => boundResponse(response, request, options.maxBytes));
      return request;
    },
  };
}

function boundResponse(response: IncomingMessage, request: ClientRequest, maxBytes: number): void {
  let bytes = 0;
  response.on("data", (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > maxBytes) {
      fail(new BodyTooLargeError(`the answer has more than ${maxBytes} bytes`));
    }
  });
  // Its error for an answer that breaks off is called "aborted", which would read as if we had.
  response.on("error", () => fail(new Error("the answer broke off")));
  response.on("close", () => {
    if (!response.complete) {
      fail(new Error("the answer broke off"));
    }
  });

  function fail(error: Error): void {
    // papi takes the first error of a request and ignores the others.
    request.emit("error", error);
    request.destroy();
  }
}
