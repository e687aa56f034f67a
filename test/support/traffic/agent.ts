/** Runs inside one network namespace; makes and answers traffic there. Started by `endpoint.ts`, ends with its stdin. */
import { createInterface } from "node:readline";
import { parseOwnJson } from "../json.ts";
import { createFlood, createSink } from "./agent-flood.ts";
import { openFlow, type OpenFlow } from "./agent-flow.ts";
import { listen } from "./agent-listen.ts";
import { probe } from "./agent-probe.ts";
import type { AgentCommand, AgentReply, AgentRequest } from "./messages.ts";

const flows = new Map<number, OpenFlow>();
const flood = createFlood();
const sink = createSink();

for await (const line of createInterface({ input: process.stdin })) {
  void answer(parseOwnJson(line));
}
process.exit(0);

async function answer({ id, command }: AgentRequest): Promise<void> {
  try {
    say({ id, result: (await obey(command)) ?? null });
  } catch (error) {
    say({ id, error: error instanceof Error ? error.message : String(error) });
  }
}

function say(reply: AgentReply): void {
  process.stdout.write(`${JSON.stringify(reply)}\n`);
}

function obey(command: AgentCommand): unknown {
  switch (command.kind) {
    case "listen":
      return listen(command);
    case "probe":
      return probe(command);
    case "open-flow":
      flows.set(command.flow, openFlow(command));
      return undefined;
    case "read-flow":
      return flowNumbered(command.flow).state();
    case "close-flow":
      return flowNumbered(command.flow).close();
    case "start-flood":
      return flood.start(command);
    case "stop-flood":
      return flood.stop();
    case "start-sink":
      return sink.start(command);
    case "read-sink":
      return sink.state(command.sentAfterMs);
  }
}

function flowNumbered(number: number): OpenFlow {
  const flow = flows.get(number);
  if (flow === undefined) throw new Error(`Cannot find flow: ${number} was never opened`);
  return flow;
}
