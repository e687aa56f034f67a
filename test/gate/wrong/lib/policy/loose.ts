export function isZero(value: unknown): boolean {
  return value == 0; // wrong: lint eqeqeq
}

export function describe(kind: "accept" | "drop"): string {
  let text = "";
  // wrong: lint switch-exhaustiveness-check
  switch (kind) {
    case "accept":
      text = "in";
  }
  return text;
}
