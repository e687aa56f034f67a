import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import yargs from "yargs";
import { builder } from "../../../cmd/watch.ts";
import { parseConsulSettings } from "../../../lib/host/consul-settings.ts";
import { parseNomadSettings } from "../../../lib/host/nomad-settings.ts";

/** What yargs says of a flag, on a line: `--resync  Seconds between … [number] [default: 8]`. */
const FLAG = /^ +--(?<name>[a-z-]+) .*?(?:\[default: (?<value>[^\]]*)\])?$/gm;

/** Secrets, which a job's text would show to whoever may read jobs; and what Nomad sets itself. */
const NEVER_IN_A_JOB = ["CONSUL_HTTP_TOKEN", "NOMAD_TOKEN", "NOMAD_SECRETS_DIR"];

const help = await builder(yargs([]).wrap(null).help(false).version(false)).getHelp();
const flags = [...help.matchAll(FLAG)].map(({ groups }) => ({
  name: groups?.["name"] ?? "",
  byDefault: (groups?.["value"] ?? "").replaceAll('"', ""),
}));
const environment = [parseConsulSettings, parseNomadSettings]
  .flatMap(variablesRead)
  .filter((name) => !NEVER_IN_A_JOB.includes(name));

describe.each(["outbound-watch", "outbound-watch-docker"])("%s.nomad.hcl", (file) => {
  const text = readFileSync(join(import.meta.dirname, "..", "..", "..", "nomad", `${file}.nomad.hcl`), "utf8");

  test("has every flag of outbound watch as a variable, and passes it on", () => {
    const names = flags.map(({ name }) => name);
    expect(names).toEqual(expect.arrayContaining(["node", "prefix", "listen", "state-dir"]));
    const passed = names.filter((name) => text.includes(`"--${name}=\${var.${variableOf(name)}}"`));
    expect(passed).toEqual(names);
    for (const name of names) expect(defaultOf(text, variableOf(name))).toBeDefined();
  });

  test("has the defaults that the flags have, but for the node's name", () => {
    const given = flags.filter(({ name }) => name !== "node");
    const inJob = given.map(({ name }) => ({ name, byDefault: defaultOf(text, variableOf(name)) }));
    expect(inJob).toEqual(given);
    expect(defaultOf(text, "node")).toBe("$${node.unique.name}");
  });

  test("has every variable of the environment that Consul and Nomad are reached by, and says none by default", () => {
    expect(environment).toEqual(expect.arrayContaining(["CONSUL_HTTP_ADDR", "CONSUL_CACERT", "NOMAD_ADDR"]));
    const declared = environment.map((name) => ({ name, byDefault: defaultOf(text, variableOf(name)) }));
    expect(declared).toEqual(environment.map((name) => ({ name, byDefault: "" })));
    const passed = environment.filter((name) => new RegExp(`\\b${name} += .*var\\.${variableOf(name)}\\n`).test(text));
    expect(passed).toEqual(environment);
  });
});

function variableOf(name: string): string {
  return name.toLowerCase().replaceAll("-", "_");
}

/** As the job writes it, without quotes; undefined where the job has no such variable. */
function defaultOf(text: string, variable: string): string | undefined {
  const [, block = ""] = new RegExp(`^variable "${variable}" \\{\n([^]*?)^\\}`, "m").exec(text) ?? [];
  return /^ +default += "?(.*?)"?$/m.exec(block)?.[1];
}

/** The names that a reader of the environment looks at. */
function variablesRead(read: (env: Readonly<Record<string, string | undefined>>) => unknown): readonly string[] {
  const names = new Set<string>();
  const seen = (name: string | symbol): undefined => void names.add(String(name));
  read(new Proxy({}, { get: (_, name) => seen(name) }));
  return [...names].toSorted();
}
