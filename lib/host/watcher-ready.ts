import { get } from "node:http";

/** One GET of the watcher's `/ready`, whatever its status code. @throws Error that goes after the address */
export function fetchReady(
  { host = "127.0.0.1", port }: { readonly host?: string; readonly port: number },
  { signal }: { readonly signal: AbortSignal },
): Promise<string> {
  return new Promise((resolve, reject) => {
    const request = get({ host, port, path: "/ready", agent: false, timeout: TIMEOUT_MS, signal }, (response) => {
      let body = "";
      response.setEncoding("utf8");
      response.on("data", (text: string) => {
        body += text;
        if (body.length > MOST_CHARACTERS) request.destroy(new Error("answers too much"));
      });
      response.on("error", reject);
      response.on("end", () => resolve(body));
    });
    request.on("timeout", () => request.destroy(new Error(`does not answer within ${TIMEOUT_MS} ms`)));
    request.on("error", (error: NodeJS.ErrnoException) =>
      reject(error.code === "ECONNREFUSED" ? new Error("is not listened on", { cause: error }) : error),
    );
  });
}

const TIMEOUT_MS = 2000;
const MOST_CHARACTERS = 4 * 1024 * 1024;
