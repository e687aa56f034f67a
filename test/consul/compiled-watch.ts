import { systemClock } from "../../lib/host/clock.ts";
import { parseConsulSettings } from "../../lib/host/consul-settings.ts";
import { createConsul } from "../../lib/host/consul.ts";
import { silentLog } from "../../lib/host/log.ts";
import { createRequestLimit } from "../../watcher/request-limit.ts";
import { watchPrefix } from "../../watcher/watch-prefix.ts";

/** Watches `global/` until SIGTERM and prints each answer and each failure's kind, one a line. */
async function main(): Promise<void> {
  const consul = createConsul(parseConsulSettings(process.env));
  const abort = new AbortController();
  process.once("SIGTERM", () => abort.abort());
  const options = { root: "outbound/rules/", prefix: "global/", hadKeys: false, signal: abort.signal };
  await watchPrefix(options, {
    consul,
    clock: systemClock,
    limit: createRequestLimit({ clock: systemClock }),
    log: silentLog,
    random: Math.random,
    onAnswer({ entries }) {
      console.log(entries.map(({ key, value }) => `${key}=${new TextDecoder().decode(value)}`).join(" ") || "nothing");
    },
    onState(state) {
      if (state.consecutiveFailures === 1) console.log(state.lastFailure?.kind);
    },
  });
  consul.close();
  console.log("ended");
}

void main();
