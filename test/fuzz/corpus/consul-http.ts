import type { Finding } from "../support/campaign.ts";
import type { HostileAnswer } from "../support/hostile-consul.ts";

export const CONSUL_CORPUS: readonly Finding<readonly HostileAnswer[]>[] = [
  {
    was: "a ModifyIndex that no number holds made the cache of all rule sets unreadable",
    input: ["1e300", "1.5", "9007199254740993", "-1", "-0"].map((index) => answerWith(index)),
  },
];

function answerWith(modifyIndex: string): HostileAnswer {
  const value = Buffer.from('{"action":"DROP"}').toString("base64");
  const body = `[{"Key":"outbound/rules/global/a","Value":"${value}","ModifyIndex":${modifyIndex}}]`;
  const head = `HTTP/1.1 200 OK\r\nX-Consul-Index: 12\r\nContent-Length: ${body.length}\r\n\r\n`;
  return { head, body, delivery: "whole", end: "close" };
}
