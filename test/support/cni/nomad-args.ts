/** What Nomad knows of an allocation. A value that holds ";" is left out of CNI_ARGS, as Nomad does. */
export interface NomadIdentity {
  readonly region?: string;
  readonly namespace?: string;
  readonly job?: string;
  readonly group?: string;
}

/**
 * CNI_ARGS as Nomad builds it: the job's own arguments, overridden by NOMAD_*, unescaped and in random order (it ranges
 * over a Go map).
 */
export function nomadArgs(options: {
  readonly allocId: string;
  readonly identity: NomadIdentity;
  readonly args: Readonly<Record<string, string>>;
}): string {
  const { allocId, identity } = options;
  const nomad = {
    NOMAD_REGION: identity.region,
    NOMAD_NAMESPACE: identity.namespace,
    NOMAD_JOB_ID: identity.job,
    NOMAD_GROUP_NAME: identity.group,
    NOMAD_ALLOC_ID: allocId,
  };
  const stated = Object.entries(nomad).filter(([, value]) => value !== undefined && !value.includes(";"));
  const pairs = Object.entries({ IgnoreUnknown: "true", ...options.args, ...Object.fromEntries(stated) });
  return shuffle(pairs.map(([key, value]) => `${key}=${value}`)).join(";");
}

function shuffle<T>(items: readonly T[]): readonly T[] {
  return items
    .map((item) => ({ item, rank: Math.random() }))
    .toSorted((a, b) => a.rank - b.rank)
    .map(({ item }) => item);
}
