import { expect, test } from "vitest";
import { toPrintable } from "../../../lib/inspect/printable.ts";

test("what a terminal would obey is replaced, what people read stays", () => {
  expect(toPrintable("a\u001b[2Jb\rc\u009bd\u202ee\tf")).toBe("a\ufffd[2Jb\ufffdc\ufffdd\ufffde\ufffdf");
  expect(toPrintable("Bücher, 本, 🙂\nnext line")).toBe("Bücher, 本, 🙂\nnext line");
});
