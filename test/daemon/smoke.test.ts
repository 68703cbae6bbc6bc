/** The whole daemon, nothing faked: a client on another host reaches a backend through the virtual IP. */
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { createNamespace, deleteNamespace, spawnInside } from "../../netstack/kernel/namespace.ts";
import { gone, TestDaemon } from "./daemon-process.ts";
import { EDGE } from "./resources-fixture.ts";

const BACKEND = `apiVersion: novaedge.io/v1alpha1
kind: ProxyBackend
metadata: {name: app}
spec:
  endpoints: [{address: 127.0.0.1, port: 9000}]
  healthCheck: {interval: 500ms, timeout: 400ms, httpPath: /health}
`;

const EDGE_ONE = EDGE.replace("{interface: lo}", "{interface: eth0}");
const EDGE_TWO = EDGE_ONE.replace("[8081]", "[8081, 8082]").replace(
  "port: 8081, protocol: HTTP}",
  "port: 8081, protocol: HTTP}\n    - {name: more, port: 8082, protocol: HTTP}",
);

describe.skipIf(process.getuid?.() !== 0)("novaedge, all of it (namespaces need root)", () => {
  it("start, traffic, reload, data plane killed, SIGTERM: nothing left in the kernel or the process table", async () => {
    await using daemon = new TestDaemon("../../daemon/main.ts");
    daemon.put("conf.d/edge.yaml", EDGE_ONE);
    daemon.put("conf.d/app.yaml", BACKEND);
    using client = link(daemon.namespace);
    using _backend = server(daemon.namespace, 9000, "one");
    using _other = server(daemon.namespace, 9001, "two");
    daemon.start();
    await daemon.logged("daemon.ready");
    await daemon.logged("vip.moved", { vip: "web", to: "owner" });
    expect(client.curl("http://192.0.2.10:8081/hello")).toBe("one /hello 192.0.2.2");

    daemon.mark();
    daemon.put("conf.d/app.yaml", BACKEND.replace("9000", "9001"));
    await daemon.logged("config.loaded");
    await daemon.logged("backend.judged", { endpoint: "127.0.0.1:9001", healthy: true });
    expect(client.curl("http://192.0.2.10:8081/x")).toBe("two /x 192.0.2.2");
    // A VIP with a port more, on which nobody listens at the moment of the change.
    daemon.put("conf.d/edge.yaml", EDGE_TWO);
    await daemon.logged("config.loaded", { generation: 3 });
    expect(client.curl("http://192.0.2.10:8081/x")).toBe("two /x 192.0.2.2");
    await daemon.listening("default/gw/more@192.0.2.10:8082");
    expect(client.curl("http://192.0.2.10:8082/z")).toBe("two /z 192.0.2.2");
    expect(daemon.lines.filter(({ name }) => name === "vip.moved")).toEqual([]);

    const status = await daemon.call("GET /v1/status");
    expect(status.vips[0]).toMatchObject({ state: "owner", owner: "one", eligible: true });
    expect(status.processes.every(({ state }) => state === "up")).toBe(true);
    const doctor = await daemon.call("GET /v1/doctor");
    expect(doctor.owned.map(({ kind, wanted }) => `${kind} ${wanted}`)).toContain("address true");

    // One data plane dies: the other one serves, the VIP stays, the dead one is replaced.
    daemon.mark();
    process.kill(status.processes.find(({ name }) => name === "dataplane/1")?.pid ?? -1, "SIGKILL");
    await daemon.logged("child.moved", { child: "dataplane/1", to: "up" });
    expect(client.curl("http://192.0.2.10:8081/y")).toBe("two /y 192.0.2.2");
    expect(daemon.lines.filter(({ name }) => name === "vip.moved")).toEqual([]);

    const now = await daemon.call("GET /v1/status");
    daemon.signal("SIGTERM");
    expect(await daemon.ended).toBe(0);
    await Promise.all(now.processes.map(({ pid }) => gone(pid ?? -1)));
    expect(inside(daemon.namespace, "nft", "list", "tables").trim()).toBe("");
    expect(inside(daemon.namespace, "ip", "-4", "-o", "addr", "show", "eth0")).not.toContain("192.0.2.10");
    const errors = daemon.lines.filter(({ level, subject }) => level === "error" && subject !== "dataplane/1");
    expect(errors).toEqual([]);
  });

  it("pulse killed, pulse frozen: each time another one takes its place, and the address comes back", async () => {
    await using daemon = new TestDaemon("../../daemon/main.ts");
    daemon.put("conf.d/edge.yaml", EDGE_ONE);
    daemon.put("conf.d/app.yaml", BACKEND);
    using client = link(daemon.namespace);
    using _backend = server(daemon.namespace, 9000, "one");
    daemon.start();
    await daemon.logged("vip.moved", { vip: "web", to: "owner" });
    for (const signal of ["SIGKILL", "SIGSTOP"] as const) {
      const { processes } = await daemon.call("GET /v1/status");
      daemon.mark();
      process.kill(processes.find(({ name }) => name === "pulse")?.pid ?? -1, signal);
      await daemon.logged("child.moved", { child: "pulse", to: "backoff" });
      await daemon.logged("vip.moved", { vip: "web", to: "owner" });
      expect(client.curl("http://192.0.2.10:8081/x")).toBe("one /x 192.0.2.2");
    }
  });

  it("kill -9 of control: the address falls silent, the children end, the next start serves again", async () => {
    await using daemon = new TestDaemon("../../daemon/main.ts");
    daemon.put("conf.d/edge.yaml", EDGE_ONE);
    daemon.put("conf.d/app.yaml", BACKEND);
    using client = link(daemon.namespace);
    using _backend = server(daemon.namespace, 9000, "one");
    daemon.start();
    await daemon.logged("vip.moved", { vip: "web", to: "owner" });
    const { processes } = await daemon.call("GET /v1/status");
    daemon.signal("SIGKILL");
    await daemon.ended;
    await Promise.all(processes.map(({ pid }) => gone(pid ?? -1)));
    expect(() => client.curl("http://192.0.2.10:8081/x")).toThrow(/curl/);
    daemon.mark();
    daemon.start();
    await daemon.logged("vip.moved", { vip: "web", to: "owner" });
    expect(client.curl("http://192.0.2.10:8081/x")).toBe("one /x 192.0.2.2");
    expect(openDescriptors(daemon.pid)).toBeLessThan(64);
  });
});

interface Client extends Disposable {
  curl(url: string): string;
}

/** A second host on a wire to eth0 of the first. */
function link(namespace: string): Client {
  const name = `${namespace}-c`;
  createNamespace(name);
  const ip = (...args: readonly string[]): void => void execFileSync("ip", args, { stdio: "pipe" });
  ip("-n", namespace, "link", "add", "eth0", "type", "veth", "peer", "name", "eth0", "netns", name);
  for (const [host, address] of [
    [namespace, "192.0.2.1/24"],
    [name, "192.0.2.2/24"],
  ] as const) {
    ip("-n", host, "addr", "add", address, "dev", "eth0");
    ip("-n", host, "link", "set", "eth0", "up");
  }
  return {
    curl: (url) => inside(name, "curl", "-s", "-S", "-m", "1", url),
    [Symbol.dispose]: () => void deleteNamespace(name),
  };
}

/** An HTTP server that says its name, the path and who asks; ready when this returns. */
function server(namespace: string, port: number, name: string): Disposable {
  const script = `require("node:http").createServer((q, a) => a.end(\`${name} \${q.url} \${q.headers["x-forwarded-for"]}\`)).listen(${port}, "127.0.0.1")`;
  const child = spawnInside(namespace, process.execPath, ["-e", script], { stdio: "ignore" });
  return { [Symbol.dispose]: () => void child.kill("SIGKILL") };
}

function inside(namespace: string, ...command: readonly string[]): string {
  return execFileSync("ip", ["netns", "exec", namespace, ...command], { encoding: "utf8", stdio: "pipe" });
}

function openDescriptors(pid: number): number {
  expect(readFileSync(`/proc/${pid}/comm`, "utf8")).toContain("novaedge");
  return readdirSync(`/proc/${pid}/fd`).length;
}
