export const emptySnapshot = { entries: [] } as const;
