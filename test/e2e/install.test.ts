import { existsSync } from "node:fs";
import { appendFile, chmod, mkdir, mkdtemp, open, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { ensurePackages } from "../setup/packages.ts";
import { type Conflist, exampleConflist } from "../support/cni/conflist.ts";
import type { CommandOutcome } from "../support/command.ts";
import { type JsonObject, parseOwnJson } from "../support/json.ts";
import { type ClientNode, createNode } from "../support/network-namespace.ts";
import { takeSnapshot } from "../support/node-snapshot.ts";
import { makeRelease, readTree, withoutTimes, writeSums } from "../support/release.ts";
import { variants } from "../support/variant.ts";
import { monotonicMs } from "../support/wait.ts";

/** A node and an empty root to install into. */
interface Client {
  readonly node: ClientNode;
  readonly root: string;
  readonly releases: string;
  /** Runs install.sh of a release by its name. */
  readonly install: (release: string, ...args: readonly string[]) => Promise<CommandOutcome>;
  /** The conflist as it is installed. */
  readonly installed: () => Promise<Conflist>;
  close(): Promise<void>;
}

/** Each run of the script moves some 300 MB. */
const slow = { timeout: 300_000 };

/** In memory where there is such a folder: 100 MB an installation, each brought to the disk, take their time. */
const folder = existsSync("/dev/shm") ? "/dev/shm" : tmpdir();

async function createClient(backend: "nft" | "legacy"): Promise<Client> {
  const root = await mkdtemp(join(folder, "cni-outbound-root-"));
  const releases = await mkdtemp(join(folder, "cni-outbound-releases-"));
  const bin = join(root, "opt/cni/bin");
  const config = join(root, "opt/cni/config");
  const node = await createNode({ backend, pluginDirs: [bin] });
  const where = ["--cni-path", bin, "--cni-config-dir", config, "--unit-dir", join(root, "etc/systemd/system")];
  const state = ["--state-dir", node.stateDir, "--cache-dir", node.cacheDir];
  return {
    node,
    root,
    releases,
    install: (release, ...args) =>
      node.exec(["sh", join(releases, release, "install.sh"), ...where, ...state, ...args], { allowFailure: true }),
    installed: async () => parseOwnJson<Conflist>(await readFile(join(config, "egress.conflist"), "utf8")),
    async close() {
      await node.close();
      for (const folder of [root, releases]) await rm(folder, { recursive: true, force: true });
    },
  };
}

function conflistOf(node: ClientNode, ...ports: readonly number[]): Conflist {
  const host = [node.outside.v4[0], node.outside.v6[0]];
  const outboundRules = ports.map((port): JsonObject => ({ host, proto: "tcp", port, action: "ACCEPT" }));
  return exampleConflist(node, { portmap: false, outbound: { outboundRules } });
}

describe.each(variants)("install.sh on a client with iptables-%s", (backend) => {
  let client: Client;

  beforeAll(async () => {
    await ensurePackages({ docker: false });
    client = await createClient(backend);
    const { node, releases } = client;
    await node.outside.listen({ addresses: [node.outside.v4[0], node.outside.v6[0]], ports: [80, 81] });
    await makeRelease(join(releases, "one"), { conflists: [conflistOf(node, 80)] });
    await makeRelease(join(releases, "two"), { mark: "2", conflists: [conflistOf(node, 80, 81)] });
  }, 900_000);

  afterAll(() => client.close());

  test(
    "installs, upgrades, rolls back and uninstalls, while allocations run, and leaves all as it was",
    slow,
    async () => {
      const { node, root, install, installed } = client;
      // What the other plugins leave is there before.
      await (await node.attach({ conflist: exampleConflist(node, { outbound: false, portmap: false }) })).detach();
      const before = { tree: await readTree(root), node: await takeSnapshot(node) };
      const reaches = async (container: Awaited<ReturnType<ClientNode["attach"]>>) => {
        const ports = [];
        for (const port of [80, 81]) {
          for (const address of [node.outside.v4[0], node.outside.v6[0]]) {
            if (await container.canReach({ address, port })) ports.push(port);
          }
        }
        return ports;
      };

      expect(await install("one")).toMatchObject({ exitCode: 0, stderr: "" });
      const first = await readTree(root);
      const again = await install("one");
      expect(again.stdout).toMatch(
        /^Nothing to do: outbound \S+ is installed in \S+, and every file is as it should be\n$/,
      );
      expect(await readTree(root)).toEqual(first);
      const older = await node.attach({ conflist: await installed() });
      expect(await reaches(older)).toEqual([80, 80]);

      expect(await install("two")).toMatchObject({ exitCode: 0, stderr: "" });
      await older.check();
      const newer = await node.attach({ conflist: await installed() });
      expect(await reaches(newer)).toEqual([80, 80, 81, 81]);
      expect(await reaches(older)).toEqual([80, 80]);
      const kept = Object.entries(await readTree(root)).filter(([name]) => name.endsWith(".previous"));
      expect(kept.map(([name]) => name)).toContain("opt/cni/bin/outbound.previous");
      for (const [, text] of kept) expect(text).toMatch(/^100600 /);

      expect(await install("two", "--rollback")).toMatchObject({ exitCode: 0, stderr: "" });
      expect(withoutTimes(await readTree(root))).toEqual(withoutTimes(first));
      for (const container of [older, newer]) await container.check();
      const last = await node.attach({ conflist: await installed() });
      expect(await reaches(last)).toEqual([80, 80]);
      const second = await install("two", "--rollback");
      expect(second).toMatchObject({ exitCode: 1 });
      expect(second.stderr).toContain("Cannot roll back: no version back is kept");

      const refused = await install("one", "--uninstall");
      expect(refused.exitCode).toBe(1);
      expect(refused.stderr).toContain("Cannot uninstall: 3 allocations are attached");
      expect(withoutTimes(await readTree(root))).toEqual(withoutTimes(first));
      for (const container of [older, newer, last]) await container.detach();
      expect(await install("one", "--uninstall")).toMatchObject({ exitCode: 0, stderr: "" });
      expect({ tree: await readTree(root), node: await takeSnapshot(node) }).toEqual(before);
      expect((await install("one", "--uninstall")).stdout).toContain("Nothing to do");
    },
  );

  test("uninstalls while allocations are attached only with --force, and leaves no rule of theirs", async () => {
    const { node, root, install, installed } = client;
    const before = await readTree(root);
    await install("one");
    const container = await node.attach({ conflist: await installed() });
    expect(await install("one", "--uninstall", "--force")).toMatchObject({ exitCode: 0, stderr: "" });
    expect(await readTree(root)).toEqual(before);
    const { stdout } = await node.exec(["iptables-save"]);
    expect(stdout).not.toMatch(/CNI-OUT/);
    expect(await container.canReach({ address: node.outside.v4[0], port: 81 })).toBe(true);
  });
});

describe("install.sh", () => {
  let client: Client;
  const target = (name: string) => join(client.root, "opt/cni", name);

  beforeAll(async () => {
    await ensurePackages({ docker: false });
    client = await createClient("nft");
    const { node, releases } = client;
    await makeRelease(join(releases, "one"), { conflists: [conflistOf(node, 80)] });
    await makeRelease(join(releases, "two"), { mark: "2", conflists: [conflistOf(node, 80, 81)] });
  }, 900_000);

  afterAll(() => client.close());

  beforeEach(async () => {
    await rm(client.root, { recursive: true });
    await mkdir(client.root);
  });

  /** What is wrong with a release, and what is said of it. */
  const wrongs: readonly (readonly [string, (release: string) => Promise<void>, RegExp])[] = [
    [
      "an executable that was changed",
      (release) => appendFile(join(release, "outbound"), "!"),
      /its SHA-256 is [0-9a-f]{64}, \S+SHA256SUMS says [0-9a-f]{64}/,
    ],
    [
      "an executable that the list has not",
      (release) => writeFile(join(release, "SHA256SUMS"), ""),
      /SHA256SUMS does not list it/,
    ],
    ["no list", (release) => rm(join(release, "SHA256SUMS")), /there is no \S+SHA256SUMS, give --checksums/],
    ["no executable", (release) => rm(join(release, "outbound")), /there is no \S+outbound, give --from/],
    [
      "an executable for another architecture",
      async (release) => {
        const file = await open(join(release, "outbound"), "r+");
        await file.write(Buffer.from([0xf3, 0]), 0, 2, 18);
        await file.close();
        await writeSums(release);
      },
      /it was built for another architecture, expected (?:amd64|arm64)/,
    ],
    [
      "a script for an executable",
      async (release) => {
        await writeFile(join(release, "outbound"), "#!/bin/sh\necho CNI outbound plugin v9.9.9\n");
        await writeSums(release);
      },
      /it is no executable for Linux/,
    ],
    [
      "a key in the conflist that outbound does not know",
      async (release) => {
        const path = join(release, "egress.conflist");
        await writeFile(path, (await readFile(path, "utf8")).replace("outboundRules", "outbundRules"));
      },
      /egress\.conflist: it is not valid\n.*unknown key "outbundRules"/,
    ],
    [
      "a conflist that is cut off",
      async (release) => {
        const path = join(release, "egress.conflist");
        await writeFile(path, (await readFile(path, "utf8")).slice(0, -20));
      },
      /egress\.conflist: it is not valid/,
    ],
    ["no conflist", (release) => rm(join(release, "egress.conflist")), /give --conflist or --no-conflist/],
  ];

  test.each(wrongs)("refuses %s and changes nothing", async (_, spoil, says) => {
    const { install, releases, root, node } = client;
    const wrong = join(releases, "wrong");
    await rm(wrong, { recursive: true, force: true });
    await makeRelease(wrong, { mark: "3", conflists: [conflistOf(node, 80, 81)] });
    await spoil(wrong);
    const outcome = await install("wrong");
    expect(outcome).toMatchObject({ exitCode: 1, stdout: "" });
    expect(outcome.stderr).toMatch(says);
    expect(await readTree(root)).toEqual({});
  });

  test("tells wrong usage by exit code 2, and whoever is not root", async () => {
    for (const args of [["--frm", "x"], ["--from"], ["--cni-path", "a:b"], ["--cni-path", "bin"]]) {
      expect(await client.install("one", ...args)).toMatchObject({ exitCode: 2, stdout: "" });
    }
    const script = join(client.releases, "one", "install.sh");
    await chmod(client.releases, 0o755);
    const asNobody = ["setpriv", "--reuid=65534", "--clear-groups", "sh", script];
    const outcome = await client.node.exec(asNobody, { allowFailure: true });
    expect(outcome.exitCode).toBe(1);
    expect(outcome.stderr).toContain("is not root, run it as root");
  });

  test("installs an edited copy of a conflist that the list has, where --conflist names it", async () => {
    const { install, releases, node } = client;
    const edited = join(releases, "edited");
    await makeRelease(edited, { conflists: [conflistOf(node, 80)] });
    const listed = `${"0".repeat(64)}  conflist/egress.conflist\n${"0".repeat(64)}  egress.conflist\n`;
    await appendFile(join(edited, "SHA256SUMS"), listed);
    expect((await install("edited")).stderr).toContain("its SHA-256 is");
    const outcome = await install("edited", "--conflist", join(edited, "egress.conflist"));
    expect(outcome).toMatchObject({ exitCode: 0, stderr: "" });
  });

  test("leaves a conflist that somebody changed, and puts the new one beside it", async () => {
    const { install } = client;
    await install("one");
    const changed = (await readFile(target("config/egress.conflist"), "utf8")).replace("10.88.0.0/16", "10.89.0.0/16");
    await writeFile(target("config/egress.conflist"), changed);
    for (const _ of ["first", "second"]) {
      const outcome = await install("two");
      expect(outcome.exitCode).toBe(0);
      expect(outcome.stderr).toMatch(/egress\.conflist stays, it is not as it was installed: the new one is \S+\.new/);
      expect(await readFile(target("config/egress.conflist"), "utf8")).toBe(changed);
    }
    const next = await readFile(join(client.releases, "two", "egress.conflist"), "utf8");
    expect(await readFile(target("config/egress.conflist.new"), "utf8")).toBe(next);
    expect(await install("two", "--replace-conflist")).toMatchObject({ exitCode: 0, stderr: "" });
    expect(await readFile(target("config/egress.conflist"), "utf8")).toBe(next);
    expect(await readFile(target("config/egress.conflist.previous"), "utf8")).toBe(changed);
    expect(Object.keys(await readTree(client.root))).not.toContain("opt/cni/config/egress.conflist.new");
  });

  test("asks the executable that comes whether it takes the conflists that stay", async () => {
    const { install, root } = client;
    await install("one");
    const other = target("config/other.conflist");
    await writeFile(other, '{"cniVersion":"1.0.0","name":"other","plugins":[{"type":"outbound","unheard":1}]}');
    const before = await readTree(root);
    const outcome = await install("two");
    expect(outcome.exitCode).toBe(1);
    expect(outcome.stderr).toMatch(/other\.conflist stays, and outbound \S+ would refuse it[^]*unknown key "unheard"/);
    expect(await readTree(root)).toEqual(before);
  });

  test("killed at any instant leaves whole files, and another run completes it", slow, async () => {
    const { install, root, releases, node } = client;
    const where = ["--cni-path", target("bin"), "--cni-config-dir", target("config")];
    const expected: Record<string, Readonly<Record<string, string>>> = {};
    for (const release of ["two", "one", "two"]) {
      await install(release);
      expected[release] = withoutTimes(await readTree(root));
    }
    const whole = Object.values(expected).map((tree) => tree["opt/cni/bin/outbound"]);
    const startedAtMs = monotonicMs();
    await install("one");
    const wholeRunMs = monotonicMs() - startedAtMs;
    for (const [index, release] of ["two", "one", "two", "one", "two", "one"].entries()) {
      const seconds = String((wholeRunMs * (index + 2)) / 8000);
      const killed = ["timeout", "--signal=KILL", seconds, "sh", join(releases, release, "install.sh"), ...where];
      await node.exec(["sh", "-c", '"$@"; true', "sh", ...killed]);
      expect(whole).toContain(withoutTimes(await readTree(root))["opt/cni/bin/outbound"]);
      expect(await install(release)).toMatchObject({ exitCode: 0 });
      expect(withoutTimes(await readTree(root))).toEqual(expected[release]);
    }
  });

  test("takes over an executable that was put there by hand, and gives it back", async () => {
    const { install, releases, root } = client;
    await mkdir(target("bin"), { recursive: true });
    await mkdir(target("config"));
    await writeFile(target("bin/outbound"), await readFile(join(releases, "one", "outbound")), { mode: 0o755 });
    const before = withoutTimes(await readTree(root));
    await install("two");
    expect(await install("two", "--rollback")).toMatchObject({ exitCode: 0 });
    expect(withoutTimes(await readTree(root))).toEqual(before);
    await rename(target("bin/outbound"), target("bin/outbound.mine"));
    expect((await install("two", "--uninstall")).stdout).toContain("Nothing to do");
  });
});
