import { expect, test } from "vitest";
import { isAllowedHost } from "../../../lib/web/allowed-host.ts";

const names = ["node-1", "", " nodes.example "];

test.each([
  "127.0.0.1:9710",
  "127.0.0.1",
  "10.1.2.3:80",
  "[::1]:9710",
  "[fd00::1]",
  "localhost:9710",
  "LOCALHOST",
  "localhost.:9710",
  "node-1:9710",
  "Node-1",
  "nodes.example:1",
  undefined,
])("a page may be asked for by %s", (host) => {
  expect(isAllowedHost(host, names)).toBe(true);
});

test.each([
  "evil.example:9710",
  "evil.example",
  "node-1.evil.example",
  "127.0.0.1.evil.example",
  "127.0.0.1:9710@evil.example",
  "evil.example@127.0.0.1:9710",
  "[evil.example]:9710",
  "localhost.evil.example",
  "",
  ":9710",
  ".",
  "node-1:99999999",
])("a page may not be asked for by %j: anybody can have that name", (host) => {
  expect(isAllowedHost(host, names)).toBe(false);
});
