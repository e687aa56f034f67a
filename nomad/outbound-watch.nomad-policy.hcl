# Nomad's ACL policy for the watcher's workload identity: it asks which job an allocation of its node belongs to, where the
# plugin was not told (Nomad before 1.9.4), and nothing else. Without ACLs in Nomad it is not needed.
#
#   nomad acl policy apply -namespace default -job outbound-watch outbound-watch nomad/outbound-watch.nomad-policy.hcl
namespace "*" {
  capabilities = ["read-job"]
}

node {
  policy = "read"
}
