import type { Argv } from "yargs";
import * as get from "./rules-get.ts";
import * as list from "./rules-list.ts";
import * as put from "./rules-put.ts";
import * as rm from "./rules-rm.ts";
import * as validate from "./rules-validate.ts";

export const command = "rules <action>";
export const describe = "List, get, put, remove and validate rule sets in Consul KV";

export function builder(yargs: Argv) {
  return yargs
    .command(list)
    .command(get)
    .command(put)
    .command(rm)
    .command(validate)
    .demandCommand(1, "Which action? One of those above");
}

export function handler(): void {}
