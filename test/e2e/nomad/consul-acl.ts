import type { Cluster } from "./cluster.ts";
import { textOf } from "./steps.ts";

/** What nomad/README.md says about Consul with ACLs, and what `nomad setup consul` does for services. */
export async function setUpConsulAcls(cluster: Cluster): Promise<void> {
  const policies = { "outbound-watch": "watch", "outbound-reader": "reader", "outbound-author-team-a": "author" };
  for (const [name, file] of Object.entries(policies)) {
    await cluster.consulCommand(
      "acl",
      "policy",
      "create",
      "-name",
      name,
      "-rules",
      `@nomad/outbound-${file}.policy.hcl`,
    );
  }
  const method = ["-name", "nomad-workloads", "-type", "jwt", "-config", "@nomad/consul/auth-method.json"];
  await cluster.consulCommand("acl", "auth-method", "create", ...method);
  const bodies = {
    "role-watch.json": "/v1/acl/role",
    "role-reader.json": "/v1/acl/role",
    "role-author.json": "/v1/acl/role",
    "binding-rule.json": "/v1/acl/binding-rule",
  };
  for (const [file, path] of Object.entries(bodies)) {
    const { status, body } = await cluster.consul.request({
      method: "PUT",
      path,
      body: await textOf(`nomad/consul/${file}`),
    });
    if (status !== 200) throw new Error(`Cannot use ${file}: Consul answered ${status}, ${body}`);
  }
  const services = ["-bind-name", "${value.nomad_service}", "-selector", '"nomad_service" in value'];
  await cluster.consulCommand(
    "acl",
    "binding-rule",
    "create",
    "-method",
    "nomad-workloads",
    "-bind-type",
    "service",
    ...services,
  );
}
