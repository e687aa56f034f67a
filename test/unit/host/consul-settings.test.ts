import { expect, test } from "vitest";
import { parseConsulSettings } from "../../../lib/host/consul-settings.ts";

test("with nothing set it is the local agent, certificates verified, no token", () => {
  expect(parseConsulSettings({})).toEqual({ url: "http://127.0.0.1:8500", isVerified: true });
  expect(parseConsulSettings({ CONSUL_HTTP_ADDR: "", CONSUL_HTTP_TOKEN: "" }).token).toBeUndefined();
});

test.each([
  ["10.0.0.1:8501", "http://10.0.0.1:8501"],
  ["consul.example.com:8500", "http://consul.example.com:8500"],
  ["http://10.0.0.1:8500", "http://10.0.0.1:8500"],
  ["HTTPS://10.0.0.1:8501", "https://10.0.0.1:8501"],
  ["https://consul.example.com", "https://consul.example.com"],
  ["http://[::1]:8500", "http://[::1]:8500"],
  ["https://gateway.example.com/consul/", "https://gateway.example.com/consul"],
])("CONSUL_HTTP_ADDR=%s is %s", (address, url) => {
  expect(parseConsulSettings({ CONSUL_HTTP_ADDR: address })).toMatchObject({ url, socketPath: undefined });
});

test("unix:// is a socket", () => {
  const settings = parseConsulSettings({ CONSUL_HTTP_ADDR: "unix:///run/consul/http.sock" });

  expect(settings).toMatchObject({ url: "http://localhost", socketPath: "/run/consul/http.sock" });
});

test("CONSUL_HTTP_SSL means https, and http:// does not take it back", () => {
  expect(parseConsulSettings({ CONSUL_HTTP_SSL: "true" }).url).toBe("https://127.0.0.1:8500");
  expect(parseConsulSettings({ CONSUL_HTTP_SSL: "1", CONSUL_HTTP_ADDR: "http://a:1" }).url).toBe("https://a:1");
  expect(parseConsulSettings({ CONSUL_HTTP_SSL: "false", CONSUL_HTTP_ADDR: "https://a:1" }).url).toBe("https://a:1");
});

test("token, certificates, server name and namespace are taken as they are", () => {
  const settings = parseConsulSettings({
    CONSUL_HTTP_TOKEN: "t",
    CONSUL_HTTP_TOKEN_FILE: "/secrets/consul_token",
    CONSUL_CACERT: "/ca.pem",
    CONSUL_CLIENT_CERT: "/cert.pem",
    CONSUL_CLIENT_KEY: "/key.pem",
    CONSUL_TLS_SERVER_NAME: "server.dc1.consul",
    CONSUL_HTTP_SSL_VERIFY: "false",
    CONSUL_NAMESPACE: "team-a",
  });

  expect(settings).toMatchObject({
    token: "t",
    tokenFile: "/secrets/consul_token",
    caFile: "/ca.pem",
    certFile: "/cert.pem",
    keyFile: "/key.pem",
    serverName: "server.dc1.consul",
    isVerified: false,
    namespace: "team-a",
  });
});

test.each([
  [{ CONSUL_HTTP_ADDR: "tcp://10.0.0.1:8500" }, "Cannot parse CONSUL_HTTP_ADDR: tcp:// is not one of"],
  [{ CONSUL_HTTP_ADDR: "unix://run/http.sock" }, 'Cannot parse CONSUL_HTTP_ADDR: "unix://run/http.sock" has no'],
  [{ CONSUL_HTTP_ADDR: "10.0.0.1:70000" }, 'Cannot parse CONSUL_HTTP_ADDR: "http://10.0.0.1:70000" is not'],
  [{ CONSUL_HTTP_ADDR: "::1:8500" }, "Cannot parse CONSUL_HTTP_ADDR"],
  [{ CONSUL_HTTP_ADDR: "10.0.0.1:8500?token=x" }, "Cannot parse CONSUL_HTTP_ADDR"],
  [{ CONSUL_HTTP_SSL_VERIFY: "no" }, 'Cannot parse CONSUL_HTTP_SSL_VERIFY: "no" is neither true nor false'],
  [{ CONSUL_CLIENT_CERT: "/cert.pem" }, "CONSUL_CLIENT_CERT and CONSUL_CLIENT_KEY must both be set"],
])("%o is refused by name", (env, message) => {
  expect(() => parseConsulSettings(env)).toThrow(message);
});

test.each(["http://me:hunter2@10.0.0.1:8500", "me:hunter2@10.0.0.1:8500", "http://me:hunter2@10.0.0.1:99999"])(
  "a password in the address %# is refused and not shown",
  (address) => {
    expect(() => parseConsulSettings({ CONSUL_HTTP_ADDR: address })).toThrow(/^(?!.*hunter2).*user name/);
  },
);
