export function widen(value: unknown): string {
  return value as string; // wrong: lint consistent-type-assertions, lint no-unsafe-type-assertion
}

// wrong: lint no-explicit-any
export function trust(value: any): string | undefined {
  return typeof value === "string" ? value : undefined;
}

export function first(values: readonly string[]): string {
  return values[0]!; // wrong: lint no-non-null-assertion
}

export function leak(text: string): number {
  const parsed = JSON.parse(text); // wrong: lint no-unsafe-assignment
  return Number(parsed);
}
