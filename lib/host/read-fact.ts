import { isUnread, NEEDS_ROOT, type Fact, type Unread } from "../doctor/check.ts";

/** What `read` returns, or why it could not be read. */
export function readFact<T>(read: () => T): Fact<T> {
  try {
    return read();
  } catch (error) {
    return toUnread(error);
  }
}

/** The same of what takes time. */
export async function awaitFact<T>(promise: Promise<T>): Promise<Fact<T>> {
  try {
    return await promise;
  } catch (error) {
    return toUnread(error);
  }
}

/** What follows from a fact; nothing follows from one that could not be read. */
export function mapFact<T, U>(fact: Fact<T>, map: (value: T) => U): Fact<U> {
  return isUnread(fact) ? fact : map(fact);
}

function toUnread(error: unknown): Unread {
  if (!(error instanceof Error)) return { unread: String(error) };
  const code = "code" in error ? error.code : undefined;
  if (code === "EACCES" || code === "EPERM") return { unread: NEEDS_ROOT };
  if (error.name === "TimeoutError") return { unread: "no answer in time" };
  return { unread: error.message };
}
