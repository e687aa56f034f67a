import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { afterAll, beforeAll, expect, test } from "vitest";
import { outboundPath } from "../support/cni/outbound.ts";
import { HOSTILE_SERVERS } from "./corpus/hostile-servers.ts";
import { fuzz } from "./support/campaign.ts";
import { claim } from "./support/claim.ts";
import { endingAnswers, startHostileConsul, type HostileConsul } from "./support/hostile-consul.ts";

/** A read may take 10 s; a machine under load takes its time to start a process. */
const MOST_MS = 60_000;
/** Twice the largest body that is read to its end, and what the runtime itself takes. */
const MOST_MEMORY_KIB = 700 * 1024;
const AT_ONCE = 8;

let server: HostileConsul;
beforeAll(async () => {
  server = await startHostileConsul();
});
afterAll(() => server.close());

fuzz("the executable and Consul's answers", {
  inputs: { short: 24, long: 800 },
  size: AT_ONCE,
  isShrunk: false,
  arbitrary: endingAnswers(AT_ONCE),
  check: async (answers) => {
    server.serve(answers);
    const runs = await Promise.all(answers.map((_, number) => listRules(`${server.url}/${number}`)));
    for (const [number, run] of runs.entries()) claimCivil(run, answers[number]);
  },
});

test(
  "the executable ends, and soon, whatever Consul does to hold it up",
  async () => {
    await Promise.all(
      Object.entries(HOSTILE_SERVERS).map(async ([name, answer]) => {
        const run = await listRulesFrom(answer);
        claimCivil(run, name);
        expect({ name, exitCode: run.exitCode }).toEqual({ name, exitCode: 1 });
      }),
    );
  },
  2 * MOST_MS,
);

async function listRulesFrom(answer: (socket: Socket) => void): Promise<Run> {
  const sockets = new Set<Socket>();
  const hostile = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => socket.destroy());
    socket.once("data", () => answer(socket));
  });
  hostile.listen(0, "127.0.0.1");
  await once(hostile, "listening");
  const address = hostile.address();
  if (address === null || typeof address === "string") throw new Error("Cannot listen: the server has no port");
  const run = await listRules(`http://127.0.0.1:${address.port}`);
  for (const socket of sockets) socket.destroy();
  hostile.close();
  return run;
}

interface Run {
  readonly exitCode: number | null;
  readonly printed: string;
  readonly tookMs: number;
  readonly memoryKib: number;
}

function claimCivil(run: Run, answer?: unknown): void {
  const { exitCode, printed, tookMs, memoryKib } = run;
  claim(exitCode === 0 || exitCode === 1, "it ends by itself, with an answer", { run, answer });
  claim(exitCode === 0 || /^outbound: [^\n]{1,2000}\n$/.test(printed), "an error is one line", { run, answer });
  claim(!/[^\P{C}\n]/u.test(printed.replaceAll("\u{fffd}", "")), "no control character is printed", { run, answer });
  claim(tookMs < MOST_MS, "it ends soon", { run, answer });
  claim(memoryKib < MOST_MEMORY_KIB, "it fills no memory", { run, answer });
}

async function listRules(url: string): Promise<Run> {
  const startedMs = performance.now();
  const child = spawn(outboundPath, ["rules", "list"], {
    env: { CONSUL_HTTP_ADDR: url },
    stdio: ["ignore", "pipe", "pipe"],
    timeout: 2 * MOST_MS,
    killSignal: "SIGKILL",
  });
  let printed = "";
  let memoryKib = 0;
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding("utf8").on("data", (text) => (printed += text));
  const watch = setInterval(() => (memoryKib = Math.max(memoryKib, peakMemoryKib(child.pid))), 10);
  await once(child, "close");
  clearInterval(watch);
  return { exitCode: child.exitCode, printed, tookMs: performance.now() - startedMs, memoryKib };
}

function peakMemoryKib(pid: number | undefined): number {
  try {
    return Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0);
  } catch {
    return 0;
  }
}
