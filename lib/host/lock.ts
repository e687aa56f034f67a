import { connect, createServer, type Server, type Socket } from "node:net";

/**
 * Runs `work` while no other process of this network namespace does so under the same name: an abstract unix socket
 * can be listened on by one process only, is scoped to the network namespace as iptables is, and is freed by the
 * kernel when its owner dies (unix(7)), and every child that inherited it has. A process that waits is connected to the owner and wakes when it lets go.
 *
 * @throws LockTimeoutError when the lock was not free within `timeoutMs`
 */
export async function withLock<T>(name: string, { timeoutMs, work, signal }: LockOptions<T>): Promise<T> {
  const deadline = AbortSignal.any([AbortSignal.timeout(timeoutMs), ...(signal ? [signal] : [])]);
  const path = `\0${name}`;
  for (;;) {
    const release = await tryListen(path);
    if (release) {
      try {
        return await work();
      } finally {
        await release();
      }
    }
    if (deadline.aborted) throw new LockTimeoutError(`Cannot take lock ${name}: still held after ${timeoutMs} ms`);
    await waitForRelease(path, deadline);
  }
}

export interface LockOptions<T> {
  readonly timeoutMs: number;
  readonly work: () => Promise<T>;
  readonly signal?: AbortSignal;
}

export class LockTimeoutError extends Error {
  override readonly name = "LockTimeoutError";
}

function tryListen(path: string): Promise<(() => Promise<void>) | undefined> {
  return new Promise((resolve, reject) => {
    const waiting = new Set<Socket>();
    const server = createServer((socket) => {
      waiting.add(socket);
      socket.on("error", () => {}).on("close", () => waiting.delete(socket));
    });
    server.once("error", (error: NodeJS.ErrnoException) =>
      error.code === "EADDRINUSE" ? resolve(undefined) : reject(error),
    );
    server.listen(path, () => resolve(() => close(server, waiting)));
  });
}

function close(server: Server, waiting: ReadonlySet<Socket>): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    for (const socket of waiting) socket.destroy();
  });
}

/** Resolves when the owner lets go, dies or was gone already, or when `deadline` aborts. */
function waitForRelease(path: string, deadline: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const socket = connect(path);
    const done = (): void => {
      deadline.removeEventListener("abort", done);
      socket.destroy();
      resolve();
    };
    socket.on("error", done).on("close", done);
    socket.resume();
    deadline.addEventListener("abort", done, { once: true });
  });
}
