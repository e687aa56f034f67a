import { expect, test } from "vitest";
import { completeValue } from "../../../cmd/completion-values.ts";
import { attachmentOf } from "../../support/attachment.ts";

const attachments = [
  attachmentOf({
    containerId: "8f1c",
    network: "egress",
    identity: { namespace: "default", job: "web", group: "app" },
  }),
  attachmentOf({ containerId: "9a2b", network: "lab", identity: { namespace: "batch", job: "load", group: "run" } }),
  attachmentOf({ containerId: "77aa", network: "lab", identity: { namespace: "batch", job: "a\u{1b}[31m" } }),
];

/** The values for the last word, as yargs would ask for them. */
function valuesFor(line: string, parsed: object = {}): readonly string[] | undefined {
  const words = ["outbound", ...line.split(" ")];
  const places = words.filter((word) => !word.startsWith("-"));
  const found = completeValue({ words, parsed: { _: places, ...parsed }, readAttachments: () => attachments });
  return found?.map(({ value }) => value);
}

test("an allocation's id is completed where one is expected, and only there", () => {
  expect(valuesFor("show ")).toEqual(["77aa", "8f1c", "9a2b"]);
  expect(valuesFor("explain ")).toEqual(["77aa", "8f1c", "9a2b"]);
  expect(valuesFor("rules put x --namespace batch --alloc ", { namespace: "batch" })).toEqual(["77aa", "9a2b"]);
  for (const line of ["", "list ", "explain 8f1c ", "show --js", "rules put "]) expect(valuesFor(line)).toBeUndefined();
});

test("an id says whose it is", () => {
  const request = { words: ["outbound", "show", ""], parsed: { _: ["outbound", "show", ""] } };
  expect(completeValue({ ...request, readAttachments: () => attachments.slice(0, 1) })).toEqual([
    { value: "8f1c", about: "default/web/app" },
  ]);
});

test("names of a scope come once each, within what is given of it, and none with control characters", () => {
  expect(valuesFor("plan x --namespace ")).toEqual(["batch", "default"]);
  expect(valuesFor("plan x --network ")).toEqual(["egress", "lab"]);
  expect(valuesFor("plan x --namespace batch --job ", { namespace: "batch" })).toEqual(["load"]);
  expect(valuesFor("plan x --job web --group ", { job: "web" })).toEqual(["app"]);
});

test("a flag that is being written does not hide what it could be", () => {
  expect(valuesFor("plan x --namespace ba", { namespace: "ba" })).toEqual(["batch", "default"]);
  expect(valuesFor("plan x --job w", { job: "w" })).toEqual(["load", "web"]);
  expect(valuesFor("plan x --job ", { job: "" })).toEqual(["load", "web"]);
  expect(valuesFor("plan x --group ", { job: ["web", "load"] })).toEqual(["app", "run"]);
});

test("where a file is expected the shell completes it", () => {
  for (const line of [
    "rules put x -f ",
    "rules put x --file ",
    "list --state-dir ",
    "rules validate ",
    "rules validate a.json ",
  ]) {
    expect(valuesFor(line)).toEqual([]);
  }
});

test("the words of a rule are completed, each with what it means", () => {
  expect(valuesFor("rules put x --mode ")).toEqual(["enforce", "audit"]);
  expect(valuesFor("plan x --action DR")).toEqual(["ACCEPT", "DROP", "REJECT"]);
  expect(valuesFor("rules put x --proto ")).toEqual(["tcp", "udp", "sctp", "icmp", "icmpv6", "all"]);
  const words = ["outbound", "plan", "x", "--mode", ""];
  const found = completeValue({ words, parsed: { _: ["outbound", "plan", "x"] }, readAttachments: () => [] });
  expect(found?.map(({ about }) => about)).toEqual(["the rules decide", "count only"]);
});

test("the state folder is the one that is named", () => {
  const asked: string[] = [];
  const readAttachments = (stateDir: string): [] => {
    asked.push(stateDir);
    return [];
  };
  const words = ["outbound", "show", ""];
  completeValue({ words, parsed: { _: words, stateDir: "/srv/state" }, readAttachments });
  completeValue({ words, parsed: { _: words }, readAttachments });
  expect(asked).toEqual(["/srv/state", "/run/cni-outbound"]);
});
