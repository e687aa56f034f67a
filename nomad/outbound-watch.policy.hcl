# What the watcher's Consul token has to be allowed: consul acl policy create -name outbound-watch -rules @this-file
key_prefix "outbound/rules/" {
  policy = "read"
}
