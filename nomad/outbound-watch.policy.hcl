# What the watcher's Consul token has to be allowed: consul acl policy create -name outbound-watch -rules @this-file
key_prefix "outbound/rules/" {
  policy = "read"
}

# What it says of its node, for `outbound status`: a key that lasts as long as the watcher's session. Without these two
# it does its work all the same, and says once that it cannot tell of it. As they stand, one node's watcher could write
# the status of another, and end any session in Consul, with the locks of whoever made it: better are the strict ones.
key_prefix "outbound/status/" {
  policy = "write"
}
session_prefix "" {
  policy = "write"
}

# Where each node has a token of its own, this in place of the two lets it speak for itself only; the session belongs
# to the Consul agent that the watcher talks to:
#
# key "outbound/status/<node>" {
#   policy = "write"
# }
# session "<the agent's node name>" {
#   policy = "write"
# }
