import { spawn } from "node:child_process";
import { closeSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { ipv4 } from "../../base/address.ts";
import {
  backlog,
  capabilities,
  conflicts,
  hostChecks,
  ioUring,
  kernelVersion,
  migration,
  openFiles,
} from "../../daemon/doctor/machine.ts";
import { ownersOf, routingRivals } from "../../daemon/doctor/routing-rivals.ts";
import { createNamespace, deleteNamespace, inside, spawnInside } from "../../netstack/kernel/namespace.ts";
import { listenTcp, openRaw } from "../../netstack/kernel/sockets.ts";

describe.skipIf(process.getuid?.() !== 0)("doctor and other network namespaces (needs root)", () => {
  it("what runs in another one is no rival", async () => {
    const namespace = `nv${process.pid}-rival`;
    createNamespace(namespace);
    // A process is known by its name, which it may choose.
    const script =
      'process.title = "vrrpd"; require("node:fs").writeFileSync("/proc/self/comm", "vrrpd"); console.log("up"); setInterval(() => {}, 1000)';
    const stdio = ["ignore", "pipe", "ignore"] as const;
    const there = spawnInside(namespace, process.execPath, ["-e", script], { stdio: [...stdio] });
    const here = spawn(process.execPath, ["-e", script], { stdio: [...stdio] });
    try {
      await Promise.all([there, here].map((child) => new Promise((resolve) => child.stdout?.once("data", resolve))));
      const found = hostChecks().filter(({ name }) => name === "conflict.vrrpd");
      expect(found).toMatchObject([{ message: `vrrpd (pid ${here.pid}) runs VRRP and owns virtual IPs` }]);
    } finally {
      there.kill("SIGKILL");
      here.kill("SIGKILL");
      deleteNamespace(namespace);
    }
  });
});

describe.skipIf(process.getuid?.() !== 0)("doctor and other routers on this host (needs root)", () => {
  it("says who listens on port 179 and who speaks OSPF", async () => {
    const namespace = `nv${process.pid}-router`;
    createNamespace(namespace);
    const bgp = inside(namespace, () => listenTcp({ ip: ipv4("0.0.0.0"), port: 179 }));
    const ospf = inside(namespace, () => openRaw({ family: 4, protocol: 89 }));
    try {
      const found = inside(namespace, () => ({
        tcp: readFileSync("/proc/thread-self/net/tcp", "utf8"),
        raw: readFileSync("/proc/thread-self/net/raw", "utf8"),
      }));
      const named = (command: string): readonly string[] =>
        routingRivals(found, (inodes) => ownersOf(inodes, [{ pid: process.pid, command }])).map(
          ({ name, message }) => `${name}: ${message}`,
        );
      expect(named("bird")).toEqual([
        `conflict.bgp: bird (pid ${process.pid}) listens on port 179`,
        `conflict.ospf: bird (pid ${process.pid}) speaks OSPF (protocol 89), and hears what is sent to us`,
      ]);
      expect(named("novaedge: routi")).toEqual(["conflict.routing: nobody else listens on port 179 or speaks OSPF"]);
      expect(routingRivals(found, () => new Map())[0]?.message).toBe("a process listens on port 179");
    } finally {
      closeSync(bgp);
      closeSync(ospf);
      deleteNamespace(namespace);
    }
  });
});

describe("doctor: verdicts on the machine", () => {
  it("kernel and io_uring", () => {
    expect(kernelVersion("6.1.0-18-amd64").verdict).toBe("ok");
    expect(kernelVersion("4.19.0").verdict).toBe("error");
    expect(ioUring("6.1.0", "0\n").verdict).toBe("ok");
    expect(ioUring("6.1.0", undefined).verdict).toBe("ok");
    expect(ioUring("6.8.0", "2\n")).toMatchObject({ verdict: "warning", hint: "sysctl kernel.io_uring_disabled=0" });
    expect(ioUring("5.15.0", undefined).verdict).toBe("warning");
  });
  it("capabilities(7) by their bits", () => {
    const all = capabilities("Name:\tx\nCapEff:\t0000000000003400\n");
    expect(all.map(({ verdict }) => verdict)).toEqual(["ok", "ok", "ok"]);
    const none = capabilities("CapEff:\t0000000000000000\n");
    expect(none.map(({ name }) => name)).toEqual([
      "capability.net-admin",
      "capability.net-raw",
      "capability.net-bind-service",
    ]);
    expect(none.every(({ verdict }) => verdict === "error")).toBe(true);
  });
  it("limits", () => {
    expect(openFiles("Max open files            262144               262144               files").verdict).toBe("ok");
    expect(openFiles("Max open files            1024                 4096                 files").verdict).toBe(
      "warning",
    );
    expect(backlog("128\n").verdict).toBe("warning");
    expect(backlog("4096\n").verdict).toBe("ok");
    expect([migration("1\n"), migration("0\n"), migration(undefined)].map(({ verdict }) => verdict)).toEqual([
      "ok",
      "warning",
      "ok",
    ]);
  });
  it("rivals by their name and by the protocol they speak (VRRP, 112)", () => {
    expect(conflicts([{ pid: 7, command: "keepalived" }], "")).toMatchObject([
      { name: "conflict.keepalived", verdict: "warning" },
    ]);
    const several = [7, 9].map((pid) => ({ pid, command: "keepalived" }));
    expect(conflicts(several, "")).toMatchObject([{ message: expect.stringContaining("(pids 7, 9)") }]);
    const raw = "  sl  local_address rem_address   st\n  12: 00000000:0070 00000000:0000 07 00000000:00000000\n";
    expect(conflicts([], raw)).toMatchObject([{ name: "conflict.vrrp" }]);
    expect(conflicts([{ pid: 1, command: "init" }], raw.replace("0070", "0001"))).toMatchObject([
      { name: "conflict", verdict: "ok" },
    ]);
  });
});
