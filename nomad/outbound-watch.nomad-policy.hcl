# Nomad's ACL policy for the watcher's workload identity: it asks whose an allocation of its node is where CNI_ARGS do not
# say (Nomad before 1.9.4, or a job or group with a semicolon in its name), and nothing else. It reads that one
# allocation, of whatever namespace, and needs nothing of nodes. Without ACLs in Nomad the policy is not needed, and the
# identity is: the task API answers nobody without.
#
#   nomad acl policy apply -namespace default -job outbound-watch outbound-watch nomad/outbound-watch.nomad-policy.hcl
namespace "*" {
  capabilities = ["read-job"]
}
