/** The demo itself. Started by `demo.ts` as the leader of a session, with a temporary directory of its own. */
import { constants } from "node:os";
import { join } from "node:path";
import { ensureConsul } from "../setup/consul.ts";
import { ensurePackages } from "../setup/packages.ts";
import { runCommand } from "../support/command.ts";
import { monotonicMs } from "../support/wait.ts";
import { findLeftovers, readOwnRules } from "./footprint.ts";
import { findVariant } from "./prerequisites.ts";
import { scenes } from "./scenes.ts";
import { createScreen } from "./screen.ts";
import { type StageOptions, withStage } from "./stage.ts";

const root = join(import.meta.dirname, "..", "..");
const startedAtMs = monotonicMs();
const screen = createScreen(process.stdout);
const stop = new AbortController();
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => interrupt(signal));

await tell().then(summarize, (error: unknown) => {
  if (stop.signal.aborted) return;
  screen.fail(describe(error));
  process.exitCode = 1;
});

async function tell(): Promise<void> {
  screen.heading("cni-outbound: an egress firewall for Nomad, shown on this machine's kernel");
  screen.say("It all happens in network namespaces that are removed at the end. What stays:");
  screen.say("Debian packages that were missing, and dist and .cache in this folder.");
  screen.say("New connections are tried every 10 ms, open ones send a message every 5 ms.");
  const prepared = await getReady();
  const rulesBefore = await readOwnRules();
  const namespaces: string[] = [];
  try {
    await withStage(prepared, async (stage) => {
      namespaces.push(...stage.namespaces);
      for (const show of scenes) {
        stop.signal.throwIfAborted();
        await show(stage, screen);
      }
    });
  } finally {
    await showFootprint({ namespaces, rulesBefore });
  }
}

/** Installs and builds what is missing, and finds out what this machine has. */
async function getReady(): Promise<StageOptions> {
  screen.heading("Getting ready (minutes the first time, then seconds)");
  const installed = await ensurePackages({ docker: false });
  screen.row("packages", installed.length === 0 ? "all here" : `installed ${installed.join(", ")}`);
  const variant = await findVariant();
  stop.signal.throwIfAborted();
  const consulBinary = await ensureConsul();
  stop.signal.throwIfAborted();
  const build = await runCommand([process.execPath, "deploy/build.ts"], { cwd: root, timeoutMs: 300_000 });
  screen.row("outbound", build.stdout.trim());
  stop.signal.throwIfAborted();
  return { variant, consulBinary, outbound: join(root, "dist", "outbound"), onReady: screen.row };
}

interface Footprint {
  readonly namespaces: readonly string[];
  readonly rulesBefore: string;
}

async function showFootprint({ namespaces, rulesBefore }: Footprint): Promise<void> {
  const leftovers = await findLeftovers(namespaces);
  const hasSameRules = (await readOwnRules()) === rulesBefore;
  screen.heading("Afterwards");
  screen.observe("no network namespace, process or temporary file is left", { isRight: leftovers.length === 0 });
  for (const leftover of leftovers) screen.say(`       ${leftover}`);
  screen.observe("this machine's own iptables and nftables rules are what they were", { isRight: hasSameRules });
}

function summarize(): void {
  const { right, wrong } = screen.observed;
  const seconds = ((monotonicMs() - startedAtMs) / 1000).toFixed(1);
  if (wrong === 0) screen.heading(`All ${right} observations are as they should be. It took ${seconds} s.`);
  else screen.fail(`${wrong} of ${right + wrong} observations are not as they should be`);
  process.exitCode = wrong === 0 ? 0 : 1;
}

/** What is being done is done to its end, which takes seconds: so all that was made is known, and can be removed. */
function interrupt(signal: "SIGINT" | "SIGTERM" | "SIGHUP"): void {
  if (stop.signal.aborted) return;
  stop.abort();
  screen.heading(`${signal}: stopping after this step, then cleaning up`);
  process.exitCode = 128 + constants.signals[signal];
}

function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause === undefined ? error.message : `${error.message}\n       ${describe(error.cause)}`;
}
