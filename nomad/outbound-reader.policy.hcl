# For dashboards, and for people who look: every rule, every node's status, nothing to write.
# consul acl policy create -name outbound-reader -rules @this-file
key_prefix "outbound/rules/" {
  policy = "read"
}
key_prefix "outbound/status/" {
  policy = "read"
}
