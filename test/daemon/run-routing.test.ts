/** The real control process and a routing process in words only: started when it is wanted, asked, broken, ended. */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, rmSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { TestDaemon } from "./daemon-process.ts";

const root = process.getuid?.() === 0;
const VIP = `apiVersion: novaedge.io/v1alpha1
kind: ProxyVIP
metadata: {name: any}
spec:
  address: 203.0.113.10
  mode: BGP
  ports: [80]
  healthPolicy: {requireGateway: false}
`;
const SETTINGS = `bgp:
  asn: 65001
  routerId: 10.0.0.7
  peers: [{name: tor, address: 10.0.0.1, asn: 65000, password: hushhush}]
`;
const daemonWith = (vip: string): TestDaemon => {
  const daemon = new TestDaemon("./fixtures/daemon.ts");
  daemon.settings(SETTINGS);
  daemon.put("conf.d/vip.yaml", vip);
  return daemon;
};
const novactl = (daemon: TestDaemon, ...words: readonly string[]): ReturnType<typeof spawnSync> =>
  spawnSync(
    process.execPath,
    [fileURLToPath(new URL("../../cli/main.ts", import.meta.url)), "--socket", daemon.socket, ...words],
    {
      encoding: "utf8",
    },
  );

describe.skipIf(!root)("novaedge run with routers (namespaces need root)", () => {
  it("announces, answers, and ends without a trace", async () => {
    await using daemon = daemonWith(VIP).start();
    await daemon.logged("daemon.ready");
    const status = await daemon.call("GET /v1/status");
    expect(status).toMatchObject({
      phase: "ready",
      vips: [
        {
          name: "any",
          mode: "BGP",
          state: "announced",
          ifname: "lo",
          neighbors: [{ name: "tor", state: "established" }],
        },
      ],
      routing: { bgp: { asn: 65_001, routerId: "10.0.0.7", peers: 1, established: 1 } },
    });
    expect(status.processes.map(({ name }) => name)).toContain("routing");
    expect(await daemon.call("GET /v1/bgp")).toMatchObject({ peers: [{ name: "tor", state: "established" }] });
    expect(await daemon.call("GET /v1/bgp/routes")).toEqual({ routes: [], more: 7 });
    for (const prefix of ["192.0.2.0/99", "everything"]) {
      const path = `GET /v1/bgp/routes?prefix=${encodeURIComponent(prefix)}`;
      expect(await daemon.ask(path)).toMatchObject({
        status: 400,
        body: { message: `${prefix} is no prefix; expected an address and a length, such as 192.0.2.0/24` },
      });
    }
    expect(await daemon.refused("POST /v1/bgp/clear", { peer: "tro", how: "hard" })).toMatchObject({
      code: "NOT_FOUND",
      message: "there is no BGP peer tro; did you mean tor?",
    });
    expect(novactl(daemon, "bgp", "clear", "tor").status).toBe(0);
    await daemon.logged("fake.clear");
    expect(daemon.curl("http://127.0.0.1:9090/metrics").body).toContain(
      'novaedge_bgp_session_state{peer="tor",peer_address="10.0.0.1",peer_as="65000"} 6',
    );
    expect(existsSync(daemon.path("state/routing.json"))).toBe(true);
    expect(daemon.lines.map((line) => JSON.stringify(line)).join()).not.toContain("hushhush");
    daemon.signal("SIGTERM");
    await daemon.logged("routing.withdrawn");
    expect(await daemon.ended).toBe(0);
    expect(daemon.pids()).toEqual([]);
    expect(JSON.parse(readFileSync(daemon.path("state/routing.json"), "utf8"))).not.toHaveProperty("running");
  });

  it("a process that crashes is started again, and told that this is a restart", async () => {
    await using daemon = daemonWith(VIP).start([], { FAKE: "crash" });
    await daemon.logged("child.moved", { child: "routing", to: "backoff" });
    await daemon.logged("vip.moved", { vip: "any", to: "announced" });
    const { processes } = await daemon.call("GET /v1/status");
    expect(processes.find(({ name }) => name === "routing")).toMatchObject({ restarts: 1, lastEnd: "exit 9" });
  });

  it("runs as long as there is something to route", async () => {
    await using daemon = daemonWith(VIP).start();
    await daemon.logged("daemon.ready");
    daemon.settings("");
    rmSync(daemon.path("conf.d/vip.yaml"));
    await daemon.logged("child.moved", { child: "routing", to: "stopped" });
    const refused = await daemon.refused("GET /v1/ospf/routes");
    expect(refused.code).toBe("NOT_ROUTING");
    expect((await daemon.call("GET /v1/status")).processes.map(({ name }) => name)).not.toContain("routing");
    daemon.settings(SETTINGS);
    await daemon.logged("child.moved", { child: "routing", to: "up" });
  });
});
