import type { Check } from "../../../lib/doctor/check.ts";

/** `state name`, for tests of which check came out how. */
export function states(checks: readonly Check[]): readonly string[] {
  return checks.map(({ state, name }) => `${state} ${name}`);
}

/** Those that are not good. */
export function troubles(checks: readonly Check[]): readonly Check[] {
  return checks.filter(({ state }) => state !== "ok");
}
