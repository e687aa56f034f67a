import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  attachmentScopes,
  decodeSegment,
  encodeSegment,
  formatKey,
  keysOf,
  neededPrefixes,
  parseKey,
  scopePrefix,
} from "../../../lib/policy/scope.ts";
import { names, scopes } from "./arbitraries.ts";

describe("encodeSegment and decodeSegment", () => {
  test.each([
    ["web", "web"],
    ["A.b_c-9", "A.b_c-9"],
    ["a/b", "a=2Fb"],
    ["a b", "a=20b"],
    ["=", "=3D"],
    ["é", "=C3=A9"],
    ["😀", "=F0=9F=98=80"],
    [".", "=2E"],
    ["..", "=2E=2E"],
    ["...", "..."],
    ["\u{feff}", "=EF=BB=BF"],
    ["\n", "=0A"],
  ])("write %j as %s and read it back", (name, segment) => {
    expect(encodeSegment(name)).toBe(segment);
    expect(decodeSegment(segment)).toBe(name);
  });

  test.each([
    ["a=2fb", "lower-case hex"],
    ["=61", "a safe byte encoded"],
    ["=5F", "a safe byte encoded"],
    ["a=2E", "a dot encoded where it is safe"],
    ["=2E=2E=2E", "dots encoded where they are safe"],
    [".", "a dot alone"],
    ["..", "two dots alone"],
    ["=2E.", "half of two dots encoded"],
    ["=FF", "bytes that are not UTF-8"],
    ["=C3", "half of a character"],
    ["=C0=AF", "an overlong character"],
    ["=ED=A0=80", "a surrogate"],
    ["=", "no digits"],
    ["a=2", "one digit"],
    ["a b", "a raw space"],
    ["é", "a raw letter outside of ASCII"],
    ["a%2Fb", "a percent sign"],
    ["a/b", "a raw slash"],
    ["", "nothing"],
    ["a\n", "a line feed"],
  ])("do not read %j: %s", (segment) => {
    expect(decodeSegment(segment)).toBeUndefined();
  });

  test("refuse an empty name", () => {
    expect(() => encodeSegment("")).toThrow("Cannot encode segment: the name is empty");
  });

  test("refuse half a surrogate pair: all of them would have the key of U+FFFD", () => {
    expect(() => encodeSegment("a\ud800")).toThrow('Cannot encode segment: "a\\ud800" is no Unicode text');
  });

  test("write only characters that every Consul version takes, and read every name back", () => {
    fc.assert(
      fc.property(names(), (name) => {
        const segment = encodeSegment(name);
        expect(segment).toMatch(/^[A-Za-z0-9._=-]+$/);
        expect(decodeSegment(segment)).toBe(name);
      }),
    );
  });

  test("have exactly one way to write a name", () => {
    const nearly = fc.string({
      unit: fc.constantFrom("=", "2", "E", "F", "C", "3", "A", "9", "a", ".", "/"),
      maxLength: 9,
    });
    fc.assert(
      fc.property(nearly, (segment) => {
        const name = decodeSegment(segment);
        expect(name === undefined ? segment : encodeSegment(name)).toBe(segment);
      }),
      { numRuns: 2000 },
    );
  });
});

describe("parseKey", () => {
  test.each([
    ["global/base", { kind: "global" }, "base"],
    ["node/n1/x", { kind: "node", node: "n1" }, "x"],
    ["network/mesh/x", { kind: "network", network: "mesh" }, "x"],
    ["namespace/default/x", { kind: "namespace", namespace: "default" }, "x"],
    ["namespace/default/job/web/x", { kind: "job", namespace: "default", job: "web" }, "x"],
    ["namespace/default/job/a=2Fb/x", { kind: "job", namespace: "default", job: "a/b" }, "x"],
    ["namespace/d/job/web/group/api/x", { kind: "group", namespace: "d", job: "web", group: "api" }, "x"],
    ["namespace/d/alloc/1234/x", { kind: "alloc", namespace: "d", alloc: "1234" }, "x"],
    ["namespace/job/job", { kind: "namespace", namespace: "job" }, "job"],
    ["namespace/d/job/job/group", { kind: "job", namespace: "d", job: "job" }, "group"],
  ])("reads %s", (key, scope, name) => {
    expect(parseKey(key)).toEqual({ kind: "rule-set", scope, name });
  });

  test.each(["", "/", "global/", "namespace/default/job/", "no scope/", "a//"])("sees a folder in %j", (key) => {
    expect(parseKey(key)).toEqual({ kind: "folder" });
  });

  test.each([
    ["global", "expected global/<name>"],
    ["global/a/b", "expected global/<name>"],
    ["node/x", "expected node/<node>/<name>"],
    ["network/x", "expected network/<network>/<name>"],
    ["network/x/y/z", "expected network/<network>/<name>"],
    ["namespace/x", "job/<job>/group/<group>/<name>"],
    ["namespace/x/job/y", "job/<job>/<name>"],
    ["namespace/x/jobs/y/z", "job/<job>/<name>"],
    ["namespace/x/job/y/group/z", "job/<job>/group/<group>/<name>"],
    ["namespace/x/alloc/y/group/z/n", "alloc/<alloc-id>/<name>"],
    ["namespace/x/job/y/groups/z/n", "job/<job>/group/<group>/<name>"],
    ["namespace/x/job/y/group/z/n/more", "job/<job>/group/<group>/<name>"],
    ["job/web/x", "expected a key that starts with global/, node/, network/ or namespace/"],
    ["Global/x", "expected a key that starts with global/"],
    ["x", "expected a key that starts with global/"],
    ["global//x", "found an empty segment"],
    ["/global/x", "found an empty segment"],
    ["global/a b", 'found the segment "a b", expected A-Z a-z 0-9 . _ - and each other byte as ='],
    ["global/a=2f", 'found the segment "a=2f"'],
    ["global/..", 'found the segment ".."'],
  ])("does not know %s and says what was expected", (key, reason) => {
    const parsed = parseKey(key);
    expect(parsed.kind === "unknown" && parsed.reason).toContain(reason);
  });

  test("reads what formatKey writes, and only that", () => {
    fc.assert(
      fc.property(scopes(), names(), (scope, name) => {
        const key = formatKey(scope, name);
        expect(key.startsWith(scopePrefix(scope))).toBe(true);
        expect(parseKey(key)).toEqual({ kind: "rule-set", scope, name });
      }),
    );
  });

  test("never throws, and reads no key that formatKey would write otherwise", () => {
    const part = fc.constantFrom("global", "node", "namespace", "job", "group", "alloc", "a", "=2E", ".", "", "=61");
    const key = fc.oneof(
      fc.array(part, { maxLength: 8 }).map((parts) => parts.join("/")),
      fc.string(),
    );
    fc.assert(
      fc.property(key, (relative) => {
        const parsed = parseKey(relative);
        expect(parsed.kind === "rule-set" ? formatKey(parsed.scope, parsed.name) : relative).toBe(relative);
        expect(parsed.kind === "unknown" ? parsed.reason : "found it, expected it").toMatch(/^found .*, expected /);
      }),
      { numRuns: 2000 },
    );
  });
});

describe("scopePrefix", () => {
  test("is the identity of a scope", () => {
    expect(scopePrefix({ kind: "job", namespace: "default", job: "web" })).toBe("namespace/default/job/web/");
    fc.assert(
      fc.property(scopes(), scopes(), (a, b) => {
        expect(scopePrefix(a) === scopePrefix(b)).toBe(JSON.stringify(a) === JSON.stringify(b));
      }),
    );
  });
});

describe("attachmentScopes", () => {
  const attachment = { network: "mesh", containerId: "a1" };

  function prefixesOf(identity: Parameters<typeof attachmentScopes>[0]["identity"]): readonly string[] {
    return attachmentScopes({ ...attachment, identity }, "n1").map(scopePrefix);
  }

  test("go from everything to the one allocation", () => {
    expect(prefixesOf({ region: "global", namespace: "default", job: "web", group: "api" })).toEqual([
      "global/",
      "node/n1/",
      "network/mesh/",
      "namespace/default/",
      "namespace/default/job/web/",
      "namespace/default/job/web/group/api/",
      "namespace/default/alloc/a1/",
    ]);
  });

  test("leave out what is not known", () => {
    expect(prefixesOf({ namespace: "d", job: "web" })).toEqual([
      "global/",
      "node/n1/",
      "network/mesh/",
      "namespace/d/",
      "namespace/d/job/web/",
      "namespace/d/alloc/a1/",
    ]);
    expect(prefixesOf({ namespace: "d", group: "api" })).not.toContain("namespace/d/job/web/");
    expect(prefixesOf({ namespace: "d", group: "api" })).toHaveLength(5);
    expect(prefixesOf({ job: "web", group: "api" })).toEqual(["global/", "node/n1/", "network/mesh/"]);
    expect(prefixesOf({ namespace: "", job: "web" })).toHaveLength(3);
    expect(attachmentScopes({ ...attachment, identity: {} }, "").map(scopePrefix)).toEqual([
      "global/",
      "network/mesh/",
    ]);
  });

  test("hold the jobs that a dispatched or periodic child comes from, and the group in each", () => {
    const prefixes = prefixesOf({ namespace: "d", job: "etl/periodic-1700/dispatch-1700-ab12", group: "g" });
    expect(prefixes.slice(4, 10)).toEqual([
      "namespace/d/job/etl=2Fperiodic-1700=2Fdispatch-1700-ab12/",
      "namespace/d/job/etl=2Fperiodic-1700/",
      "namespace/d/job/etl/",
      "namespace/d/job/etl=2Fperiodic-1700=2Fdispatch-1700-ab12/group/g/",
      "namespace/d/job/etl=2Fperiodic-1700/group/g/",
      "namespace/d/job/etl/group/g/",
    ]);
  });

  test("take no other slash in a job's name for a parent", () => {
    expect(prefixesOf({ namespace: "d", job: "team/web" })).not.toContain("namespace/d/job/team/");
    const many = prefixesOf({ namespace: "d", job: `web${"/dispatch-1".repeat(10_000)}` });
    expect(many).toContain("namespace/d/job/web/");
    expect(many.length).toBeLessThan(20);
    expect(prefixesOf({ namespace: "d", job: "web/dispatched" })).not.toContain("namespace/d/job/web/");
    expect(prefixesOf({ namespace: "d", job: "web-dispatch-1" })).toHaveLength(6);
    expect(prefixesOf({ namespace: "d", job: "/dispatch-1" })).toHaveLength(6);
  });
});

describe("neededPrefixes", () => {
  test("are sorted and each is there once", () => {
    expect(
      neededPrefixes({ node: "n1", networks: ["mesh", "a b", "mesh"], namespaces: ["default", "a", "default"] }),
    ).toEqual(["global/", "namespace/a/", "namespace/default/", "network/a=20b/", "network/mesh/", "node/n1/"]);
  });

  test("hold every key of every scope of an attachment", () => {
    const identity = fc.record({ namespace: names(), job: names(), group: names() }, { requiredKeys: [] });
    fc.assert(
      fc.property(names(), names(), identity, (node, network, known) => {
        const namespaces = known.namespace === undefined ? [] : [known.namespace];
        const prefixes = neededPrefixes({ node, networks: [network], namespaces });
        for (const scope of attachmentScopes({ network, containerId: "a1", identity: known }, node)) {
          expect(prefixes.some((prefix) => formatKey(scope, "x").startsWith(prefix))).toBe(true);
        }
      }),
    );
  });
});

describe("keysOf", () => {
  const job = { network: "egress", containerId: "8f1c", identity: { namespace: "default", job: "a/b", group: "web" } };
  const isOf = keysOf(job)("n1");

  test.each([
    "global/x",
    "node/n1/x",
    "network/egress/x",
    "namespace/default/x",
    "namespace/default/job/a=2Fb/x",
    "namespace/default/job/a=2Fb/group/web/x",
    "namespace/default/alloc/8f1c/x",
  ])("takes %s", (key) => {
    expect(isOf(key)).toBe(true);
  });

  test.each([
    "node/n2/x",
    "network/other/x",
    "namespace/team/x",
    "namespace/default/job/a/x",
    "namespace/default/job/a=2Fb/group/db/x",
    "namespace/default/alloc/8f1d/x",
  ])("leaves %s", (key) => {
    expect(isOf(key)).toBe(false);
  });

  test("takes just the keys of the attachment's scopes", () => {
    fc.assert(
      fc.property(scopes(), names(), (scope, name) => {
        const own = attachmentScopes(job, "n1").map(scopePrefix);
        expect(isOf(formatKey(scope, name))).toBe(own.includes(scopePrefix(scope)));
      }),
    );
  });
});
