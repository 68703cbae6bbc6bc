/** novactl against the real control process, and cleanup without one. */
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { ipv4, ipv6 } from "../../base/address.ts";
import { thingsOf } from "../../cli/cleanup.ts";
import { EXIT } from "../../cli/command.ts";
import { audit } from "../../netstack/kernel/audit.ts";
import { ADDRESS_PROTOCOL, ROUTE_PROTOCOL } from "../../netstack/kernel/marks.ts";
import { createNamespace, deleteNamespace, inside } from "../../netstack/kernel/namespace.ts";
import { RouteSocket } from "../../netstack/kernel/netlink/route-socket.ts";
import { Nftables } from "../../netstack/kernel/nftables.ts";
import { TestDaemon } from "../daemon/daemon-process.ts";
import { backend, EDGE } from "../daemon/resources-fixture.ts";
import { novactl } from "./terminal.ts";

const root = process.getuid?.() === 0;

describe.skipIf(!root)("novactl and a daemon (namespaces need root)", () => {
  it("status, get, apply, diff, delete, events, check", async () => {
    await using daemon = new TestDaemon("../daemon/fixtures/daemon.ts");
    daemon.put("conf.d/edge.yaml", EDGE);
    daemon.put("conf.d/app.yaml", backend("app", 9000));
    daemon.start();
    await daemon.logged("daemon.ready");
    const ask = (...words: readonly string[]): ReturnType<typeof novactl> =>
      novactl(["--socket", daemon.socket, ...words]);

    const status = await ask("status", "-o", "wide");
    expect([status.exit, status.err]).toEqual([EXIT.ok, ""]);
    expect(status.out).toContain("one: ready");
    expect((await ask("get", "vips")).out).toMatch(/^web +192\.0\.2\.10\/32 +L2ARP +ipv4 +one +owner +\d+s\n/m);
    expect((await ask("get", "all", "-o", "name")).out).toBe(
      "ProxyGateway/default/gw\nProxyRoute/default/all\nProxyBackend/default/app\nProxyVIP/web\n",
    );

    const file = daemon.path("new.yaml");
    writeFileSync(file, backend("third", 9003));
    expect((await ask("diff", "-f", file)).out).toContain("ProxyBackend/default/third created");
    expect((await ask("apply", "-f", file, "--dry-run")).out).toBe("ProxyBackend/default/third created (dry run)\n");
    expect((await ask("get", "backend", "third")).exit).toBe(EXIT.failed);
    expect((await ask("apply", "-f", file)).out).toBe("ProxyBackend/default/third created\n");
    expect((await ask("apply", "-f", file)).out).toBe("ProxyBackend/default/third unchanged\n");
    writeFileSync(file, backend("third", 9004));
    expect((await ask("diff", "-f", file)).out).toContain(
      "- spec.endpoints[0].port: 9003\n  + spec.endpoints[0].port: 9004\n",
    );
    // What get prints, apply takes.
    const yaml = (await ask("get", "backend", "third", "-o", "yaml")).out;
    expect((await novactl(["--socket", daemon.socket, "apply", "-f", "-"], { stdin: yaml })).out).toBe(
      "ProxyBackend/default/third unchanged\n",
    );
    const all = (await ask("get", "all", "-A", "-o", "yaml")).out;
    const again = await novactl(["--socket", daemon.socket, "apply", "-f", "-"], { stdin: all });
    expect(again.out.match(/unchanged/g)).toHaveLength(5);
    const json = JSON.parse((await ask("get", "vip", "web", "-o", "json")).out) as { status: { owner: string } };
    expect(json.status.owner).toBe("one");
    expect((await ask("describe", "backend", "third")).out).toContain("Read from:");
    expect((await ask("delete", "backend", "third")).out).toBe("ProxyBackend/default/third deleted\n");
    expect((await ask("delete", "backend", "third")).exit).toBe(EXIT.failed);

    writeFileSync(file, backend("third", 90_000));
    const refused = await ask("apply", "-f", file);
    expect(refused.exit).toBe(EXIT.configuration);
    expect(refused.err).toContain(`${file}:5:42: error: spec.endpoints[0].port: 90000 is not accepted`);
    expect((await ask("delete", "backend", "app")).exit).toBe(EXIT.configuration);
    expect((await ask("check", "-c", daemon.dir)).exit).toBe(EXIT.ok);
    expect((await ask("events", "-o", "json")).out).toContain('"name":"config.loaded"');
    expect((await ask("version")).out).toMatch(/novaedge \d/);
    daemon.signal("SIGTERM");
    await daemon.ended;
    expect((await ask("status")).exit).toBe(EXIT.notRunning);
  });

  it("cleanup without a daemon removes what is ours and nothing else", async () => {
    const name = `nv${process.pid}-cleanup`;
    createNamespace(name);
    try {
      inside(name, () => {
        using route = new RouteSocket();
        route.addAddress({ ip: ipv4("192.0.2.10"), prefixLength: 32, index: 1, protocol: ADDRESS_PROTOCOL });
        route.addAddress({ ip: ipv6("2001:db8::10"), prefixLength: 128, index: 1, protocol: ADDRESS_PROTOCOL });
        route.addAddress({ ip: ipv4("192.0.2.99"), prefixLength: 32, index: 1 });
        route.addRoute({
          destination: { ip: ipv4("198.51.100.0"), length: 24 },
          protocol: ROUTE_PROTOCOL,
          table: 254,
          metric: 0,
          type: "blackhole",
        });
        using nft = new Nftables();
        nft.transaction("add table ip novaedge_test\nadd table ip strangers");
      });
      const command = (...words: readonly string[]): string =>
        execFileSync(
          "ip",
          ["netns", "exec", name, process.execPath, "cli/main.ts", "cleanup", "--socket", "/nonexistent", ...words],
          { encoding: "utf8" },
        );
      const before = inside(name, () => thingsOf(audit()).map((each) => `${each.kind} ${each.name}`));
      expect(before).toEqual([
        "address 192.0.2.10/32",
        "address 2001:db8::10/128",
        "route 198.51.100.0/24",
        "nftables ip novaedge_test",
      ]);
      expect(command("--dry-run")).toMatch(/would go +address +192\.0\.2\.10\/32 +on lo/);
      expect(inside(name, () => thingsOf(audit()))).toHaveLength(4);
      expect(command()).toMatch(/removed +nftables +ip novaedge_test/);
      expect(inside(name, () => thingsOf(audit()))).toEqual([]);
      expect(command()).toBe("nothing of ours is in the kernel\n");
      const left = inside(name, () => {
        using route = new RouteSocket();
        using nft = new Nftables();
        return [route.addresses().length, JSON.stringify(nft.listTables())];
      });
      expect(left[0]).toBeGreaterThanOrEqual(2); // loopback's own and the stranger's
      const tables = execFileSync("ip", ["netns", "exec", name, "nft", "list", "tables"], { encoding: "utf8" });
      expect(tables).toBe("table ip strangers\n");
    } finally {
      deleteNamespace(name);
    }
  });
});
