import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createFakeIptables } from "../fakes/fake-iptables.ts";
import { ensurePackages } from "../setup/packages.ts";
import { iptablesIn } from "../support/iptables-in.ts";
import { createNamespace } from "../support/namespace.ts";
import { variants } from "../support/variant.ts";
import { describeIptables, type IptablesUnderTest } from "./iptables.contract.ts";

describeIptables("the fake", async () => {
  let table = createFakeIptables();
  return {
    iptables: {
      has: (family) => table.has(family),
      save: (family, options) => table.save(family, options),
      list: (family, chains) => table.list(family, chains),
      restore: (family, text) => table.restore(family, text),
    },
    async clear() {
      table = createFakeIptables();
    },
    async send(family) {
      table.send(family);
    },
    async close() {},
  };
});

for (const variant of variants) {
  describeIptables(`iptables-${variant}`, async (): Promise<IptablesUnderTest> => {
    await ensurePackages({ docker: false });
    const directory = await mkdtemp(join(tmpdir(), "cni-outbound-iptables-"));
    const namespace = await createNamespace("tables");
    await namespace.ip("link set lo up");
    const programs = ["iptables", "ip6tables"].map((program) => `xtables-${variant}-multi ${program}`);
    return {
      iptables: await iptablesIn({ namespace, variant, directory }),
      async clear() {
        await namespace.exec(["sh", "-ec", programs.map((program) => `${program} -w -F; ${program} -w -X`).join("; ")]);
      },
      async send(family) {
        await namespace.exec(["ping", "-c", "1", "-W", "1", family === 4 ? "127.0.0.1" : "::1"]);
      },
      async close() {
        await namespace.close();
        await rm(directory, { recursive: true });
      },
    };
  });
}
