import type { ProbeVerdict } from "../support/traffic/messages.ts";
import { firstConnection, type KvChange, lastPacket, timeKvChange } from "./measure.ts";
import type { Screen } from "./screen.ts";
import { type Pair, places, port, type Stage } from "./stage.ts";

/** Shows one thing, and whether it is what it should be. */
type Scene = (stage: Stage, screen: Screen) => Promise<void>;

/** In this order: each goes on from where the one before ended. */
export const scenes: readonly Scene[] = [showBlocked, showOpened, showCommands, showCut, showStaticRule];

/** From the moment that Consul took a change. */
const EXPECTED_WITHIN_MS = 1_000;

const { database, other, forbidden } = places;
const allowDatabase = `consul kv put outbound/rules/namespace/default/job/web/allow-db \\
  '{ "host": ["${database.v4}", "${database.v6}"],
     "proto": "tcp", "port": ${port}, "action": "ACCEPT" }'`;
const removeDatabase = "consul kv delete outbound/rules/namespace/default/job/web/allow-db";
const allowAll = `consul kv put outbound/rules/global/allow-all '{ "action": "ACCEPT" }'`;

async function showBlocked({ node, container }: Stage, screen: Screen): Promise<void> {
  screen.heading("1. Blocked: a database that no rule allows");
  const fromNode = await inBothFamilies(database, (to) => node.connect({ ...to, timeoutMs: 2_000 }));
  const fromJob = await inBothFamilies(database, (to) => container.connect({ ...to, timeoutMs: 500 }));
  observe(screen, fromJob, (verdict, family) => ({
    text: `${where(database[family])} is ${seen(fromNode[family])} to the node, ${seen(verdict)} to the job`,
    isRight: verdict === "timeout" && fromNode[family] === "open",
  }));
}

async function showOpened({ container, consul, shell }: Stage, screen: Screen): Promise<void> {
  screen.heading("2. Opened: by one command, while the job runs");
  screen.command(allowDatabase);
  const [change, openedAtMs] = await Promise.all([
    timeKvChange(() => shell(allowDatabase), consul),
    inBothFamilies(database, (to) => firstConnection(container, to)),
  ]);
  observe(screen, openedAtMs, (atMs) => ({ text: `open ${since(change, atMs)}`, isRight: isInTime(change, atMs) }));
}

/** Of `show`, only the rules: what stands above and below them is for those who look for it. */
async function showCommands({ container, shell }: Stage, screen: Screen): Promise<void> {
  const allocation = container.containerId.slice(0, 8);
  for (const line of ["outbound list", `outbound show ${allocation} | sed -n '/RULE/,/^$/p'`]) {
    screen.command(line);
    screen.output(await shell(line));
  }
}

async function showCut({ container, consul, shell }: Stage, screen: Screen): Promise<void> {
  screen.heading("3. Cut: a connection that is open loses its permission");
  const flows = await inBothFamilies(database, (to) => container.openFlow(to));
  screen.command(removeDatabase);
  const change = await timeKvChange(() => shell(removeDatabase), consul);
  const cutAtMs = { v4: await lastPacket(flows.v4), v6: await lastPacket(flows.v6) };
  const isAlive = { v4: await flows.v4.isAlive(), v6: await flows.v6.isAlive() };
  observe(screen, cutAtMs, (atMs, family) => ({
    text: `${isAlive[family] ? "paused, not cut:" : "cut"} ${since(change, atMs)}`,
    isRight: isInTime(change, atMs) && !isAlive[family],
  }));
}

/** The rule opens something in both families, so it is known to be in force where it does not help. */
async function showStaticRule({ container, consul, shell }: Stage, screen: Screen): Promise<void> {
  screen.heading("4. The operator's word: a DROP in the conflist is not for KV to undo");
  screen.command(allowAll);
  const [change, openedAtMs] = await Promise.all([
    timeKvChange(() => shell(allowAll), consul),
    inBothFamilies(other, (to) => firstConnection(container, to)),
  ]);
  const verdicts = await inBothFamilies(forbidden, (to) => container.connect({ ...to, timeoutMs: 500 }));
  observe(screen, verdicts, (verdict, family) => ({
    text: `${other[family]} is open, ${forbidden[family]} still ${seen(verdict)}`,
    isRight: verdict === "timeout" && isInTime(change, openedAtMs[family]),
  }));
}

interface Both<T> {
  readonly v4: T;
  readonly v6: T;
}

async function inBothFamilies<T>(
  place: Pair,
  work: (destination: { readonly address: string; readonly port: number }) => Promise<T>,
): Promise<Both<T>> {
  const [v4, v6] = await Promise.all([work({ address: place.v4, port }), work({ address: place.v6, port })]);
  return { v4, v6 };
}

interface Observation {
  readonly text: string;
  readonly isRight: boolean;
}

function observe<T>(screen: Screen, seen: Both<T>, judge: (value: T, family: keyof Both<T>) => Observation): void {
  for (const family of ["v4", "v6"] as const) {
    const { text, isRight } = judge(seen[family], family);
    screen.observe(`IP${family} ${text}`, { isRight });
  }
}

function since({ startedAtMs, acceptedAtMs }: KvChange, atMs: number): string {
  const afterStartMs = Math.round(atMs - startedAtMs);
  const afterAcceptedMs = Math.round(atMs - acceptedAtMs);
  return `${afterStartMs} ms after the command began, ${afterAcceptedMs} ms after Consul took it`;
}

function isInTime({ acceptedAtMs }: KvChange, atMs: number): boolean {
  return atMs - acceptedAtMs < EXPECTED_WITHIN_MS;
}

function seen(verdict: ProbeVerdict): string {
  return verdict === "timeout" ? "blocked" : verdict;
}

function where(address: string): string {
  return address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
}
