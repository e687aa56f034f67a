# For whoever writes the rules of one Nomad namespace, here team-a: put your namespace's name for it, then
# consul acl policy create -name outbound-author-team-a -rules @this-file
#
# The slash at the end matters: without it the rules of a namespace team-ab could be written too. A namespace with other
# characters than A-Z a-z 0-9 . _ - is written as in keys: a/b is a=2Fb.
key_prefix "outbound/rules/namespace/team-a/" {
  policy = "write"
}

# What `outbound plan` compares with: what else applies to the namespace's allocations. It is read, never written.
key_prefix "outbound/rules/global/" {
  policy = "read"
}
key_prefix "outbound/rules/node/" {
  policy = "read"
}
key_prefix "outbound/rules/network/" {
  policy = "read"
}

# Where rules are in force, and to which allocations they apply: outbound status, outbound plan, --wait. A node tells of
# all its namespaces in one key, so this shows names of others' jobs and rule sets too; leave it out if they are secret:
# rules are written all the same, and nothing is said of what comes of them.
key_prefix "outbound/status/" {
  policy = "read"
}
