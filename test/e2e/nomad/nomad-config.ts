import type { ConsulAgent } from "../../support/consul-agent.ts";
import type { ClientNode } from "../../support/network-namespace.ts";

interface ConfigOptions {
  /** For its data. */
  readonly directory: string;
  readonly consul: ConsulAgent;
  readonly acl: boolean;
}

const LOCAL = `
  bind_addr = "127.0.0.1"
  advertise {
    http = "127.0.0.1"
    rpc  = "127.0.0.1"
    serf = "127.0.0.1"
  }
`;

/** Has Nomad's own ports, and so what the command line asks. */
export function serverConfig({ directory, consul, acl }: ConfigOptions): string {
  const identity = `{\n aud = ["consul.io"]\n ttl = "1h"\n }`;
  return `${LOCAL}
    name     = "server"
    data_dir = "${directory}/server"
    acl {
      enabled = ${acl}
    }
    server {
      enabled          = true
      bootstrap_expect = 1
    }
    consul {
      address = "127.0.0.1:8500"
      token   = "${consul.token ?? ""}"
      service_identity ${identity}
      task_identity ${identity}
    }
  `;
}

export function clientConfig(node: ClientNode, { directory, consul, acl }: ConfigOptions): string {
  return `${LOCAL}
    name     = "${node.name}"
    # A task's socket is some 80 bytes below it, and 107 are all that a socket's path may have.
    data_dir = "${directory}/data"
    # Where it says what it checks.
    log_level = "TRACE"
    ports {
      http = 4656
      rpc  = 4657
      serf = 4658
    }
    acl {
      enabled = ${acl}
    }
    plugin "raw_exec" {
      config {
        enabled = true
      }
    }
    plugin "docker" {
      config {
        volumes {
          enabled = true
        }
        allow_caps = ["net_admin", "net_raw", "syslog"]
      }
    }
    client {
      enabled           = true
      servers           = ["127.0.0.1:4647"]
      network_interface = "uplink"
      cni_path          = "/opt/cni/bin"
      cni_config_dir    = "/opt/cni/config"
      options = {
        # There is nobody who would answer.
        "fingerprint.denylist" = "env_aws,env_gce,env_azure,env_digitalocean"
      }
    }
    consul {
      address = "127.0.0.1:8500"
      token   = "${consul.token ?? ""}"
    }
  `;
}
