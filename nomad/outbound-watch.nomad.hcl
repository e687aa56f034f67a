# The watcher on every client: it follows Consul KV and keeps this node's chains at what it says.
#
#   nomad job run nomad/outbound-watch.nomad.hcl
#   nomad job run -var consul_identity=true -var service_provider=consul nomad/outbound-watch.nomad.hcl
#
# Needs on the clients the raw_exec driver (plugin "raw_exec" { config { enabled = true } }) and the executable, which
# outbound-install.nomad.hcl puts there. Where raw_exec is not wanted: outbound-watch-docker.nomad.hcl, or the systemd
# unit. Only one watcher works on a node; a second one waits, so old and new may overlap while the job is updated.

# Where and how it runs.

variable "namespace" {
  type        = string
  default     = "default"
  description = "The Nomad namespace of this job; Consul's binding rule and Nomad's policy name it too"
}

variable "executable" {
  type        = string
  default     = "/opt/cni/bin/outbound"
  description = "Where the executable is on the clients"
}

variable "least_version" {
  type        = string
  default     = "0.1.0"
  description = "Clients whose plugin is older, or that have not noticed it yet, get no watcher"
}

variable "release" {
  type        = string
  default     = ""
  description = "Any text, such as the version installed: when it changes, every watcher starts again, node after node"
}

variable "confine" {
  type        = bool
  default     = true
  description = "Start it by util-linux's prlimit and setpriv, with no more capabilities than it needs"
}

variable "max_parallel" {
  type        = number
  default     = 1
  description = "How many nodes are updated at once: more for a large cluster"
}

variable "cpu" {
  type        = number
  default     = 100
  description = "MHz"
}

variable "memory" {
  type        = number
  default     = 300
  description = "MiB: a limit too. 1,000 attachments take 230, with nft's monitor"
}

variable "memory_max" {
  type        = number
  default     = 0
  description = "MiB: the limit instead, where the scheduler allows oversubscription of memory; 0: memory is the limit"
}

# What `outbound watch` is told: one variable for each of its flags.

variable "node" {
  type        = string
  default     = "$${node.unique.name}"
  description = "This node's name in keys node/<node>/: by default what Nomad calls it"
}

variable "prefix" {
  type        = string
  default     = "outbound"
  description = "What all keys in Consul KV start with"
}

variable "state_dir" {
  type        = string
  default     = "/run/cni-outbound"
  description = "Where the plugin keeps attachments: stateDir of the conflist"
}

variable "cache_dir" {
  type        = string
  default     = "/var/lib/cni-outbound"
  description = "Where the last rules from KV are kept: cacheDir of the conflist"
}

variable "listen" {
  type        = string
  default     = "127.0.0.1:9710"
  description = "Where /health, /ready and /metrics are served, e.g. $${attr.unique.network.ip-address}:9710; empty: nowhere"
}

variable "web_names" {
  type        = string
  default     = ""
  description = "Names, with commas, that the page may be asked for by, beside this node's name and addresses"
}

variable "resync" {
  type        = number
  default     = 8
  description = "Seconds between two looks for what changed unseen"
}

variable "log_level" {
  type        = string
  default     = "info"
  description = "The least that is logged"
}

# How Consul is reached: Consul's own environment variables. Empty: not set by this job. raw_exec hands on what the Nomad
# agent's environment has of them, but for tokens.

variable "consul_identity" {
  type        = bool
  default     = false
  description = "A Consul token by workload identity: README.md says what Consul needs for it"
}

variable "consul_audience" {
  type        = string
  default     = "consul.io"
  description = "BoundAudiences of Consul's auth method, with consul_identity"
}

variable "consul_http_token_file" {
  type        = string
  default     = ""
  description = "A file on the clients with a Consul token, without consul_identity; it is read again for every query"
}

variable "consul_http_addr" {
  type        = string
  default     = ""
  description = "http://, https:// or unix://; where nobody says it, 127.0.0.1:8500"
}

variable "consul_http_ssl" {
  type        = string
  default     = ""
  description = "true: TLS where the address does not say so"
}

variable "consul_http_ssl_verify" {
  type        = string
  default     = ""
  description = "false: take any certificate"
}

variable "consul_cacert" {
  type        = string
  default     = ""
  description = "A file on the clients"
}

variable "consul_client_cert" {
  type        = string
  default     = ""
  description = "A file on the clients"
}

variable "consul_client_key" {
  type        = string
  default     = ""
  description = "A file on the clients"
}

variable "consul_tls_server_name" {
  type        = string
  default     = ""
  description = "The name that Consul's certificate must be for, where it is not the address's"
}

variable "consul_namespace" {
  type        = string
  default     = ""
  description = "Consul Enterprise only"
}

# How Nomad is asked whose an allocation is, where CNI_ARGS do not say: by the task API, where nothing is said here.

variable "nomad_addr" {
  type        = string
  default     = ""
  description = "http://, https:// or unix://, in place of the task API; then with nomad_token_file where Nomad has ACLs"
}

variable "nomad_token_file" {
  type        = string
  default     = ""
  description = "A file on the clients with a Nomad token, in place of the task's workload identity"
}

variable "nomad_cacert" {
  type        = string
  default     = ""
  description = "A file on the clients"
}

variable "nomad_client_cert" {
  type        = string
  default     = ""
  description = "A file on the clients"
}

variable "nomad_client_key" {
  type        = string
  default     = ""
  description = "A file on the clients"
}

variable "nomad_tls_server_name" {
  type        = string
  default     = ""
  description = "The name that Nomad's certificate must be for: server.global.nomad or client.global.nomad"
}

variable "nomad_skip_verify" {
  type        = string
  default     = ""
  description = "true: take any certificate"
}

# The service with its check.

variable "service_provider" {
  type        = string
  default     = "nomad"
  description = "nomad, consul, or empty for no service. consul needs service identities where Consul has ACLs"
}

variable "service_name" {
  type    = string
  default = "outbound-watch"
}

variable "service_tags" {
  type    = list(string)
  default = []
}

locals {
  port = regex_replace(var.listen, "^.*:", "")
  host = trim(trimsuffix(var.listen, ":${local.port}"), "[]")
  # An address that stands for all of the host's cannot be asked.
  address = contains(["", "0.0.0.0", "::"], local.host) ? "$${attr.unique.network.ip-address}" : local.host

  watch = [
    "watch", "--node=${var.node}", "--prefix=${var.prefix}", "--state-dir=${var.state_dir}",
    "--cache-dir=${var.cache_dir}", "--listen=${var.listen}", "--web-names=${var.web_names}",
    "--resync=${var.resync}", "--log-level=${var.log_level}",
  ]

  # Root with no more capabilities than the watcher needs: net_admin and net_raw for iptables, syslog to read the kernel's
  # log where kernel.dmesg_restrict is set. It cannot override the rights of files then: what Consul's variables name (a
  # unix socket, a token file) must be open to root as owner, group or anybody. And no core dump, which would hold its
  # token: a limit of 1 is the one that counts for a core_pattern with a pipe too (core(5)).
  confine = [
    "--core=1:1", "--",
    "setpriv", "--inh-caps=-all", "--bounding-set=-all,+net_admin,+net_raw,+syslog", "--", var.executable,
  ]
}

job "outbound-watch" {
  namespace = var.namespace
  type      = "system"
  # Without it the clients of other node pools have no watcher. Before Nomad 1.6, which has none: leave the line out.
  node_pool = "all"
  # System jobs may preempt what is 10 below them, and 100 is the highest.
  priority = 90

  constraint {
    attribute = "${attr.kernel.name}"
    value     = "linux"
  }

  # What Nomad found when it last looked for plugins: outbound-install.nomad.hcl says when that is.
  constraint {
    attribute = "${attr.plugins.cni.version.outbound}"
    operator  = "semver"
    value     = ">= ${var.least_version}"
  }

  # Before Nomad 1.11 only the first two count for a system job: the next node's turn comes after stagger, whatever became
  # of this one. From 1.11 on it comes when the check below passes, and settings with which it never does are taken back.
  update {
    max_parallel      = var.max_parallel
    stagger           = "10s"
    min_healthy_time  = "10s"
    healthy_deadline  = "3m"
    progress_deadline = "10m"
    auto_revert       = true
  }

  group "outbound-watch" {
    # Mode "fail" would leave a node without a watcher after a few crashes, until the next deployment.
    restart {
      attempts = 3
      interval = "1m"
      delay    = "5s"
      mode     = "delay"
    }

    # Of the host, as without it: a check needs a port that the scheduler knows of.
    dynamic "network" {
      for_each = var.listen == "" ? [] : [local.port]
      content {
        port "http" {
          static = network.value
        }
      }
    }

    task "watch" {
      driver = "raw_exec"

      # It ends on SIGINT and on SIGTERM, and takes its status key along; the rules stay. SIGTERM is what a systemd unit
      # and Docker would send too.
      kill_signal  = "SIGTERM"
      kill_timeout = "10s"

      # For the task API, by which the watcher asks whose an allocation is where CNI_ARGS do not say (Nomad before 1.9.4, or
      # a name with a semicolon). With ACLs in Nomad: outbound-watch.nomad-policy.hcl.
      identity {
        file = true
      }

      dynamic "identity" {
        for_each = var.consul_identity ? [var.consul_audience] : []
        content {
          name = "consul_default"
          aud  = [identity.value]
          # Nomad renews the identity, not the Consul token that it got for it once: that one lasts as long as the
          # allocation, if the auth method sets no MaxTokenTTL.
          ttl = "1h"
        }
      }

      # What changes here replaces the task; a constraint that changes does not.
      meta {
        release = var.release
      }

      config {
        command = var.confine ? "prlimit" : var.executable
        args    = concat(var.confine ? local.confine : [], local.watch)
      }

      env = {
        for name, value in {
          CONSUL_HTTP_ADDR       = var.consul_http_addr
          CONSUL_HTTP_TOKEN_FILE = var.consul_identity ? "$${NOMAD_SECRETS_DIR}/consul_token" : var.consul_http_token_file
          CONSUL_HTTP_SSL        = var.consul_http_ssl
          CONSUL_HTTP_SSL_VERIFY = var.consul_http_ssl_verify
          CONSUL_CACERT          = var.consul_cacert
          CONSUL_CLIENT_CERT     = var.consul_client_cert
          CONSUL_CLIENT_KEY      = var.consul_client_key
          CONSUL_TLS_SERVER_NAME = var.consul_tls_server_name
          CONSUL_NAMESPACE       = var.consul_namespace
          # Always: raw_exec would hand on the agent's own, which would go before the task API.
          NOMAD_ADDR            = var.nomad_addr
          NOMAD_TOKEN_FILE      = var.nomad_token_file
          NOMAD_CACERT          = var.nomad_cacert
          NOMAD_CLIENT_CERT     = var.nomad_client_cert
          NOMAD_CLIENT_KEY      = var.nomad_client_key
          NOMAD_TLS_SERVER_NAME = var.nomad_tls_server_name
          NOMAD_SKIP_VERIFY     = var.nomad_skip_verify
        } : name => value if value != "" || name == "NOMAD_ADDR"
      }

      dynamic "service" {
        for_each = var.listen == "" || var.service_provider == "" ? [] : [var.service_provider]
        content {
          name     = var.service_name
          provider = service.value
          tags     = var.service_tags
          address  = local.address
          port     = "http"

          # No check_restart: while Consul is away no watcher is ready, and a restart would take from each what it knows
          # beyond its cache.
          check {
            type     = "http"
            path     = "/ready"
            interval = "10s"
            timeout  = "2s"
          }
        }
      }

      logs {
        max_files     = 5
        max_file_size = 10
      }

      resources {
        cpu        = var.cpu
        memory     = var.memory
        memory_max = var.memory_max
      }
    }
  }
}
