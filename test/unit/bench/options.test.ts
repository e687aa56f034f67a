import { describe, expect, it } from "vitest";
import { parseBenchOptions } from "../../bench/options.ts";

describe("parseBenchOptions", () => {
  it("runs every section where none is named", () => {
    expect(parseBenchOptions([]).only).toEqual(["start", "plugin", "change", "global", "rest"]);
  });

  it("runs the sections that are named, in the bench's own order", () => {
    expect(parseBenchOptions(["--only", "rest,start", "--only=change"]).only).toEqual(["start", "change", "rest"]);
  });

  it("refuses a section that does not exist", () => {
    expect(() => parseBenchOptions(["--only", "packets"])).toThrow("found packets, expected one of start, plugin");
  });
});
