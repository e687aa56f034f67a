/** Put in by deploy/build.ts at build time; not there when the sources run directly. */
declare const OUTBOUND_VERSION: string | undefined;

/** Semantic version without a leading "v". */
export const version = typeof OUTBOUND_VERSION === "string" ? OUTBOUND_VERSION : "0.0.0-dev";
