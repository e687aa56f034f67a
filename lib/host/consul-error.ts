/**
 * `unreachable`: no connection, or it broke. `timeout`: no answer within the bound. `forbidden`: ACLs refuse the token,
 * or there is none to send. `no-leader`: the servers have none. `rate-limited`: asked to come back later. `server`: any
 * other status that means failure. `malformed`: an answer that Consul would not give, so some other program's.
 */
export type ConsulErrorKind =
  | "unreachable"
  | "timeout"
  | "forbidden"
  | "no-leader"
  | "rate-limited"
  | "server"
  | "malformed";

/** A request to Consul that failed. It never holds the token; it has no cause that might. */
export class ConsulError extends Error {
  override readonly name = "ConsulError";
  readonly kind: ConsulErrorKind;
  readonly statusCode?: number;

  constructor(message: string, options: { kind: ConsulErrorKind; statusCode?: number; cause?: unknown }) {
    super(message, options.cause === undefined ? {} : { cause: options.cause });
    this.kind = options.kind;
    if (options.statusCode !== undefined) {
      this.statusCode = options.statusCode;
    }
  }
}

/** What a status code other than 2xx and 404 means; `body` is Consul's plain text. */
export function kindOfStatus(statusCode: number, body: string): ConsulErrorKind {
  if (statusCode === 401 || statusCode === 403) {
    return "forbidden";
  }
  // Consul's limits answer 429 where another server may do better, and 503 where only the leader would.
  if (statusCode === 429 || (statusCode === 503 && /rate limit/i.test(body))) {
    return "rate-limited";
  }
  return /no cluster leader|leader not found|leadership lost|no known leader/i.test(body) ? "no-leader" : "server";
}
