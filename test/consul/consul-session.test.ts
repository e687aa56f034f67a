import { parseConsulSettings } from "../../lib/host/consul-settings.ts";
import { createConsulSessions } from "../../lib/host/consul-session.ts";
import { systemClock } from "../../lib/host/clock.ts";
import { createFakeConsulSessions } from "../fakes/consul-sessions.ts";
import { ensureConsul } from "../setup/consul.ts";
import { startConsul } from "../support/consul-agent.ts";
import { describeSessions } from "./consul-session.contract.ts";

describeSessions("Consul", async () => {
  const agent = await startConsul({ binary: await ensureConsul() });
  const sessions = createConsulSessions(parseConsulSettings({ CONSUL_HTTP_ADDR: agent.url }));
  return {
    sessions,
    put: (key, value) => agent.put(key, value),
    remove: (key) => agent.delete(key),
    async close() {
      sessions.close();
      await agent.close();
    },
  };
});

describeSessions("the fake", async () => {
  const fake = createFakeConsulSessions({ clock: systemClock });
  return {
    sessions: fake,
    put: async (key, value) => fake.put(key, value),
    remove: async (key) => fake.remove(key),
    close: async () => {},
  };
});
