/** The least that a program of this runtime can do: say what the fingerprint says, on the same descriptor. */
import { writeSync } from "node:fs";

declare const OUTBOUND_VERSION: string;

writeSync(2, `CNI outbound plugin v${OUTBOUND_VERSION}\nCNI protocol versions supported: 0.1.0, and no others\n`);
