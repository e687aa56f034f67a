// wrong: unit-tests
import { expect, it } from "vitest";

// wrong: lint no-focused-tests
it.only("leaves others out", () => {
  expect(1).toBe(1);
});

it("is left out", () => {
  expect(1).toBe(1);
});
