import type { ArgumentsCamelCase, Argv } from "yargs";
import { MARKS, formatSections } from "../lib/doctor/format-sections.ts";
import { diagnose } from "../lib/doctor/diagnose.ts";
import type { Highlights } from "./colour.ts";
import { CONSUL_NOTE, consulOptions } from "./consul-options.ts";
import { gatherFacts } from "./doctor-facts.ts";
import { examples } from "./examples.ts";
import { jsonOption, stateOptions } from "./options.ts";
import { printJson, printText } from "./print.ts";

export const command = "doctor";
export const describe = "Check what would keep rules from working on this node";

export function builder(yargs: Argv) {
  return consulOptions(jsonOption(stateOptions(yargs)))
    .option("cni-config-dir", {
      type: "string",
      default: "/opt/cni/config",
      describe: "Where Nomad looks for conflists, its cni_config_dir",
    })
    .option("cni-path", {
      type: "string",
      default: "/opt/cni/bin",
      describe: "Where Nomad looks for plugins, its cni_path: folders with : between them",
    })
    .option("listen", {
      type: "string",
      default: "127.0.0.1:9710",
      describe: "Where the watcher serves /ready; empty: it is not asked",
    })
    .option("node", { type: "string", describe: "This node's name; default: as cached, else the host's" })
    .epilogue(
      [
        ...examples({
          "as root; without, some checks say that they need it": "outbound doctor",
          "what is wrong, for machines": `outbound doctor --json | jq '.checks[] | select(.state == "problem")'`,
        }),
        "Each check is ok, warn, FAIL or ?, which is a check that could not be made, and",
        "says what to do about it. It only reads, and takes a few seconds at most.",
        "",
        CONSUL_NOTE,
        "What it says of Consul is what those of this command's environment allow: run it",
        "with the watcher's.",
        "",
        "Exit code 0: nothing is wrong; there may be warnings. 1: something is.",
        "",
        "JSON: { checks: [{ name, section, state: ok|warning|problem|unknown,",
        "                   message, remedy? }] }",
        "A check of a conflist comes once for each thing wrong with it.",
      ].join("\n"),
    );
}

type DoctorArguments = ArgumentsCamelCase<Awaited<ReturnType<typeof builder>["argv"]>>;

export async function handler(options: DoctorArguments): Promise<void> {
  const sections = diagnose(await gatherFacts(options));
  const checks = sections.flatMap(({ title, checks: own }) => own.map((check) => ({ ...check, section: title })));
  if (options.json) {
    printJson({
      checks: checks.map(({ name, section, state, message, remedy }) => ({
        name,
        section,
        state,
        message,
        ...(remedy !== undefined && { remedy }),
      })),
    });
  } else printText(formatSections(sections), HIGHLIGHTS);
  if (checks.some(({ state }) => state === "problem")) process.exitCode = 1;
}

/** The marks before the checks, and nothing that a check says. */
const HIGHLIGHTS: Highlights = {
  words: { [MARKS.ok]: "green", [MARKS.warning]: "yellow", [MARKS.problem]: "red", [MARKS.unknown]: "cyan" },
  where: /^ {2}\S+/gm,
};
