import { cp, mkdir, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ensurePackages } from "../setup/packages.ts";
import type { Background } from "../support/background.ts";
import { outboundPath } from "../support/cni/outbound.ts";
import { type ContainerEngine, importBase, startContainerEngine } from "../support/container-engine.ts";
import type { Container } from "../support/container.ts";
import { variants } from "../support/variant.ts";
import { waitUntil } from "../support/wait.ts";
import { acceptTo, type RunningNode, savedRules, startRunningNode, untilVerdict } from "./running-node.ts";

const deploy = join(import.meta.dirname, "..", "..", "deploy");
const image = "cni-outbound";
const base = "cni-outbound-test/base";

/** The words of `docker run` that the Containerfile tells an operator to type. */
async function readRunCommand(): Promise<readonly string[]> {
  const text = await readFile(join(deploy, "Containerfile"), "utf8");
  const [, command = ""] = /^# +docker (run (?:.*\\\n)*.*)\n/m.exec(text) ?? [];
  return command.split(/[#\\\s]+/);
}

async function buildImage(engine: ContainerEngine, directory: string): Promise<void> {
  const context = join(directory, "context");
  const architecture = process.arch === "arm64" ? "arm64" : "amd64";
  await mkdir(context);
  await cp(outboundPath, join(context, `outbound-linux-${architecture}`));
  for (const name of ["Containerfile", "container-entry.sh"]) await cp(join(deploy, name), join(context, name));
  await importBase(engine, { image: base, directory });
  const given = [`BASE=${base}`, `TARGETARCH=${architecture}`].flatMap((value) => ["--build-arg", value]);
  const where = ["--network", "none", "-f", join(context, "Containerfile"), "-t", image, context];
  await engine.docker(["build", ...given, ...where], { timeoutMs: 120_000 });
}

// Only where the machine forbids containers; `npm test` then says that this did not run, and why.
describe.skipIf((process.env["CONSUL_IMAGE"] ?? "") === "")("the container image", () => {
  let directory: string;

  beforeAll(async () => {
    await ensurePackages({ docker: true });
    directory = await mkdtemp(join(tmpdir(), "cni-outbound-engine-"));
  }, 900_000);

  afterAll(() => rm(directory, { recursive: true, force: true }));

  describe.each(variants)("on a node with iptables-%s", (backend) => {
    let running: RunningNode;
    let engine: ContainerEngine;
    let container: Container;
    let watcher: Background;

    beforeAll(async () => {
      running = await startRunningNode({ backend });
      const { node, conflist } = running;
      engine = await startContainerEngine(node, directory);
      const built = await engine.docker(["image", "inspect", image], { allowFailure: true });
      if (built.exitCode !== 0) await buildImage(engine, directory);
      container = await node.attach({ conflist });
      await mkdir(node.cacheDir, { recursive: true, mode: 0o700 });
      const words = (await readRunCommand()).map((word) =>
        word
          .replace(/^IPTABLES_VARIANT=.*/, `IPTABLES_VARIANT=${backend}`)
          .replace(/^\/run\/cni-outbound:/, `${node.stateDir}:`)
          .replace(/^\/var\/lib\/cni-outbound:/, `${node.cacheDir}:`),
      );
      watcher = await engine.start([...words, "watch", "--node", node.name]);
      await waitUntil(() => watcher.stdout().includes('"In sync with Consul"'), {
        what: "the watcher to be in sync",
        timeoutMs: 20_000,
      }).catch((cause: unknown) => {
        throw new Error(`Cannot start the watcher: ${watcher.stdout()}${watcher.stderr()}`, { cause });
      });
    }, 300_000);

    afterAll(async () => {
      await engine.close();
      await running.close();
    });

    test("the watcher writes the variant that the plugin on the host wrote", () => {
      expect(watcher.stdout()).toContain(`"variant":"${backend === "nft" ? "nf_tables" : "legacy"}"`);
    });

    test("the watcher follows KV, both families", async () => {
      for (const address of [running.outside[4], running.outside[6]]) {
        await running.put("global/open", acceptTo(running, 1001));
        await untilVerdict(container, { address, port: 1001 }, "open");
        await running.remove("global/open");
        await untilVerdict(container, { address, port: 1001 }, "timeout");
        expect(await container.connect({ address, port: 80, timeoutMs: 100 })).toBe("timeout");
      }
    });

    test("the watcher repairs what somebody flushed, and has nothing else to complain of", async () => {
      const { node } = running;
      const before = await savedRules(node);
      for (const program of ["iptables", "ip6tables"]) await node.exec([program, "-w", "-F", "CNI-OUTBOUND"]);
      await waitUntil(async () => (await savedRules(node)) === before, { what: "the repair", timeoutMs: 15_000 });
      const lines = watcher.stdout().split("\n");
      expect(lines.filter((line) => /"level":"(?:warn|error)"/.test(line) && !line.includes("Somebody"))).toEqual([]);
    });

    test("SIGTERM to the container ends the watcher, and the rules stay", async () => {
      const before = await savedRules(running.node);
      await watcher.kill("SIGTERM");
      expect(watcher.exitCode()).toBe(0);
      expect(watcher.stdout()).toContain("Watcher stopped, the rules stay");
      expect(await savedRules(running.node)).toBe(before);
    });
  });

  test("does not start a watcher without a variant, or with one that it has not", async () => {
    const node = await startRunningNode({ backend: "nft" });
    const engine = await startContainerEngine(node.node, directory);
    try {
      const run = (...args: readonly string[]) =>
        engine.docker(["run", "--rm", "--network", "none", ...args], { allowFailure: true });
      const [without, other] = [await run(image), await run("-e", "IPTABLES_VARIANT=nf_tables", image)];
      expect([without.exitCode, other.exitCode]).toEqual([2, 2]);
      expect(without.stderr).toContain("IPTABLES_VARIANT is not set");
      expect(other.stderr).toContain('is "nf_tables", expected nft or legacy');
      expect(await run(image, "--version")).toMatchObject({ exitCode: 0 });
    } finally {
      await engine.close();
      await node.close();
    }
  });
});
