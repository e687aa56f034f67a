/**
 * Plays Nomad's agent: starts the program that its first argument names as a child, tells the child's number, and then
 * hands it its stdin from the second argument and waits for what it prints.
 */
import { spawn } from "node:child_process";

const [program = "", input = ""] = process.argv.slice(2);
const child = spawn(program, [], { stdio: ["pipe", "pipe", "pipe"] });
child.stdin.on("error", () => {});
child.stdout.resume();
child.stderr.resume();
process.stdout.write(`${child.pid}\n`);
child.stdin.end(input);
