import { expect, test } from "vitest";
import { formatObserved, parseObserved } from "../../../lib/observed/connection.ts";
import { auditedBy, connection } from "./fixtures.ts";

const all = [
  connection(),
  connection({
    decision: auditedBy("global/a", { wouldBe: "accepted" }),
    port: 443,
    namespace: "default",
    job: "w/\n",
  }),
];

test("connections are read back as they were written", () => {
  expect(parseObserved(formatObserved(all))).toEqual(all);
  expect(parseObserved(formatObserved([]))).toEqual([]);
});

test.each([
  ["", /JSON/],
  [formatObserved(all).slice(0, -20), /JSON/],
  [formatObserved(all).replace('"format":1', '"format":2'), /format/],
  [formatObserved(all).replace('"lines":1', '"lines":-1'), /lines/],
  ["[]", /object/],
])("what is not such a file is refused: %j", (text, message) => {
  expect(() => parseObserved(text)).toThrow(message);
});
