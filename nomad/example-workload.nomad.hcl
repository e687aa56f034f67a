# A workload behind outbound, with rules of its own. It shows what it reaches in its log:
#
#   nomad job run nomad/example-workload.nomad.hcl
#   consul kv put outbound/rules/namespace/default/job/example-workload/allow-web \
#     '{ "host": "192.0.2.10", "proto": "tcp", "port": 443, "action": "ACCEPT" }'
#   nomad alloc logs -job example-workload
#
# With my-network.conflist 10.2.0.1/443 is let through from the start, 192.0.2.10/443 from the put on: "open", if somebody
# listens there. A client that runs raw_exec is enough to try it. In earnest the driver is one that isolates: docker, exec, podman.

variable "network" {
  type        = string
  default     = "my-network"
  description = "name of the conflist"
}

variable "targets" {
  type        = string
  default     = "10.2.0.1/443 192.0.2.10/443"
  description = "What it tries to reach: address/port, with blanks between them"
}

variable "driver" {
  type    = string
  default = "raw_exec"
}

job "example-workload" {
  type = "service"

  # Nomad asks for none by itself: without it the job may be placed on a client where the network is known and the plugin
  # is not, and fails there.
  constraint {
    attribute = "${attr.plugins.cni.version.outbound}"
    operator  = "semver"
    value     = ">= 0.1.0"
  }

  group "app" {
    network {
      # Not bridge: that mode's chain of plugins cannot be changed. Nomad lowers the name's case when it looks for the
      # conflist, and not when it looks for a node, so a conflist's name is in lower case.
      mode = "cni/${var.network}"

      # Published as with any network; what comes in by it gets its replies through.
      port "http" {
        to = 8080
      }

      # The job's own rules, from Nomad 1.8.2 on. They count beside those of Consul KV: a DROP or REJECT before the
      # static rules of the conflist, an ACCEPT after them, so a job opens nothing that the conflist closes. A conflist
      # with "jobRules": "deny-only" or "ignore" takes only the former, or none. No ";" anywhere, which Nomad refuses, and
      # no "=", with which the bridge plugin fails. When they change, the allocation is replaced; for changes while it
      # runs there is Consul KV.
      cni {
        args = {
          "outbound.additional_rules" = jsonencode([
            { host = "10.2.0.1", proto = "tcp", port = 443, action = "ACCEPT", comment = "the proxy" },
            { host = ["172.16.0.0/12", "fd00:16::/32"], action = "REJECT", comment = "never these, whatever KV says" },
          ])
        }
      }
    }

    task "probe" {
      driver = var.driver

      config {
        command = "/bin/bash"
        args = ["-c", <<-END
          while sleep 2; do
            for target in ${var.targets}; do
              if timeout 1 bash -c "exec 3<>/dev/tcp/$target" 2>/dev/null; then echo "$target open"; else echo "$target closed"; fi
            done
          done
        END
        ]
      }

      resources {
        cpu    = 50
        memory = 64
      }
    }
  }
}
