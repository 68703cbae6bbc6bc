/**
 * kill -9 of the daemon and its children at random moments while configurations are applied: after a restart the kernel
 * holds exactly what the last configuration says, and what others made is untouched.  NOVAEDGE_KILLS sets the number.
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as elapse } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { buildLab } from "../../lab/build.ts";
import { describe as described } from "../../lab/description.ts";
import type { Host } from "../../lab/host.ts";
import { eventually, killAll, layOut, owns, ready, startDaemon, statusOf, writeResources } from "./daemon.ts";

const kills = Number(process.env["NOVAEDGE_KILLS"] ?? 5);

const single = described({
  hosts: {
    edge: { interfaces: { eth0: ["192.0.2.1/24", "2001:db8::1/64"] } },
    peer: { interfaces: { eth0: ["192.0.2.254/24", "2001:db8::fe/64"] } },
  },
  switches: ["front"],
  links: [
    { from: "edge:eth0", to: "front" },
    { from: "peer:eth0", to: "front" },
  ],
});

describe.skipIf(process.getuid?.() !== 0)("kill -9 during applies (needs root)", () => {
  test(`${kills} times: the kernel holds what is wanted, nothing else`, {
    timeout: 60_000 + kills * 10_000,
  }, async () => {
    const folder = mkdtempSync(join(tmpdir(), "novaedge-kill-"));
    await using lab = await buildLab(single);
    const edge = lab.host("edge");
    await strangers(edge);
    const before = await othersOf(edge);
    const files = layOut(folder, "edge", resources(0));
    let daemon = startDaemon(edge, files);
    try {
      await ready(files, owns);
      for (let kill = 1; kill <= kills; kill++) {
        // Two changes under way, the second of which is the last word.
        writeResources(files, resources(kill * 7));
        await elapse(Math.random() * 250);
        writeResources(files, resources(kill));
        await elapse(Math.random() * 400);
        const pids = killAll(daemon);
        await daemon.finished;
        await eventually("all processes gone", () => (pids.every(isGone) ? true : undefined));
        daemon = startDaemon(edge, files);
        const wanted = addressesOf(kill);
        await ready(files, (status) => owns(status) && status.vips.length === wanted.length);
        expect(await ours(edge)).toEqual(wanted);
        expect(await guarded(edge)).toEqual(wanted);
        expect(await othersOf(edge)).toEqual(before);
      }
      daemon.signal("SIGTERM");
      expect((await daemon.finished).code).toBe(0);
      expect(await ours(edge)).toEqual([]);
      expect((await edge.exec("nft", ["list", "tables"])).stdout).not.toContain("novaedge");
      expect(await othersOf(edge)).toEqual(before);
      expect(await statusOf(files)).toBeUndefined();
      expect(edge.pids()).toEqual([]);
    } finally {
      await daemon[Symbol.asyncDispose]();
      rmSync(folder, { recursive: true, force: true });
    }
  });
});

/** One to four virtual IPs out of ten, by `variant`. */
function addressesOf(variant: number): readonly string[] {
  const count = 1 + (variant % 4);
  const numbers = Array.from({ length: count }, (_, index) => 100 + ((variant * 3 + index * 2) % 10));
  return [...new Set(numbers)].map((number) => `192.0.2.${number}`).sort();
}

function resources(variant: number): string {
  return addressesOf(variant)
    .map((address) => {
      const name = `vip-${address.split(".")[3]}`;
      return `apiVersion: novaedge.io/v1alpha1
kind: ProxyVIP
metadata: { name: ${name} }
spec: { address: ${address}, mode: L2ARP, ports: [80] }
---
apiVersion: novaedge.io/v1alpha1
kind: ProxyGateway
metadata: { name: ${name} }
spec: { vipRef: ${name}, listeners: [{ name: http, port: 80, protocol: HTTP }] }
`;
    })
    .join("---\n");
}

async function strangers(host: Host): Promise<void> {
  await host.exec("nft", ["-f", "-"], {
    input: "table inet stranger { set s { type ipv4_addr; elements = { 192.0.2.100 } }; }\n",
  });
  await host.exec("ip", ["address", "add", "192.0.2.77/32", "dev", "eth0"]);
  await host.exec("ip", ["route", "add", "198.51.100.0/24", "via", "192.0.2.254", "proto", "static"]);
  await host.exec("ip", ["rule", "add", "from", "192.0.2.77", "lookup", "77", "pref", "777"]);
}

/** Everything of others that we could have touched, as text. */
async function othersOf(host: Host): Promise<readonly string[]> {
  const list = async (...args: readonly string[]): Promise<string> => (await host.exec("ip", args)).stdout;
  const addresses = (await list("-o", "address", "show"))
    .split("\n")
    .filter((line) => !/192\.0\.2\.10[0-9]\//.test(line));
  return [
    addresses.join("\n"),
    await list("route", "show", "table", "main"),
    await list("rule", "show"),
    (await host.exec("nft", ["list", "table", "inet", "stranger"])).stdout,
  ];
}

async function ours(host: Host): Promise<readonly string[]> {
  const { stdout } = await host.exec("ip", ["-o", "-4", "address", "show", "dev", "eth0"]);
  return [...stdout.matchAll(/inet (192\.0\.2\.10[0-9])\//g)].map((match) => match[1] ?? "").sort();
}

async function guarded(host: Host): Promise<readonly string[]> {
  const { stdout } = await host.exec("nft", ["list", "set", "arp", "novaedge_vip", "guarded4"]);
  return [...stdout.matchAll(/192\.0\.2\.\d+/g)].map((match) => match[0]).sort();
}

/** A zombie that nobody has reaped yet holds nothing any more. */
function isGone(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/stat`, "utf8").includes(") Z ");
  } catch {
    return true;
  }
}
