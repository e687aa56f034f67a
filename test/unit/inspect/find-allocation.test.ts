import { expect, test } from "vitest";
import { findAllocation } from "../../../lib/inspect/find-allocation.ts";
import { attachmentWith } from "./fixtures.ts";

const first = attachmentWith({ containerId: "aa11-1" });
const onOther = attachmentWith({ containerId: "aa11-1", network: "backend" });
const second = attachmentWith({ containerId: "aa22-2", identity: { namespace: "batch", job: "load" } });
const longer = attachmentWith({ containerId: "aa22-2-longer" });
const all = [first, second, onOther];

test("the start of an id is enough, and brings all attachments of the allocation by network", () => {
  expect(findAllocation("aa1", all)).toEqual([onOther, first]);
  expect(findAllocation("aa22-2", all)).toEqual([second]);
});

test("a whole id wins over one that it is the start of", () => {
  expect(findAllocation("aa22-2", [...all, longer])).toEqual([second]);
});

test("a prefix that fits several lists them with their jobs", () => {
  expect(() => findAllocation("aa", all)).toThrow(
    'Cannot find allocation: "aa" fits 2:\n  aa11-1  default/web/app\n  aa22-2  batch/load',
  );
});

test("of very many candidates the first ten are listed", () => {
  const many = Array.from({ length: 12 }, (_, index) => attachmentWith({ containerId: `b${100 + index}` }));
  expect(() => findAllocation("b", many)).toThrow(/ {2}b109 {2}default\/web\/app\n {2}and 2 more$/);
});

test("an id that fits none, and an empty one, are told", () => {
  expect(() => findAllocation("zz", all)).toThrow('no id starts with "zz" among 3 attachments');
  expect(() => findAllocation("", [first])).toThrow("the id is empty");
});
