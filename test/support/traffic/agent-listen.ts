import { createSocket } from "node:dgram";
import { once } from "node:events";
import { createServer } from "node:net";
import type { ListenOptions } from "./messages.ts";

/** Echo servers, one socket an address: a reply over UDP must come from the address that was asked. `::` is IPv6 only. */
export async function listen({ addresses, ports, protocols }: ListenOptions): Promise<void> {
  const places = addresses.flatMap((address) => ports.map((port) => ({ address, port })));
  await Promise.all(
    places.flatMap(({ address, port }) =>
      protocols.map((protocol) => (protocol === "tcp" ? listenTcp(address, port) : listenUdp(address, port))),
    ),
  );
}

async function listenTcp(address: string, port: number): Promise<void> {
  const server = createServer({ noDelay: true }, (socket) => {
    socket.on("error", () => socket.destroy());
    socket.pipe(socket);
  });
  const listening = once(server, "listening");
  server.listen({ host: address, port, ipv6Only: address.includes(":") });
  await listening;
}

/** A socket whose address needs no look-up may be bound, and say so, before `bind` returns. */
async function listenUdp(address: string, port: number): Promise<void> {
  const socket = createSocket({
    type: address.includes(":") ? "udp6" : "udp4",
    ipv6Only: address.includes(":"),
    lookup: (host, _options, callback) => callback(null, host, address.includes(":") ? 6 : 4),
  });
  socket.on("message", (data, sender) => socket.send(data, sender.port, sender.address, () => {}));
  const listening = once(socket, "listening");
  socket.bind(port, address);
  await listening;
}
