import { Agent as HttpAgent } from "node:http";
import { Agent as HttpsAgent } from "node:https";
import NpmConsul from "consul";
import type { ConsulSettings } from "./consul-settings.ts";
import { boundedTransport } from "./consul-transport.ts";
import type { Transport } from "./consul-transport.ts";
import { tlsOptions } from "./tls-options.ts";

// The hook that papi, on which the package stands, documents in its README; the package's types leave it out.
declare module "consul/lib/consul.js" {
  interface Consul {
    _ext(event: "onCreate" | "onRequest", hook: (request: PapiRequest, next: () => void) => void): void;
  }
}

interface PapiRequest {
  readonly opts: { query: Record<string, unknown>; buffer?: boolean };
  transport: Transport;
}

/**
 * The npm package `consul`, set up to our needs: it answers with bytes, knows namespaces and IPv6, and gives up on a
 * body of more than `maxBodyBytes`.
 * @throws Error when a certificate file cannot be read; such files are read once
 */
export function createPackageClient(
  settings: ConsulSettings,
  { maxBodyBytes }: { readonly maxBodyBytes: number },
): NpmConsul {
  const options = {
    baseUrl: `${settings.url}/v1`,
    agent: createAgent(settings),
    ...(settings.socketPath === undefined ? {} : { socketPath: settings.socketPath }),
    ...(isTls(settings) ? tlsOptions(settings) : {}),
  };
  const consul = new NpmConsul(options);
  consul._ext("onCreate", (request, next) => {
    // The package would trust the shape of what it decodes, and fail in an event handler where it is another.
    request.opts.buffer = true;
    if (settings.namespace !== undefined) {
      request.opts.query["ns"] = settings.namespace;
    }
    next();
  });
  consul._ext("onRequest", (request, next) => {
    request.transport = boundedTransport(request.transport, { maxBytes: maxBodyBytes });
    next();
  });
  return consul;
}

function createAgent(settings: ConsulSettings): HttpAgent | HttpsAgent {
  // The package leaves an IPv6 address in its brackets, and no lookup finds it so. An agent's host has precedence.
  const address = /^\[(.*)\]$/.exec(new URL(settings.url).hostname)?.[1];
  const options = { keepAlive: true, ...(address === undefined ? {} : { host: address }) };
  return isTls(settings) ? new HttpsAgent(options) : new HttpAgent(options);
}

function isTls(settings: ConsulSettings): boolean {
  return settings.url.startsWith("https:");
}
