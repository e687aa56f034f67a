/** What the keys of all rule sets start with: `outbound/rules/`. */
export function rulesRoot(prefix: string): string {
  return `${prefix}/rules/`;
}

/** What the keys that watchers tell of their nodes in start with: `outbound/status/`. */
export function statusRoot(prefix: string): string {
  return `${prefix}/status/`;
}
