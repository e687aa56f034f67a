import { findLockDescriptor } from "./lock-holder.ts";
import { withLock } from "./lock.ts";

/** Shared by everything of ours that changes a node's chains. Do not rename: versions must exclude each other. */
const NODE_LOCK = "cni-outbound";
const NODE_LOCK_TIMEOUT_MS = 15_000;

/** The node's lock, as one process holds it now and then. */
export interface NodeLock {
  /**
   * Runs `work` while no other process of ours changes this node's chains.
   *
   * @throws LockTimeoutError when the lock was not free within 15 s
   */
  readonly run: <T>(work: () => Promise<T>) => Promise<T>;
  /**
   * While it is held: what a child that changes the kernel inherits. Where this process is killed its child goes on,
   * and whoever takes the lock next must not be at work beside it.
   */
  readonly descriptor: () => number | undefined;
}

export function createNodeLock({ signal }: { readonly signal?: AbortSignal } = {}): NodeLock {
  let descriptor: number | undefined;
  return {
    descriptor: () => descriptor,
    run: (work) =>
      withLock(NODE_LOCK, {
        timeoutMs: NODE_LOCK_TIMEOUT_MS,
        ...(signal && { signal }),
        work: async () => {
          descriptor = findLockDescriptor(NODE_LOCK);
          try {
            return await work();
          } finally {
            descriptor = undefined;
          }
        },
      }),
  };
}
