/** `unknown`: what it takes to tell could not be had, such as root. */
export type CheckState = "ok" | "warning" | "problem" | "unknown";

/** One thing that rules depend on. */
export interface Check {
  /** The same words whatever the outcome is; a conflist has one check for each thing wrong with it. */
  readonly name: string;
  readonly state: CheckState;
  readonly message: string;
  /** What to do about it. */
  readonly remedy?: string;
}

export function ok(name: string, message: string): Check {
  return { name, state: "ok", message };
}

export function warning(name: string, trouble: Trouble): Check {
  return { name, state: "warning", ...trouble };
}

export function problem(name: string, trouble: Trouble): Check {
  return { name, state: "problem", ...trouble };
}

export function unknown(name: string, { message, remedy }: Partial<Trouble> & Pick<Check, "message">): Check {
  return { name, state: "unknown", message, ...(remedy !== undefined && { remedy }) };
}

export interface Trouble {
  readonly message: string;
  readonly remedy: string;
}

/** A fact that could not be had, and why: `needs root`. */
export interface Unread {
  readonly unread: string;
}

/** Why something could not be read that root could read. */
export const NEEDS_ROOT = "needs root";

export type Fact<T> = T | Unread;

export function isUnread(fact: unknown): fact is Unread {
  return typeof fact === "object" && fact !== null && "unread" in fact;
}
