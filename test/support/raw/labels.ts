import { setTimeout as sleep } from "node:timers/promises";
import type { ClientNode } from "../network-namespace.ts";
import { waitUntil } from "../wait.ts";
import type { RawDevice } from "./raw-device.ts";

/** A payload that is found again wherever it arrives. */
export function labelled(label: string): string {
  return `<<${label}>>`;
}

/** The labels of what came in through a device so far, each once, sorted. */
export function labelsAt(device: RawDevice): readonly string[] {
  return labelsIn(device.received().map(({ frame }) => frame.toString("latin1")));
}

/** A UDP port of a node's own, on all its addresses: what reaches it has passed INPUT. */
export interface HostPort {
  labels(): readonly string[];
}

export async function openHostPort(node: ClientNode, port: number): Promise<HostPort> {
  const program = `
    const socket = require("dgram").createSocket("udp6");
    socket.on("message", (message) => console.log(message.toString("latin1")));
    socket.bind(Number(process.argv[1]), "::", () => console.log("listening"));
  `;
  const started = await node.start([process.execPath, "-e", program, String(port)]);
  await waitUntil(() => started.stdout().includes("listening"), { what: `port ${port} of the node` });
  return { labels: () => labelsIn(started.stdout().split("\n")) };
}

/** Long enough for what was sent to arrive, where anything lets it through. */
export function settle(): Promise<void> {
  return sleep(150);
}

/** Of a network interface, as its namespace shows it. */
export async function macOf(namespace: Pick<ClientNode, "exec">, device: string): Promise<string> {
  return (await namespace.exec(["cat", `/sys/class/net/${device}/address`])).stdout.trim();
}

function labelsIn(texts: readonly string[]): readonly string[] {
  const labels = texts.flatMap((text) => /<<([^<>]+)>>/.exec(text)?.[1] ?? []);
  return [...new Set(labels)].toSorted();
}
