# The watcher on every client: it follows Consul KV and keeps this node's chains at what it says.
# Needs the raw_exec driver on the clients, and dist/outbound in their cni_path.

variable "executable" {
  type        = string
  default     = "/opt/cni/bin/outbound"
  description = "Where the executable is on the clients"
}

variable "prefix" {
  type        = string
  default     = "outbound"
  description = "What all keys in Consul KV start with"
}

job "outbound-watch" {
  type = "system"
  # Without it the clients of other node pools have no watcher.
  node_pool = "all"
  priority  = 90

  constraint {
    attribute = "${attr.plugins.cni.version.outbound}"
    operator  = "is_set"
  }

  update {
    max_parallel = 1
    stagger      = "10s"
  }

  group "outbound-watch" {
    # Mode "fail" would leave a node without a watcher after a few crashes, until the next deployment.
    restart {
      attempts = 3
      interval = "1m"
      delay    = "5s"
      mode     = "delay"
    }

    task "watch" {
      driver = "raw_exec"

      # A Consul token by workload identity, with the policy of outbound-watch.policy.hcl. Leave it out where
      # Consul has no ACLs.
      # identity {
      #   name = "consul_default"
      #   aud  = ["consul.io"]
      #   ttl  = "1h"
      # }

      # Root with no more capabilities than the watcher needs: net_admin and net_raw for iptables, syslog to read the
      # kernel's log where kernel.dmesg_restrict is set. It cannot override the rights of files then: what Consul's
      # variables name (a unix socket, a token file) must be open to root as owner, group or anybody. And no core dump,
      # which would hold its token: a limit of 1 is the one that counts for a core_pattern with a pipe too (core(5)).
      # Both programs are util-linux's. Without them: command = var.executable, and args from "watch" on.
      config {
        command = "prlimit"
        args = [
          "--core=1:1", "--",
          "setpriv", "--inh-caps=-all", "--bounding-set=-all,+net_admin,+net_raw,+syslog", "--",
          var.executable, "watch", "--node", "${node.unique.name}", "--prefix", var.prefix,
        ]
      }

      resources {
        cpu    = 100
        memory = 128
      }
    }
  }
}
