import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ensurePackages } from "../setup/packages.ts";
import { exampleConflist } from "../support/cni/conflist.ts";
import type { Background } from "../support/background.ts";
import { type ClientNode, createNode } from "../support/network-namespace.ts";
import { applyRuntimeRules } from "../support/runtime-rules.ts";
import { variants } from "../support/variant.ts";
import { monotonicMs, waitUntil } from "../support/wait.ts";

beforeAll(() => ensurePackages({ docker: false }), 900_000);

const servers = [
  { port: "8001", pace: "bulk" },
  { port: "8002", pace: "drip" },
] as const;

/** Sends to whoever connects: as much as the socket takes, or a little at a time. */
const server = `
  const [port, pace] = process.argv.slice(1);
  require("net").createServer({ noDelay: true }, (socket) => {
    socket.on("error", () => {});
    const bulk = Buffer.alloc(65536);
    const fill = () => { while (socket.write(bulk)); };
    if (pace === "drip") setInterval(() => socket.write(Buffer.alloc(100)), 10);
    else { socket.on("drain", fill); fill(); }
  }).listen({ port, host: "::" }, () => console.log("listening"));
`;

/** Prints when something came, as CLOCK_MONOTONIC's milliseconds, and how much there was up to then. */
const client = `
  const [address, port] = process.argv.slice(1);
  let total = 0;
  require("net").connect(port, address).on("error", () => {}).on("data", (data) => {
    total += data.length;
    console.log(Number(process.hrtime.bigint()) / 1e6 + " " + total);
  });
`;

/** What is sent again, ever more seldom, is not new. */
const STALLED_MS = 1_000;

describe.each(variants)(
  "with iptables-%s, a server that goes on sending on a TCP connection that was cut",
  (backend) => {
    let node: ClientNode;

    beforeAll(async () => {
      node = await createNode({ backend });
      for (const [port, pace] of [
        ["8001", "bulk"],
        ["8002", "drip"],
      ] as const) {
        const started = await node.outside.start([process.execPath, "-e", server, port, pace]);
        await waitUntil(() => started.stdout().includes("listening"), { what: `the ${pace} server` });
      }
    });

    afterAll(async () => {
      await node.close();
    });

    test("gets no more to the container than one window", async () => {
      await applyRuntimeRules(node, {});
      const outbound = { outboundRules: [{ proto: "tcp", action: "ACCEPT" }] };
      const container = await node.attach({ conflist: exampleConflist(node, { outbound }) });
      const { stdout: rmem } = await container.exec(["cat", "/proc/sys/net/ipv4/tcp_rmem"]);
      const clients = await Promise.all(
        [node.outside.v4[0], node.outside.v6[0]].flatMap((address) =>
          servers.map(async ({ pace, port }) => {
            const program = await container.start([process.execPath, "-e", client, address, port]);
            return { what: `${pace} from ${address}`, program };
          }),
        ),
      );
      for (const { program } of clients) {
        await waitUntil(() => arrivals(program).length > 50, { what: "data to come" });
      }
      await applyRuntimeRules(node, { "global/deny": { action: "DROP" } });
      const deniedAtMs = monotonicMs();
      for (const { what, program } of clients) {
        const last = await waitUntil(() => stalled(program, deniedAtMs), {
          what: `${what} to stall`,
          timeoutMs: 15_000,
        });
        const before = arrivals(program).findLast(({ atMs }) => atMs < deniedAtMs);
        const bytes = last.total - (before?.total ?? 0);
        const afterMs = Math.max(0, last.atMs - deniedAtMs).toFixed(0);
        console.log(`${backend}: ${what} ${bytes} B more, the last ${afterMs} ms after the deny`);
        expect(bytes).toBeLessThan(Number(rmem.trim().split(/\s+/).at(-1)));
      }
      await container.detach();
    });
  },
);

interface Arrival {
  readonly atMs: number;
  /** Of all bytes up to then. */
  readonly total: number;
}

function stalled(program: Background, sinceMs: number): Arrival | undefined {
  const last = arrivals(program).at(-1);
  return last && monotonicMs() - Math.max(last.atMs, sinceMs) > STALLED_MS ? last : undefined;
}

function arrivals(program: Background): readonly Arrival[] {
  const lines = program.stdout().split("\n").slice(0, -1);
  return lines.map((line) => ({ atMs: Number(line.split(" ")[0]), total: Number(line.split(" ")[1]) }));
}
