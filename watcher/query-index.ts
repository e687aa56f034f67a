/**
 * The index to block on next. Never an index that makes a query return at once again and again: a missing index or 0
 * becomes 1, which is always safe to block on (Consul's api-docs/features/blocking). An index that went backwards
 * becomes 0, a read that does not block: the servers were restored or wiped, or a tombstone was reaped, and blocking on
 * the old index would hear of nothing until the new one has caught up.
 */
export function nextIndex(previous: bigint, received: bigint | undefined): bigint {
  if (isBackwards(previous, received)) {
    return 0n;
  }
  return received === undefined || received < 1n ? 1n : received;
}

/** Whether an index that was received says that the state behind it is not a later version of what was read before. */
export function isBackwards(previous: bigint, received: bigint | undefined): boolean {
  return received !== undefined && received > 0n && received < previous;
}
