/** The lab's gateways behave as RFC 4787 names it: what is mapped to what, and who may answer. */
import { describe, expect, test } from "vitest";
import { formatIp, ipv4 } from "../../base/address.ts";
import { SILENT } from "../../base/log.ts";
import { after, ms } from "../../base/unit.ts";
import { buildLab, type Lab } from "../../lab/build.ts";
import { describe as described, type NatSpec } from "../../lab/description.ts";
import type { Loop } from "../../netstack/kernel/loop.ts";
import { inside } from "../../netstack/kernel/namespace.ts";
import { openLoop } from "../../netstack/kernel/open-loop.ts";
import { decodeInet, encodeInet } from "../../netstack/kernel/sockaddr.ts";
import { openUdp } from "../../netstack/kernel/sockets.ts";

function behind(nat: NatSpec) {
  return described({
    hosts: {
      inner: {
        interfaces: { eth0: ["192.168.1.10/24"] },
        routes: [{ to: "default", via: "192.168.1.1" }],
      },
      gateway: { interfaces: { lan0: ["192.168.1.1/24"], wan0: ["203.0.113.11/24"] }, nat },
      first: { interfaces: { eth0: ["203.0.113.1/24"] } },
      second: { interfaces: { eth0: ["203.0.113.2/24"] } },
    },
    switches: ["public"],
    links: [
      { from: "inner:eth0", to: "gateway:lan0" },
      { from: "gateway:wan0", to: "public" },
      { from: "first:eth0", to: "public" },
      { from: "second:eth0", to: "public" },
    ],
  });
}

const CONE: NatSpec = {
  outside: "wan0",
  mapping: "endpoint-independent",
  filtering: "address-and-port-dependent",
};

describe.skipIf(process.getuid?.() !== 0)("a gateway (needs root)", () => {
  test("RFC 4787 §4.1: endpoint-independent mapping keeps one port for all, §5: only who was asked may answer", async () => {
    await using lab = await buildLab(behind(CONE));
    const { first, second, unasked } = observed(lab);
    expect(first).toBe(second);
    expect(first).toBe("203.0.113.11:4000");
    expect(unasked).toBe(false);
  });

  test("RFC 4787 §4.1: address-and-port-dependent mapping has a port for each", async () => {
    await using lab = await buildLab(behind({ ...CONE, mapping: "address-and-port-dependent" }));
    const { first, second, unasked } = observed(lab);
    expect(first).not.toBe(second);
    expect(unasked).toBe(false);
  });

  test("RFC 4787 §4.1, §4.2.1: endpoint-independent mapping to another port, the same for all", async () => {
    await using lab = await buildLab(behind({ ...CONE, ports: "other" }));
    const { first, second, unasked } = observed(lab);
    expect(first).toBe(second);
    expect(first).toMatch(/^203\.0\.113\.11:4[0-4][0-9]{3}$/);
    expect(unasked).toBe(false);
  });

  test("RFC 4787 §4.1: address-dependent mapping has a port for each host, and only one", async () => {
    await using lab = await buildLab(behind({ ...CONE, mapping: "address-dependent" }));
    const { first, second, again } = observed(lab);
    expect(first).not.toBe(second);
    expect(again).toBe(first);
  });

  test("RFC 4787 §4.1: address-and-port-dependent mapping, one port after the other", async () => {
    await using lab = await buildLab(behind({ ...CONE, mapping: "address-and-port-dependent", ports: "next" }));
    const { first, second, again } = observed(lab);
    const [port = 0, ...others] = [first, second, again].map((each) => Number(each?.split(":")[1]));
    expect(others).toEqual([port + 1, port + 2]);
  });

  test("RFC 4787 §5: endpoint-independent filtering lets anyone answer", async () => {
    await using lab = await buildLab(behind({ ...CONE, filtering: "endpoint-independent" }));
    const { first, second, unasked } = observed(lab);
    expect([first, second]).toEqual(["203.0.113.11:4000", "203.0.113.11:4000"]);
    expect(unasked).toBe(true);
  });

  test("an early packet from outside does not take the port of a mapping to come (hole punching)", async () => {
    await using lab = await buildLab(behind(CONE));
    using loop = openLoop({ engine: "auto", chunkSize: 4096, chunks: 64, log: SILENT });
    const stranger = socketOn(lab, loop, "first", "203.0.113.1", 5000);
    stranger.send("203.0.113.11", 4000);
    turnFor(loop, 50);
    const inner = socketOn(lab, loop, "inner", "192.168.1.10", 4000);
    inner.send("203.0.113.1", 5000);
    turnFor(loop, 100);
    expect(stranger.heard).toEqual(["203.0.113.11:4000"]);
  });
});

/** What two outside hosts see of one inside socket, and whether an unasked port of the first gets through. */
function observed(lab: Lab) {
  using loop = openLoop({ engine: "auto", chunkSize: 4096, chunks: 64, log: SILENT });
  const inner = socketOn(lab, loop, "inner", "192.168.1.10", 4000);
  const first = socketOn(lab, loop, "first", "203.0.113.1", 5000);
  const second = socketOn(lab, loop, "second", "203.0.113.2", 5000);
  const other = socketOn(lab, loop, "first", "203.0.113.1", 5001);
  inner.send("203.0.113.1", 5000);
  inner.send("203.0.113.2", 5000);
  turnFor(loop, 100);
  const [mapped = ""] = first.heard;
  first.send("203.0.113.11", Number(mapped.split(":")[1]));
  other.send("203.0.113.11", Number(mapped.split(":")[1]));
  turnFor(loop, 100);
  expect(inner.heard).toContain("203.0.113.1:5000");
  const unasked = inner.heard.includes("203.0.113.1:5001");
  inner.send("203.0.113.1", 5001);
  turnFor(loop, 100);
  return { first: mapped, second: second.heard[0], again: other.heard[0], unasked };
}

function socketOn(lab: Lab, loop: Loop, host: string, address: string, port: number) {
  const heard: string[] = [];
  const fd = inside(lab.host(host).namespace, () => openUdp({ bind: { ip: ipv4(address), port } }));
  const socket = loop.datagrams(fd, {
    received(_, __, { from }) {
      const sender = decodeInet(from);
      if (sender !== undefined) heard.push(`${formatIp(sender.ip)}:${sender.port}`);
    },
  });
  return {
    heard,
    send: (to: string, toPort: number) =>
      void socket.send(Buffer.from("hello"), encodeInet({ ip: ipv4(to), port: toPort })),
  };
}

function turnFor(loop: Loop, span: number): void {
  loop.wakeAt(after(loop.now(), ms(span)), () => loop.stop());
  loop.run();
}
