# What the watcher's task needs in Nomad, where Nomad does not say in CNI_ARGS whose an allocation is (before 1.9.4, or a
# name with a semicolon): to read allocations, of every namespace. It asks for nothing else, and nothing at all where
# CNI_ARGS say all. Tied to the job, its workload identity needs no other token:
#   nomad acl policy apply -namespace default -job outbound-watch outbound-watch nomad/outbound-watch.nomad-policy.hcl
# The job gives the task its identity with: identity { file = true }
namespace "*" {
  capabilities = ["read-job"]
}
