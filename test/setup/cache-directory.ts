import { join } from "node:path";

/** What set-up downloads, builds and records; ignored by git, kept between runs. */
export const cacheDirectory = join(import.meta.dirname, "..", "..", ".cache");
