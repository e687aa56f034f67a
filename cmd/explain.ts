import type { ArgumentsCamelCase, Argv } from "yargs";
import { readHostAddresses } from "../lib/host/host-addresses.ts";
import { parseDestination } from "../lib/inspect/destination.ts";
import { explain, formatExplanation } from "../lib/inspect/explain.ts";
import { findAllocation } from "../lib/inspect/find-allocation.ts";
import type { Packet } from "../lib/policy/evaluate.ts";
import { examples } from "./examples.ts";
import { readAttachments, readRuntimeContext } from "./node-state.ts";
import { allocPositional, jsonOption, stateOptions } from "./options.ts";
import { VERDICT_HIGHLIGHTS } from "./highlights.ts";
import { printJson, printText } from "./print.ts";
import { createStderrLog } from "./stderr-log.ts";
import { UsageError } from "./usage-error.ts";

export const command = "explain <alloc> <destination>";
export const describe = "Say what becomes of a connection, and which rule decides it";

export function builder(yargs: Argv) {
  return allocPositional(jsonOption(stateOptions(yargs)))
    .positional("destination", {
      type: "string",
      demandOption: true,
      describe: "<address>[:port][/proto]; tcp where no protocol is given, and a port for tcp, udp and sctp",
    })
    .epilogue(
      [
        ...examples({
          tcp: "$0 explain 8f1c 10.1.2.3:443",
          udp: "$0 explain 8f1c 10.1.2.3:53/udp",
          IPv6: "$0 explain 8f1c '[2001:db8::1]:443/tcp'",
          "a ping": "$0 explain 8f1c 10.1.2.3/icmp",
        }),
        "It asks the rules that are recorded on this node, not the kernel: outbound show",
        "tells what the kernel has. Rules are asked after DNAT: for a published port or",
        "a service address name the address behind it. Exit code 0 whatever the verdict.",
        "",
        "JSON: { explanations: [{ allocation, job, network, ifname,",
        "          destination: { family, destination, protocol, port? },",
        "          verdict: accept|drop|reject, from,",
        "          source: { kind: static|initial|job|runtime|default|host-traffic,",
        "                    index?, key? },",
        "          rule | null, text }] }",
      ].join("\n"),
    );
}

type ExplainArguments = ArgumentsCamelCase<Awaited<ReturnType<typeof builder>["argv"]>>;

export async function handler({ alloc, destination, stateDir, cacheDir, json }: ExplainArguments): Promise<void> {
  const packet = readDestination(destination);
  const log = createStderrLog();
  const attachments = findAllocation(alloc, readAttachments(stateDir, log).attachments);
  const options = { packet, context: readRuntimeContext(cacheDir, log), hostAddresses: readHostAddresses() };
  const explanations = attachments.map((attachment) => explain(attachment, options));
  if (json) printJson({ explanations });
  else printText(explanations.map(formatExplanation).join("\n\n"), VERDICT_HIGHLIGHTS);
}

function readDestination(text: string): Packet {
  try {
    return parseDestination(text);
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error), { cause: error });
  }
}
