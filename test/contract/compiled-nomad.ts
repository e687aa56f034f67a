import { createNomad } from "../../lib/host/nomad.ts";
import { NomadError } from "../../lib/host/nomad-error.ts";

/** Asks for one allocation and prints what came of it, as JSON. */
async function main(): Promise<void> {
  const [id = "", timeoutMs, maxBytes] = process.argv.slice(2);
  const nomad = createNomad(process.env, { timeoutMs: Number(timeoutMs), maxBytes: Number(maxBytes) });
  try {
    const identity = await nomad.readAllocation(id, { signal: new AbortController().signal });
    console.log(JSON.stringify({ identity }));
  } catch (error) {
    if (!(error instanceof NomadError)) throw error;
    console.log(JSON.stringify({ kind: error.kind, message: error.message }));
  }
}

void main();
