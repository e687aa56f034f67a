import { expect, test } from "vitest";
import { formatAttachment, parseAttachment } from "../../../lib/policy/attachment-record.ts";
import { attachmentOf } from "../../support/attachment.ts";

const text = formatAttachment(
  attachmentOf({ addresses: ["10.0.0.1"], hostInterface: { name: "veth1", isBridgePort: true } }),
);

test("a record reads as it was written", () => {
  expect(formatAttachment(parseAttachment(text))).toBe(text);
});

test.each([
  ["an address", '"10.0.0.1"', '"10.0.0.1\\n-A FORWARD -j ACCEPT"', "addresses"],
  ["an address that is a block", '"10.0.0.1"', '"10.0.0.0/8"', "addresses"],
  ["an interface", '"veth1"', '"veth1 -j ACCEPT"', "hostInterface"],
  ["a main chain", /"mainChain": "[^"]*"/, '"mainChain": "X -j ACCEPT"', "mainChain"],
  ["its chain", /"chain": "[^"]*"/, '"chain": "CNI-OUT-1\\nCOMMIT"', "chain"],
])("a record whose text for %s could not stand in a rule is refused", (_, part, damaged, where) => {
  const changed = text.replace(part, damaged);
  expect(changed).not.toBe(text);
  expect(() => parseAttachment(changed)).toThrow(`"${where}"`);
});

test.each([
  ["an address", '"10.0.0.1"', '"10.0.0.3"'],
  ["a name", '"namespace": "default"', '"namespace": "defaulu"'],
  ["a space", "  ", " "],
  ["the digest's name", '"digest"', '"digesu"'],
  ["the digest", /"digest": "./, '"digest": "x'],
])("a record in which %s was damaged into another is refused", (_, part, damaged) => {
  const changed = text.replace(part, damaged);
  expect(changed).not.toBe(text);
  expect(() => parseAttachment(changed)).toThrow(Error);
});

test("a record whose names are no Unicode text is refused, as they have no keys", () => {
  const identity = { namespace: "default", job: "\ud800" };
  expect(() => parseAttachment(formatAttachment(attachmentOf({ identity })))).toThrow('"job"');
});
