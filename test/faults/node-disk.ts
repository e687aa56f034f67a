import { appendFile, mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { untilVerdict } from "../e2e/running-node.ts";
import { chainOf, runOutboundFor } from "../support/cni/outbound.ts";
import { runCommand } from "../support/command.ts";
import type { Container } from "../support/container.ts";
import type { ClientNode } from "../support/network-namespace.ts";
import { waitUntil } from "../support/wait.ts";
import { followsOpposite } from "./consul-direct.ts";
import { chooseDamages, type Damage, damages } from "./node-damage.ts";
import {
  allChecked,
  attachNeighbour,
  expectRefusal,
  type NodeWorld,
  ownRules,
  type Prepared,
  startNodeWorld,
} from "./node-world.ts";
import { GOVERNED_KEY, GOVERNED_PORT } from "./support/flows.ts";
import { readForm } from "./support/form.ts";
import type { Group } from "./support/scenario.ts";

const UNSAVED = "Cannot keep the runtime rules on disk, a restart would not know them";
/** An attachment whose network namespace has gone is looked for this often, and a look takes a while. */
const FOUND_MS = 15_000;

/** State and cache folder are disks of their own, of a megabyte each. */
export const nodeDisk: Group<NodeWorld> = {
  name: "The node's disks",
  limits: [
    "Where the cache's folder alone is full, an ADD gives its container the runtime rules that were saved last, until the " +
      "watcher's next pass, which the ADD itself brings about; that they are not saved is logged.",
  ],
  start: (backend, random) => startNodeWorld(backend, random, mountDisks),
  scenarios: [
    {
      name: "state and cache are full",
      told: "ADD refused with code 5 and ENOSPC, nothing of it left; DEL, a watcher that starts and KV go on; with room again ADD, CHECK and cache are right",
      variants: ["nft"],
      run: (world) =>
        withoutDisk(world, {
          saying: "ENOSPC",
          begin: async (world) => {
            for (const folder of foldersOf(world)) await fill(folder);
          },
          // What was detached has made room for one.
          goOn: ({ running }) => fill(running.node.stateDir),
          end: async (world) => {
            for (const folder of foldersOf(world)) await rm(join(folder, "ballast"));
          },
        }),
    },
    {
      name: "state and cache are remounted read-only",
      told: "ADD refused with code 5 and EROFS, nothing of it left; DEL, a watcher that starts and KV go on; writable again ADD, CHECK and cache are right, and the record of what went meanwhile goes",
      variants: ["nft"],
      run: (world) =>
        withoutDisk(world, {
          saying: "EROFS",
          begin: (world) => remount(world, "ro"),
          goOn: async () => {},
          end: (world) => remount(world, "rw"),
        }),
    },
    {
      name: "the records of running containers are damaged (truncated, bits flipped, other types, folders)",
      told: "logged and set aside, the chain stays, CHECK is good; another container's ADD and DEL go on; a repeated ADD makes it whole",
      variants: ["nft"],
      run: async (world) => {
        for (const damage of chooseDamages(world.random, readForm().isLong ? 20 : 5)) {
          const container = world.random.pick([world.container, world.neighbour]);
          await damagedRecord(world, { container, damage });
        }
        await followsOpposite(world);
      },
    },
    {
      name: "a file is in the place of the folder of records",
      told: "ADD refused with code 5; DEL of one takes nothing from the others; CHECK is good; the folder back, KV is followed and the record of what went meanwhile goes",
      variants: ["nft"],
      run: withoutRecords,
    },
    {
      name: "the cache of runtime rules and the list of connections seen are damaged while no watcher runs",
      told: "logged; an ADD meanwhile has its static rules and no more; the watcher that starts takes nothing away, and writes them anew",
      variants: ["nft"],
      run: async (world) => {
        for (const damage of chooseDamages(world.random, readForm().isLong ? 20 : 3)) await damagedCache(world, damage);
        await followsOpposite(world);
        await cacheIsRight(world);
      },
    },
  ],
};

async function mountDisks({ stateDir, cacheDir }: ClientNode): Promise<Prepared> {
  const folders = [stateDir, cacheDir];
  const undo = async () => {
    for (const folder of folders) await runCommand(["umount", "--lazy", folder], { allowFailure: true });
  };
  for (const folder of folders) {
    await mkdir(folder, { mode: 0o700 });
    await runCommand(["mount", "-t", "tmpfs", "-o", "size=1m,mode=0700", "cni-outbound-disk", folder]);
  }
  return { undo };
}

function foldersOf({ running: { node } }: NodeWorld): readonly string[] {
  return [node.stateDir, node.cacheDir];
}

/** Also for the watcher: what runs in a network namespace by `ip netns exec` has mounts of its own. */
async function remount(world: NodeWorld, how: "ro" | "rw"): Promise<void> {
  const ofWatcher = ["nsenter", "-t", String(world.watcher.pid), "-m"];
  for (const folder of foldersOf(world)) {
    for (const where of [[], ofWatcher]) {
      // Refused while a file is open for writing.
      const attempt = async () => {
        const argv = [...where, "mount", "-o", `remount,${how}`, folder];
        return (await runCommand(argv, { allowFailure: true })).exitCode === 0;
      };
      await waitUntil(attempt, { what: `${folder} to be ${how}` });
    }
  }
}

async function fill(folder: string): Promise<void> {
  const error = await appendFile(join(folder, "ballast"), Buffer.alloc(2 * 1024 * 1024)).then(
    () => "none",
    (cause: unknown) => String(cause),
  );
  if (!error.includes("ENOSPC")) throw new Error(`Cannot fill ${folder}: ${error}`);
}

interface DiskFault {
  /** What a refused ADD says. */
  readonly saying: string;
  readonly begin: (world: NodeWorld) => Promise<void>;
  readonly goOn: (world: NodeWorld) => Promise<void>;
  readonly end: (world: NodeWorld) => Promise<void>;
}

async function withoutDisk(world: NodeWorld, { saying, begin, goOn, end }: DiskFault): Promise<void> {
  const { node, conflist } = world.running;
  const guest = await attachNeighbour(world.running);
  await allChecked(world, [guest]);
  await begin(world);
  try {
    await refused(world, saying);
    await followsOpposite(world);
    await world.says(UNSAVED);
    await guest.detach();
    const chain = chainOf(conflist, guest.containerId);
    const isGone = async () => !(await ownRules(node)).includes(chain);
    await waitUntil(isGone, { what: "the chain of what was detached to go", timeoutMs: FOUND_MS });
    await world.watcher.kill();
    await world.holds(500);
    await world.startWatcher();
    await world.says("In sync with Consul", { timeoutMs: 10_000 });
    await world.isReady(200);
    await followsOpposite(world);
    await goOn(world);
    await refused(world, saying);
    await allChecked(world);
  } finally {
    await end(world);
  }
  const newcomer = await node.attach({ conflist });
  try {
    await allChecked(world, [newcomer]);
    await agreesWithFlow(world, newcomer);
  } finally {
    await newcomer.detach();
  }
  const areRecordsRight = async () => (await recordsOf(world)).length === 2;
  await waitUntil(areRecordsRight, { what: "the records to be those of what runs", timeoutMs: FOUND_MS });
  await cacheIsRight(world);
}

/** ADD fails, says why, and leaves neither rule nor record. */
async function refused(world: NodeWorld, saying: string): Promise<void> {
  const { node, conflist } = world.running;
  const [rules, records] = [await ownRules(node), await filesOf(world)];
  await expectRefusal(node.attach({ conflist }), 5, saying);
  if ((await ownRules(node)) !== rules) throw new Error("A refused ADD must leave no rule");
  const left = await filesOf(world);
  if (left.join() !== records.join()) throw new Error(`A refused ADD must leave no record: ${left.join(", ")}`);
}

/** The same rules let a container in or keep it out that has just come. */
async function agreesWithFlow(world: NodeWorld, container: Container): Promise<void> {
  const { outside } = world.running;
  const verdict = world.flows.expected === "open" ? "open" : "timeout";
  for (const address of [outside[4], outside[6]]) {
    await untilVerdict(container, { address, port: GOVERNED_PORT }, verdict, { timeoutMs: 8_000 });
  }
}

/** Without those set aside, which may stand beside a new one until DEL. */
async function recordsOf(world: NodeWorld): Promise<readonly string[]> {
  return (await filesOf(world)).filter((name) => name.endsWith(".json"));
}

async function filesOf({ running: { node } }: NodeWorld): Promise<readonly string[]> {
  return (await readdir(join(node.stateDir, "attachments"))).toSorted();
}

/** The cache says what KV does: whether the governed flow is open. */
async function cacheIsRight({ running: { node }, flows }: NodeWorld): Promise<void> {
  const isRight = async () => {
    const text = await readFile(join(node.cacheDir, "runtime-rules.json"), "utf8").catch(() => "");
    return text.endsWith("]}\n") && text.includes(`"${GOVERNED_KEY}"`) === (flows.expected === "open");
  };
  await waitUntil(isRight, { what: "the cache to say what KV does", timeoutMs: FOUND_MS });
}

async function withoutRecords(world: NodeWorld): Promise<void> {
  const { node, conflist } = world.running;
  const folder = join(node.stateDir, "attachments");
  const guest = await attachNeighbour(world.running);
  await rename(folder, `${folder}.gone`);
  await writeFile(folder, "");
  try {
    const rules = await ownRules(node);
    await expectRefusal(node.attach({ conflist }), 5, "Cannot write");
    if ((await ownRules(node)) !== rules) throw new Error("A refused ADD must leave no rule");
    await allChecked(world, [guest]);
    await guest.detach();
    await world.holds(1_000);
    if ((await ownRules(node)).includes(chainOf(conflist, guest.containerId))) throw new Error("DEL must succeed");
    await allChecked(world);
  } finally {
    await rm(folder);
    await rename(`${folder}.gone`, folder);
  }
  const newcomer = await attachNeighbour(world.running);
  await allChecked(world, [newcomer]);
  await newcomer.detach();
  await followsOpposite(world);
  const areRecordsRight = async () => (await recordsOf(world)).length === 2;
  await waitUntil(areRecordsRight, { what: "the records to be those of what runs", timeoutMs: FOUND_MS });
}

interface RecordDamage {
  readonly container: Container;
  readonly damage: Damage;
}

async function damagedRecord(world: NodeWorld, { container, damage }: RecordDamage): Promise<void> {
  const { node, conflist } = world.running;
  const rules = await ownRules(node);
  const skip = world.watcher.lines().length;
  const file = await damageRecord(world, { container, damage });
  await world.holds(300);
  if ((await ownRules(node)) !== rules) throw new Error(`The chain of a damaged record must stay: ${damage.name}`);
  await allChecked(world);
  // A running watcher reads a record again once the folder has changed: now at the latest.
  const guest = await attachNeighbour(world.running);
  await allChecked(world, [guest]);
  const unread = "Cannot read attachment: its chain stays as it is until DEL";
  await world.watcher.waitForLine(unread, {
    skip,
    where: (line) => typeof line["file"] === "string" && line["file"].startsWith(file),
    timeoutMs: FOUND_MS,
  });
  await damageRecord(world, { container: guest, damage });
  await guest.detach();
  const chain = chainOf(conflist, guest.containerId);
  const left = [...(await filesOf(world)), await ownRules(node)].filter((text) => text.includes(chain));
  if (left.length > 0) throw new Error(`DEL must leave nothing of a damaged record: ${damage.name}, ${left.join()}`);
  await allChecked(world);
  const again = await runOutboundFor(node, container, { conflist, command: "ADD" });
  if (again.exitCode !== 0) throw new Error(`A repeated ADD must succeed: it says ${again.stdout}`);
  await allChecked(world);
  const isWhole = async () => (await world.watcher.metrics())["outbound_attachments"] === 2;
  await waitUntil(isWhole, { what: "both attachments to be known", timeoutMs: FOUND_MS });
}

/** @returns the file's name without its ending, which may be another by the time it is told of. */
async function damageRecord(world: NodeWorld, { container, damage }: RecordDamage): Promise<string> {
  const { node, conflist } = world.running;
  const file = join(node.stateDir, "attachments", `${chainOf(conflist, container.containerId)}.json`);
  await damage(file, world.random);
  return file.replace(/json$/, "");
}

async function damagedCache(world: NodeWorld, damage: Damage): Promise<void> {
  const { node, conflist } = world.running;
  await world.watcher.kill();
  for (const file of [join(node.cacheDir, "runtime-rules.json"), join(node.stateDir, "observed.json")]) {
    await damage(file, world.random);
  }
  const newcomer = await node.attach({ conflist });
  try {
    await allChecked(world, [newcomer]);
    // A bit of the file that says nothing may be flipped.
    if (damage !== damages.flipped || world.flows.expected === "closed") await isClosed(world, newcomer);
    await world.startWatcher();
    if (damage !== damages.flipped) await world.says("The cached runtime rules cannot be used");
    await world.says("In sync with Consul", { timeoutMs: 10_000 });
    await agreesWithFlow(world, newcomer);
  } finally {
    await newcomer.detach();
  }
}

async function isClosed({ running: { outside } }: NodeWorld, container: Container): Promise<void> {
  for (const address of [outside[4], outside[6]]) {
    const verdict = await container.connect({ address, port: GOVERNED_PORT, timeoutMs: 200 });
    if (verdict !== "timeout") throw new Error(`Without a cache ${address} must be closed: it is ${verdict}`);
  }
}
