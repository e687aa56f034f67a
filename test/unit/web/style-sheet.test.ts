import { expect, test } from "vitest";
import { STYLE_SHEET } from "../../../lib/web/style-sheet.ts";

/** Which colours stand on which. */
const PAIRS = [
  ["text", ["ground", "panel", "line", "good-ground", "warn-ground", "bad-ground"]],
  ["soft", ["ground", "panel", "good-ground", "warn-ground", "bad-ground"]],
  ["link", ["ground", "panel"]],
  ["good", ["ground", "panel", "good-ground"]],
  ["warn", ["ground", "panel", "warn-ground"]],
  ["bad", ["ground", "panel", "bad-ground"]],
] as const;

/** The colours by day, and by night. */
function palettes(): readonly ReadonlyMap<string, string>[] {
  const [day = "", night = ""] = STYLE_SHEET.split("@media (prefers-color-scheme: dark)");
  return [day, night].map(
    (part) =>
      new Map(
        Array.from(part.matchAll(/--([a-z-]+): (#[0-9a-f]{6});/g), ([, name = "", colour = ""]) => [name, colour]),
      ),
  );
}

/** WCAG 2.2, relative luminance and contrast ratio. */
function contrast(left: string, right: string): number {
  const [light = 0, dark = 0] = [luminance(left), luminance(right)].toSorted((a, b) => b - a);
  return (light + 0.05) / (dark + 0.05);
}

function luminance(colour: string): number {
  const [red = 0, green = 0, blue = 0] = [1, 3, 5].map((at) => {
    const value = Number.parseInt(colour.slice(at, at + 2), 16) / 255;
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

test("by day and by night, every text has a contrast of 4.5 to what it stands on", () => {
  const [day, night] = palettes();
  expect(day?.size).toBeGreaterThanOrEqual(12);
  expect([...(night?.keys() ?? [])]).toEqual([...(day?.keys() ?? [])]);
  const faint = [day, night].flatMap((palette) =>
    PAIRS.flatMap(([text, grounds]) =>
      grounds
        .map((ground) => ({ text, ground, ratio: contrast(palette?.get(text) ?? "", palette?.get(ground) ?? "") }))
        .filter(({ ratio }) => !(ratio >= 4.5)),
    ),
  );
  expect(faint).toEqual([]);
});
