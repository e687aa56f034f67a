/** How the suite runs: FAULTS=long for nights, FAULTS_SEED to repeat what one run chose. */
export interface Form {
  readonly name: "gate" | "long";
  readonly isLong: boolean;
  readonly seed: number;
}

export function readForm(env: Readonly<Record<string, string | undefined>> = process.env): Form {
  const isLong = env["FAULTS"] === "long";
  const given = env["FAULTS_SEED"] ?? "";
  const seed = /^\d{1,9}$/.test(given) ? Number(given) : isLong ? Math.floor(Math.random() * 1e9) : 1;
  return { name: isLong ? "long" : "gate", isLong, seed };
}
