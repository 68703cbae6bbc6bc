/** The real control process with children that carry no traffic: its life, its faces, its configuration. */
import { existsSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { spawnInside } from "../../netstack/kernel/namespace.ts";
import { gone, TestDaemon } from "./daemon-process.ts";
import { parseExposition } from "./metrics/exposition-parser.ts";
import { backend, EDGE } from "./resources-fixture.ts";

const root = process.getuid?.() === 0;
const fake = (): TestDaemon => {
  const daemon = new TestDaemon("./fixtures/daemon.ts");
  daemon.put("conf.d/edge.yaml", EDGE);
  daemon.put("conf.d/app.yaml", backend("app", 9000));
  return daemon;
};

describe.skipIf(!root)("novaedge run (namespaces need root)", () => {
  it("gets ready, shows itself, reloads, and ends without a trace", async () => {
    await using daemon = fake().start();
    await daemon.logged("daemon.ready");
    const status = await daemon.call("GET /v1/status");
    expect(status).toMatchObject({
      node: "one",
      phase: "ready",
      engine: "fake",
      vips: [{ name: "web", state: "owner", owner: "one", eligible: true, addresses: ["192.0.2.10/32"], ifname: "lo" }],
      listeners: [{ key: "default/gw/http@192.0.2.10:8081", workers: 2, wanted: 2 }],
      backends: [{ name: "default/app", endpoints: [{ address: "127.0.0.1", port: 9000, health: "healthy" }] }],
    });
    expect(status.processes.map(({ name, state }) => `${name} ${state}`)).toEqual([
      "control up",
      "pulse up",
      "dataplane/0 up",
      "dataplane/1 up",
    ]);
    expect(daemon.curl("http://127.0.0.1:8080/healthz").status).toBe(200);
    expect(daemon.curl("http://127.0.0.1:8080/readyz").status).toBe(200);
    const metrics = parseExposition(daemon.curl("http://127.0.0.1:9090/metrics").body);
    expect(metrics.get("novaedge_vip_status")?.samples).toEqual([
      { name: "novaedge_vip_status", labels: { vip_name: "web", address: "192.0.2.10/32", mode: "L2ARP" }, value: 1 },
    ]);
    expect(metrics.get("novaedge_process_up")?.samples.every(({ value }) => value === 1)).toBe(true);

    // A file change, SIGHUP and apply all lead to a new generation.
    daemon.mark();
    daemon.put("conf.d/more.yaml", backend("more", 9001));
    await daemon.logged("config.loaded", { generation: 2 });
    daemon.put("conf.d/more.yaml", backend("more", 9002));
    daemon.signal("SIGHUP");
    await daemon.logged("config.loaded", { generation: 3 });
    const applied = await daemon.call("POST /v1/apply", { documents: backend("third", 9003) });
    expect(applied).toMatchObject({ changes: [{ name: "third", change: "created" }], generation: 4 });
    expect(readFileSync(daemon.path("conf.d/proxybackend-default-third.yaml"), "utf8")).toBe(backend("third", 9003));

    const pids = status.processes.map(({ pid }) => pid ?? -1);
    daemon.signal("SIGTERM");
    expect(await daemon.ended).toBe(0);
    await Promise.all(pids.map(gone));
    expect(readdirSync(daemon.dir).filter((name) => name.startsWith("admin.sock"))).toEqual([]);
  });

  it("a bad file keeps the running configuration, names its place, and the condition goes with its cause", async () => {
    await using daemon = fake().start();
    await daemon.logged("daemon.ready");
    const before = (await daemon.call("GET /v1/status")).configuration;
    daemon.put("conf.d/bad.yaml", backend("bad", 9001).replace("endpoints", "endpionts"));
    await daemon.logged("config.refused", { at: `${daemon.path("conf.d/bad.yaml")}:5:3` });
    const { configuration, conditions } = await daemon.call("GET /v1/status");
    expect(configuration).toMatchObject({ generation: before.generation, hash: before.hash });
    expect(configuration.problems).toContainEqual(
      expect.objectContaining({ line: 5, column: 3, code: "FIELD_UNKNOWN", hint: 'did you mean "endpoints"?' }),
    );
    const message = expect.stringContaining('(did you mean "endpoints"?)');
    expect(conditions).toContainEqual(expect.objectContaining({ code: "CONFIG_REFUSED", message }));
    expect((await daemon.refused("POST /v1/reload", {})).problems).toHaveLength(configuration.problems.length);
    daemon.mark();
    rmSync(daemon.path("conf.d/bad.yaml"));
    await daemon.logged("condition.cleared", { code: "CONFIG_REFUSED" });
    expect((await daemon.call("GET /v1/status")).configuration.generation).toBe(before.generation);
  });

  it("a dry run, a diff and a refused apply change nothing; delete refuses what others refer to", async () => {
    await using daemon = fake().start();
    await daemon.logged("daemon.ready");
    const files = readdirSync(daemon.path("conf.d"));
    const dry = await daemon.call("POST /v1/apply", { documents: backend("app", 1), dryRun: true });
    expect(dry).toMatchObject({
      changes: [{ change: "configured", file: daemon.path("conf.d/app.yaml") }],
      dryRun: true,
    });
    const diff = await daemon.call("POST /v1/diff", { documents: backend("app", 1) });
    expect(diff.changes[0]?.fields).toEqual([{ path: "spec.endpoints[0].port", before: 9000, after: 1 }]);
    const refused = await daemon.refused("POST /v1/apply", {
      documents: `${backend("x", 1)}  nonsense: 1\n`,
      source: "x.yaml",
    });
    expect(refused.problems[0]).toMatchObject({ file: "x.yaml", line: 7, code: "FIELD_UNKNOWN" });
    const dangling = await daemon.refused("POST /v1/delete", { kind: "backend", name: "app" });
    expect(dangling).toMatchObject({ code: "INVALID", problems: [{ code: "REFERENCE" }] });
    expect(readdirSync(daemon.path("conf.d"))).toEqual(files);
    expect(readFileSync(daemon.path("conf.d/app.yaml"), "utf8")).toBe(backend("app", 9000));
    expect((await daemon.call("GET /v1/status")).configuration.generation).toBe(1);
  });

  it("what only a restart changes is said and not done; the log's level follows at once", async () => {
    await using daemon = fake().start();
    await daemon.logged("daemon.ready");
    daemon.settings("metrics: {port: 9191}\nlog: {level: debug}");
    const raised = await daemon.logged("condition.raised", { code: "RESTART_NEEDED" });
    expect(String(raised["message"])).toContain("metrics.port");
    expect(daemon.curl("http://127.0.0.1:9090/metrics").status).toBe(200);
    expect((await daemon.call("GET /v1/status")).vips).toHaveLength(1);
  });

  it("an apply that a reload would refuse writes nothing: no key for virtual IPs, broken settings", async () => {
    await using daemon = new TestDaemon("./fixtures/daemon.ts");
    rmSync(daemon.path("key"));
    daemon.start();
    await daemon.logged("daemon.ready");
    const refused = await daemon.refused("POST /v1/apply", { documents: `${EDGE}---\n${backend("app", 1)}` });
    expect(refused.problems[0]).toMatchObject({ file: daemon.path("key"), severity: "error", line: 0 });
    expect(refused.message).toMatch(/^\S+\/key: virtual IPs need .*: no such file or directory$/);
    expect(refused.problems[0]?.hint).toContain(`mkdir -p ${daemon.dir} && (umask 077; openssl rand -hex 32 >`);
    daemon.put("novaedge.yaml", "nodes: {}");
    const broken = await daemon.refused("POST /v1/apply", { documents: backend("app", 1) });
    expect(broken.problems[0]).toMatchObject({ file: daemon.path("novaedge.yaml"), line: 1, column: 1 });
    expect(readdirSync(daemon.path("conf.d"))).toEqual([]);
  });

  it("a taken listening port is a condition with its address, tried again until it is free", async () => {
    await using daemon = fake();
    const script = 'require("node:net").createServer().listen(8081, "0.0.0.0", () => console.log("up"))';
    const holder = spawnInside(daemon.namespace, process.execPath, ["-e", script], {
      stdio: ["ignore", "pipe", "ignore"],
    });
    await new Promise((resolve) => holder.stdout?.once("data", resolve));
    daemon.start();
    const failed = await daemon.logged("listener.failed");
    expect(failed).toMatchObject({
      key: "default/gw/http@192.0.2.10:8081",
      why: expect.stringContaining("ADDRESS_TAKEN"),
    });
    await daemon.logged("daemon.ready");
    const { conditions, vips, listeners } = await daemon.call("GET /v1/status");
    expect(conditions.map(({ code }) => code)).toEqual(expect.arrayContaining(["LISTENER_FAILED", "VIP_INELIGIBLE"]));
    expect(vips[0]).toMatchObject({ eligible: false, eligibleWhy: "NOT_LISTENING" });
    expect(listeners[0]).toMatchObject({ workers: 0, wanted: 2, problem: expect.stringContaining("192.0.2.10:8081") });
    holder.kill("SIGKILL");
    await daemon.logged("condition.cleared", { code: "LISTENER_FAILED" });
    await daemon.logged("vip.moved", { vip: "web", to: "owner" });
  });

  it("a data plane that confirms nothing keeps the daemon from being ready, and is named", async () => {
    await using daemon = fake().start([], { FAKE: "mute" });
    await daemon.logged("condition.raised", { code: "DATAPLANE_REFUSED", subject: "dataplane/0" });
    const { status, body } = daemon.curl("http://127.0.0.1:8080/readyz");
    expect([status, body.trim()]).toEqual([503, "not ready: a data plane has not applied the configuration"]);
    expect(daemon.curl("http://127.0.0.1:8080/healthz").status).toBe(200);
  });

  it("a data plane that refuses the configuration is named with its reason", async () => {
    await using daemon = fake().start(["--workers", "1"], { FAKE: "refuse" });
    await daemon.logged("condition.raised", { code: "DATAPLANE_REFUSED", message: "cannot compile it" });
    expect(daemon.curl("http://127.0.0.1:8080/readyz").status).toBe(503);
  });

  it("a directory made for the admin socket goes with the daemon", async () => {
    await using daemon = fake();
    const socket = daemon.path("run/novaedge/admin.sock");
    daemon.start(["--admin-socket", socket]);
    await daemon.logged("daemon.ready");
    expect(existsSync(socket)).toBe(true);
    daemon.signal("SIGTERM");
    expect(await daemon.ended).toBe(0);
    expect(existsSync(daemon.path("run/novaedge"))).toBe(false);
  });

  it("a second signal ends all patience", async () => {
    await using daemon = fake().start([], { FAKE: "stubborn" });
    await daemon.logged("daemon.ready");
    daemon.signal("SIGTERM");
    await daemon.logged("child.moved", { child: "dataplane/0", to: "stopping" });
    // The fake pulse owned the VIP, so half a second has passed: this is another wish, not an echo of the first.
    daemon.signal("SIGINT");
    await daemon.logged("daemon.signalled", { again: true });
    expect(await daemon.ended).toBe(0);
    expect(daemon.lines).toContainEqual(expect.objectContaining({ child: "dataplane/0", why: "signal SIGKILL" }));
  });

  it("a data plane that dies at each configuration is restarted ever more slowly, and the daemon stays", async () => {
    await using daemon = fake().start(["--workers", "1"], { FAKE: "die" });
    const pauses: number[] = [];
    for (let round = 0; round < 3; round++) {
      const ended = await daemon.logged("child.moved", { to: "backoff" });
      const again = await daemon.logged("child.moved", { to: "starting", why: "back-off over" });
      pauses.push(Date.parse(String(again["at"])) - Date.parse(String(ended["at"])));
      daemon.mark();
    }
    expect(pauses.every((pause, round) => pause >= 99 * 2 ** round)).toBe(true);
    // Nothing of the dead stays open in control.
    const { processes, phase } = await daemon.call("GET /v1/status");
    expect(readdirSync(`/proc/${daemon.pid}/fd`).length).toBeLessThan(40);
    expect(phase).toBe("starting");
    expect(processes.find(({ name }) => name === "dataplane/0")).toMatchObject({ lastEnd: "exit 7" });
  });

  it("a data plane that dies is restarted; the VIP stays while the other one listens", async () => {
    await using daemon = fake().start();
    await daemon.logged("daemon.ready");
    const { processes } = await daemon.call("GET /v1/status");
    daemon.mark();
    process.kill(processes.find(({ name }) => name === "dataplane/1")?.pid ?? -1, "SIGKILL");
    await daemon.logged("child.moved", { child: "dataplane/1", to: "backoff", why: "signal SIGKILL" });
    await daemon.logged("child.moved", { child: "dataplane/1", to: "up" });
    const { vips } = await daemon.call("GET /v1/status");
    expect(vips[0]).toMatchObject({ eligible: true, state: "owner" });
    expect(daemon.lines.filter(({ name }) => name === "vip.moved")).toEqual([]);
  });

  it("no data plane listens: the VIP is not eligible, at once; a frozen one counts as dead, is killed and replaced", async () => {
    await using daemon = fake().start(["--workers", "1"]);
    await daemon.logged("daemon.ready");
    const { processes } = await daemon.call("GET /v1/status");
    const pid = processes.find(({ name }) => name === "dataplane/0")?.pid ?? -1;
    daemon.mark();
    process.kill(pid, "SIGSTOP");
    await daemon.logged("child.moved", { child: "dataplane/0", to: "silent" });
    await daemon.logged("vip.moved", { vip: "web", to: "ineligible" });
    expect(daemon.curl("http://127.0.0.1:8080/readyz").status).toBe(503);
    await daemon.logged("child.killed", { child: "dataplane/0" });
    await daemon.logged("vip.moved", { vip: "web", to: "owner" });
  });

  it("kill -9 of control: the children end by themselves, and the next start comes up", async () => {
    await using daemon = fake().start();
    await daemon.logged("daemon.ready");
    const { processes } = await daemon.call("GET /v1/status");
    daemon.signal("SIGKILL");
    await daemon.ended;
    await Promise.all(processes.map(({ pid }) => gone(pid ?? -1)));
    daemon.mark();
    daemon.start();
    await daemon.logged("daemon.ready");
  });

  it("kill -9 of control over frozen children: the next start ends them", async () => {
    await using daemon = fake().start();
    await daemon.logged("daemon.ready");
    const { processes } = await daemon.call("GET /v1/status");
    const pulse = processes.find(({ name }) => name === "pulse")?.pid ?? -1;
    process.kill(pulse, "SIGSTOP");
    daemon.signal("SIGKILL");
    await daemon.ended;
    daemon.mark();
    daemon.start();
    await daemon.logged("child.left-over", { child: "pulse", pid: pulse });
    await daemon.logged("daemon.ready");
    await gone(pulse);
  });

  it("files that are refused at the start and a second daemon leave no child behind", async () => {
    await using daemon = new TestDaemon("../../daemon/main.ts");
    daemon.put("conf.d/app.yaml", "kind: x");
    expect(await daemon.start().ended).toBe(78);
    expect(daemon.pids()).toEqual([]);
    expect(daemon.lines.map(({ line }) => String(line))).toContainEqual(expect.stringContaining("app.yaml:1:"));
    rmSync(daemon.path("conf.d/app.yaml"));
    daemon.start();
    await daemon.logged("daemon.ready");
    const pids = daemon.pids();
    expect(pids).toHaveLength(4);
    await using second = fake();
    expect(await second.start(["--admin-socket", daemon.socket], { FAKE: "stubborn" }).ended).toBe(1);
    expect(second.pids()).toEqual([]);
    expect(daemon.pids()).toEqual(pids);
  });

  it("a taken port, a second daemon and wrong files end the start with the way out", async () => {
    await using daemon = fake().start();
    await daemon.logged("daemon.ready");
    await using second = fake();
    second.put("conf.d/app.yaml", "kind: x");
    expect(await second.start().ended).toBe(78);
    expect(second.lines.some(({ line }) => String(line).includes("app.yaml:1:"))).toBe(true);
    second.put("conf.d/app.yaml", backend("app", 1));
    second.settings("metrics: {port: 8080}\nhealth: {port: 8080, address: 0.0.0.0}");
    second.mark();
    expect(await second.start().ended).toBe(1);
    expect(
      second.lines.some(({ line }) =>
        String(line).includes("--health-port or health.port in the settings chooses another"),
      ),
    ).toBe(true);
    second.mark();
    expect(await second.start(["--admin-socket", daemon.socket]).ended).toBe(1);
    expect(second.lines.some(({ line }) => String(line).includes("--admin-socket"))).toBe(true);
    expect((await daemon.call("GET /v1/status")).phase).toBe("ready");
  });
});
