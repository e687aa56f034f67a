# Installs or upgrades the plugin, and conflists if there are any, on every client: once on each, and on each client that
# joins while this job is known. What it does is deploy/install.sh: everything is checked before the first change, each
# file takes its place by one rename, a second run changes nothing, and one version back is kept (outbound.previous).
#
#   npm run build -- --all && sha256sum dist/SHA256SUMS    # and let a web server have dist/
#   nomad job run -var source=https://files.example/outbound/1.2.0 -var sha256=… nomad/outbound-install.nomad.hcl
#
# Running allocations keep their network and their rules. Then, the watchers, node after node:
#
#   nomad job run -var release=1.2.0 nomad/outbound-watch.nomad.hcl
#
# When a client notices a plugin. Plugins are run from cni_path anew for every allocation: an upgrade needs nothing. But
# a plugin or conflist that was not there before, and the version in ${attr.plugins.cni.version.outbound}, which
# constraints look at, are seen only when Nomad's agent looks again:
#   from Nomad 1.11.2 on    on SIGHUP: systemctl reload nomad
#   before                  when it starts: systemctl restart nomad. Running allocations go on; from Nomad 1.9.5, 1.8.10
#                           and 1.7.18 on each is checked (CNI CHECK) as it comes back
# `after` below does it from this job. Until then jobs with network mode cni/<new name> find no node, and neither does
# the watcher's job, which takes it up by itself once the client has noticed.

variable "namespace" {
  type    = string
  default = "default"
}

variable "source" {
  type        = string
  description = "A URL below which a release is: outbound-linux-amd64, outbound-linux-arm64, install.sh and SHA256SUMS"
}

variable "sha256" {
  type        = string
  description = "SHA-256 of SHA256SUMS: nothing runs of which the checksum does not follow from it"
}

variable "conflists" {
  type        = map(string)
  default     = {}
  description = "SHA-256 by URL: { \"https://files.example/my-network.conflist\" = \"…\" }. None: those that are there stay"
}

variable "replace_conflists" {
  type        = bool
  default     = false
  description = "Also those that somebody changed on the client; else such a one stays, and the new one is put beside it"
}

variable "rollback" {
  type        = bool
  default     = false
  description = "Go back to what was before the last run that changed something"
}

variable "cni_path" {
  type        = string
  default     = "/opt/cni/bin"
  description = "The clients' cni_path; where that has more than one folder, one of them"
}

variable "cni_config_dir" {
  type        = string
  default     = "/opt/cni/config"
  description = "The clients' cni_config_dir"
}

variable "after" {
  type        = string
  default     = ""
  description = "A shell command for after it, so that the client notices: systemctl reload nomad, see above"
}

variable "nodes" {
  type        = string
  default     = ".*"
  description = "Only on nodes whose name this regular expression matches: first one, then all"
}

variable "run" {
  type        = string
  default     = ""
  description = "Any text: when it changes, it runs again where it has run, as after a node was set up anew"
}

job "outbound-install" {
  namespace = var.namespace
  type      = "sysbatch"
  node_pool = "all"
  priority  = 90

  meta {
    run = var.run
  }

  constraint {
    attribute = "${attr.kernel.name}"
    value     = "linux"
  }

  constraint {
    attribute = "${node.unique.name}"
    operator  = "regexp"
    value     = var.nodes
  }

  group "outbound-install" {
    # A download may fail; a machine on which it cannot be installed stays one, and the task's log says why.
    restart {
      attempts = 2
      interval = "10m"
      delay    = "15s"
      mode     = "fail"
    }

    task "install" {
      driver = "raw_exec"

      artifact {
        source      = "${var.source}/SHA256SUMS"
        destination = "local/outbound/SHA256SUMS"
        mode        = "file"
        options {
          checksum = "sha256:${var.sha256}"
        }
      }

      # These two are compared with SHA256SUMS below: one job for both architectures.
      artifact {
        source      = "${var.source}/install.sh"
        destination = "local/outbound/install.sh"
        mode        = "file"
      }

      artifact {
        source      = "${var.source}/outbound-linux-$${attr.cpu.arch}"
        destination = "local/outbound/outbound-linux-$${attr.cpu.arch}"
        mode        = "file"
      }

      dynamic "artifact" {
        for_each = var.conflists
        content {
          source      = artifact.key
          destination = "local/outbound/${basename(artifact.key)}"
          mode        = "file"
          options {
            checksum = "sha256:${artifact.value}"
          }
        }
      }

      # install.sh is compared here, and compares the executable.
      config {
        command = "/bin/sh"
        args = concat(
          ["-ec", <<-END
            (cd local/outbound && grep '  install\.sh$' SHA256SUMS | sha256sum --check --quiet --strict)
            /bin/sh local/outbound/install.sh "$@"
            ${var.after}
          END
          , "install"],
          ["--cni-path", var.cni_path, "--cni-config-dir", var.cni_config_dir],
          var.rollback ? ["--rollback"] : ["--from", "local/outbound"],
          var.rollback || length(var.conflists) > 0 ? [] : ["--no-conflist"],
          var.replace_conflists && !var.rollback ? ["--replace-conflist"] : [],
        )
      }

      resources {
        cpu    = 100
        memory = 256
      }
    }
  }
}
