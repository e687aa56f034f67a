/** JSON text with whatever could move a cursor escaped: it parses to the same value. */
export function toPrintableJson(json: string): string {
  return json.replaceAll(/[^\P{C}\n]/gu, (character) =>
    Array.from({ length: character.length }, (_, index) => escapeUnit(character.charCodeAt(index))).join(""),
  );
}

function escapeUnit(unit: number): string {
  return `\\u${unit.toString(16).padStart(4, "0")}`;
}
