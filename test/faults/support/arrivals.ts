import { z } from "zod";
import type { Namespace } from "../../support/namespace.ts";

/** Packets that have reached the world behind the node, counted by its kernel before any socket sees them. */
export interface Arrivals {
  /** By what they were counted as. */
  read(): Promise<Readonly<Record<string, number>>>;
}

export interface Counted {
  readonly name: string;
  readonly address: string;
  readonly port: number;
}

/** Counts from now on, from 0. */
export async function countArrivals(world: Namespace, counted: readonly Counted[]): Promise<Arrivals> {
  const rules = counted.flatMap(({ name, address, port }) =>
    ["tcp", "udp"].map(
      (protocol) =>
        `${address.includes(":") ? "ip6" : "ip"} daddr ${address} ${protocol} dport ${port} counter name ${name}`,
    ),
  );
  const table = `table inet arrivals {
    ${counted.map(({ name }) => `counter ${name} {}`).join("\n")}
    chain arriving { type filter hook prerouting priority -400;
      ${rules.join("\n")}
    }
  }`;
  await world.exec(["nft", "-f", "-"], { input: table });
  return {
    async read() {
      const { stdout } = await world.exec(["nft", "-j", "list", "counters", "table", "inet", "arrivals"]);
      const { nftables } = listingSchema.parse(JSON.parse(stdout));
      return Object.fromEntries(nftables.flatMap(({ counter }) => (counter ? [[counter.name, counter.packets]] : [])));
    },
  };
}

const listingSchema = z.object({
  nftables: z.array(z.object({ counter: z.object({ name: z.string(), packets: z.number() }).optional() })),
});
