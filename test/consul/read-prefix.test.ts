import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../../lib/host/clock.ts";
import { parseConsulSettings } from "../../lib/host/consul-settings.ts";
import { createConsul } from "../../lib/host/consul.ts";
import { createFakeConsul } from "../fakes/consul.ts";
import { ensureConsul } from "../setup/consul.ts";
import { runCommand } from "../support/command.ts";
import { startConsul } from "../support/consul-agent.ts";
import { describeReadPrefix } from "./read-prefix.contract.ts";

describeReadPrefix("the fake", async () => {
  const fake = createFakeConsul({ clock: systemClock });
  return {
    consul: fake,
    put: async (key, value) => fake.put(key, value),
    remove: async (key) => fake.remove(key),
    wipe: async () => fake.wipe(),
    async saveSnapshot() {
      const restore = fake.saveSnapshot();
      return async () => restore();
    },
    close: async () => {},
  };
});

describeReadPrefix("a real Consul", async () => {
  const binary = await ensureConsul();
  const agent = await startConsul({ binary });
  const consul = createConsul(parseConsulSettings({ CONSUL_HTTP_ADDR: agent.url }));
  return {
    consul,
    put: (key, value) => agent.put(key, value),
    remove: (key) => agent.delete(key),
    async wipe() {
      await agent.stop();
      await agent.start();
    },
    async saveSnapshot() {
      const directory = await mkdtemp(join(tmpdir(), "outbound-snapshot-"));
      const snapshot = (what: string) =>
        runCommand([binary, "snapshot", what, `-http-addr=${agent.url}`, join(directory, "saved")]);
      await snapshot("save");
      return async () => {
        await snapshot("restore");
        await rm(directory, { recursive: true });
      };
    },
    async close() {
      consul.close();
      await agent.close();
    },
  };
});
