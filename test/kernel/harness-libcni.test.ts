import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { gcNetwork, statusNetwork } from "../support/cni/libcni.ts";
import { listResults } from "../support/cni/result-cache.ts";
import { type Json, parseOwnJson } from "../support/json.ts";
import { createNode } from "../support/network-namespace.ts";

test("plugins are given what libcni and Nomad give them", async () => {
  const pluginDir = await mkdtemp(join(tmpdir(), "cni-outbound-plugins-"));
  onTestFinished(() => rm(pluginDir, { recursive: true }));
  const record = '{ env | grep "^CNI_" | sort; cat; echo; } > "$0.$CNI_COMMAND"';
  const script = `#!/bin/sh\n${record}\necho '{"cniVersion":"1.0.0","ips":[{"address":"10.0.0.2/24"}]}'\n`;
  for (const name of ["first", "last"]) await writeFile(join(pluginDir, name), script, { mode: 0o755 });
  const node = await createNode({ backend: "nft", pluginDirs: [pluginDir] });
  onTestFinished(() => node.close());
  const conflist = {
    cniVersion: "1.1.0",
    name: "recorded",
    plugins: [{ type: "first", capabilities: { portMappings: true } }, { type: "last" }],
  };
  const container = await node.attach({
    conflist,
    containerId: "alloc-1",
    identity: { namespace: "default", job: "a;b" },
    args: { "outbound.additional_rules": "[]", NOMAD_NAMESPACE: "forged" },
    portMappings: [{ hostPort: 8080, containerPort: 80 }],
  });
  const recorded = async (name: string) => {
    const lines = (await readFile(join(pluginDir, name), "utf8")).trim().split("\n");
    return { env: lines.slice(0, -1), config: parseOwnJson<Json>(lines.at(-1) ?? "") };
  };

  const first = await recorded("first.ADD");
  expect(first.env).toEqual([
    expect.stringMatching(/^CNI_ARGS=/),
    "CNI_COMMAND=ADD",
    "CNI_CONTAINERID=alloc-1",
    "CNI_IFNAME=eth0",
    `CNI_NETNS=${container.path}`,
    `CNI_PATH=${node.pluginDirs.join(":")}`,
  ]);
  const args = first.env[0]?.replace("CNI_ARGS=", "").split(";").toSorted();
  const nomad = ["NOMAD_ALLOC_ID=alloc-1", "NOMAD_NAMESPACE=default"];
  expect(args).toEqual(["IgnoreUnknown=true", ...nomad, "outbound.additional_rules=[]"]);
  const port = { HostPort: 8080, ContainerPort: 80, HostIP: "" };
  expect(first.config).toEqual({
    ...conflist.plugins[0],
    cniVersion: "1.1.0",
    name: "recorded",
    runtimeConfig: {
      portMappings: [
        { ...port, Protocol: "tcp" },
        { ...port, Protocol: "udp" },
      ],
    },
  });
  const prevResult = { cniVersion: "1.0.0", ips: [{ address: "10.0.0.2/24" }] };
  const last = { type: "last", cniVersion: "1.1.0", name: "recorded" };
  expect((await recorded("last.ADD")).config).toEqual({ ...last, prevResult });

  await statusNetwork(node, conflist);
  const status = await recorded("last.STATUS");
  expect(status).toEqual({ env: ["CNI_COMMAND=STATUS", `CNI_PATH=${node.pluginDirs.join(":")}`], config: last });
  await gcNetwork(node, conflist, [{ containerId: "alloc-1" }]);
  const attachments = [{ containerID: "alloc-1", ifname: "eth0" }];
  expect((await recorded("last.GC")).config).toMatchObject({ "cni.dev/valid-attachments": attachments });
  expect(await listResults(node)).toHaveLength(1);
  await container.del({ prevResult: "none" });
  const del = await recorded("last.DEL");
  expect(del.env).toContain("CNI_ARGS=");
  expect(del.config).toEqual(last);
  await container.add();
  await gcNetwork(node, conflist, []);
  expect((await recorded("last.DEL")).config).toEqual({ ...last, prevResult });
  expect(await listResults(node)).toEqual([]);
});
