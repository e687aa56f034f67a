/** Rows with their columns under each other, two spaces apart, no spaces at the end. */
export function alignColumns(
  rows: readonly (readonly string[])[],
  { right = [] }: AlignOptions = {},
): readonly string[] {
  const count = Math.max(0, ...rows.map((row) => row.length));
  const widths = Array.from({ length: count }, (_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows.map((row) =>
    row
      .map((cell, column) => {
        const width = widths[column] ?? 0;
        return right.includes(column) ? cell.padStart(width) : cell.padEnd(width);
      })
      .join("  ")
      .trimEnd(),
  );
}

export interface AlignOptions {
  /** Columns of numbers, which end under each other. */
  readonly right?: readonly number[];
}

/** Cuts a cell to `width` characters, and shows that it did. */
export function elide(text: string, width: number): string {
  return text.length <= width ? text : `${text.slice(0, Math.max(0, width - 1))}…`;
}
