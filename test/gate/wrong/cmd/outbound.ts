// Everything here is right: the entry may read the environment, print and set the exit code.
import { readClock } from "../lib/host/clock.ts";
import * as world from "../lib/host/world.ts";
import * as asserted from "../lib/policy/asserted.ts";
import * as cycle from "../lib/policy/cycle-a.ts";
import * as imports from "../lib/policy/imports.ts";
import * as loose from "../lib/policy/loose.ts";
import { used } from "../lib/policy/dead.ts";
import { port } from "../lib/policy/mistyped.ts";
import * as right from "../lib/policy/right.ts";
import * as reads from "../lib/policy/touches-world.ts";
import { address } from "../lib/policy/unformatted.ts";
import * as loop from "../watcher/loop.ts";

console.log(process.env["HOME"], readClock(), used, port, address);
console.log(world, asserted, cycle, imports, loose, right, reads, loop);
process.exitCode = 1;
