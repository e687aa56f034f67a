/** The same as `bare-write-sync.ts` the usual way. */
declare const OUTBOUND_VERSION: string;

console.error(`CNI outbound plugin v${OUTBOUND_VERSION}\nCNI protocol versions supported: 0.1.0, and no others`);
