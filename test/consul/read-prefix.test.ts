import { systemClock } from "../../lib/host/clock.ts";
import { parseConsulSettings } from "../../lib/host/consul-settings.ts";
import { createConsul } from "../../lib/host/consul.ts";
import { createFakeConsul } from "../fakes/consul.ts";
import { ensureConsul } from "../setup/consul.ts";
import { startConsul } from "../support/consul-agent.ts";
import { describeReadPrefix } from "./read-prefix.contract.ts";

describeReadPrefix("the fake", async () => {
  const fake = createFakeConsul({ clock: systemClock });
  return {
    consul: fake,
    put: async (key, value) => fake.put(key, value),
    remove: async (key) => fake.remove(key),
    wipe: async () => fake.wipe(),
    close: async () => {},
  };
});

describeReadPrefix("a real Consul", async () => {
  const agent = await startConsul({ binary: await ensureConsul() });
  const consul = createConsul(parseConsulSettings({ CONSUL_HTTP_ADDR: agent.url }));
  return {
    consul,
    put: (key, value) => agent.put(key, value),
    remove: (key) => agent.delete(key),
    async wipe() {
      await agent.stop();
      await agent.start();
    },
    async close() {
      consul.close();
      await agent.close();
    },
  };
});
