import { expect, test } from "vitest";
import { checkIdentities, type IdentityFacts } from "../../../lib/doctor/identities.ts";
import { attachmentOf } from "../../support/attachment.ts";

const addedAt = "2026-11-24T06:00:00.000Z";
const nowMs = Date.parse("2026-11-24T06:03:00.000Z");
const nameless = (containerId: string) => attachmentOf({ containerId, identity: {}, addedAt });
const facts = (more: Partial<IdentityFacts>): IdentityFacts => ({ attachments: [], problems: [], nowMs, ...more });

test("attachments that are all known are good, and so are none", () => {
  expect(checkIdentities(facts({ attachments: [attachmentOf()] }))).toMatchObject({ state: "ok" });
  expect(checkIdentities(facts({}))).toMatchObject({ state: "ok" });
});

test("one that is not known is a warning that says since when, why and what to do", () => {
  const problems = [{ problem: "Nomad answers 403", allocations: ["a"] }];
  const check = checkIdentities(facts({ attachments: [nameless("a"), attachmentOf()], problems }));
  expect(check).toMatchObject({
    state: "warning",
    message: "it is not known whose 1 attachment is, since 3 min: Nomad answers 403",
  });
  expect(check.remedy).toContain("outbound-watch.nomad-policy.hcl");
});

test("where the watcher has not said why, that is said", () => {
  expect(checkIdentities(facts({ attachments: [nameless("a"), nameless("b")] })).message).toBe(
    "it is not known whose 2 attachments are, since 3 min: the watcher has not said why",
  );
});

test("who may not read the records cannot tell", () => {
  expect(checkIdentities({ unread: "needs root" }).state).toBe("unknown");
});
