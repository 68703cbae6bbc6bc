/** Bandwidth of a shaped line between two of our hosts; the tunnel is the line itself here. */
import { createHmac } from "node:crypto";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { ipv4 } from "../../../../base/address.ts";
import { after, ms } from "../../../../base/unit.ts";
import type { Loop } from "../../../../netstack/kernel/loop.ts";
import { inside } from "../../../../netstack/kernel/namespace.ts";
import { encodeInet } from "../../../../netstack/kernel/sockaddr.ts";
import { openUdp } from "../../../../netstack/kernel/sockets.ts";
import { Bandwidth, type BandwidthDevice, type BandwidthPlan } from "../../../../sdwan/link/driver/bandwidth.ts";
import { encodeTrain } from "../../../../sdwan/link/train.ts";
import { open, until } from "../../../netstack/kernel/loop-probe.ts";
import { UNABLE } from "../../../netstack/kernel/segment.ts";
import { Line } from "./line.ts";

const PORT = 7001;
const KEY = "11".repeat(32);
const A = "192.0.2.10";
const B = "198.51.100.9";

describe.skipIf(UNABLE !== undefined)("bandwidth by trains", () => {
  let line: Line;
  let loop: Loop;
  const parts: Bandwidth[] = [];
  const events: string[] = [];
  let found: { readonly up: number; readonly down: number | undefined } | undefined;
  beforeEach(() => {
    line = new Line();
    line.connect();
    loop = inside(line.here, () => open("epoll", { chunkSize: 4096, chunks: 256 }));
    events.length = 0;
    found = undefined;
  });
  afterEach(() => {
    for (const part of parts.splice(0)) part[Symbol.dispose]();
    loop[Symbol.dispose]();
    line[Symbol.dispose]();
  });

  const measured = () => found;

  const born = (): Bandwidth => {
    const part = new Bandwidth(loop, {
      measured: (_, bits) => (found = bits),
      event: (name, { why }) => events.push(typeof why === "string" ? `${name} ${why}` : name),
    });
    parts.push(part);
    return part;
  };
  const planOf = (local: string, other: string, key = KEY): BandwidthPlan => ({
    local,
    port: PORT,
    sites: { far: { address: other, key } },
  });
  const device = (ifname: string, sites: readonly string[]): BandwidthDevice => ({
    ifname,
    link: "isp1",
    mtu: 1500,
    // Of the Ethernet header alone, which the shaper counts.
    overhead: 14,
    sites,
  });
  const both = (key = KEY): Bandwidth => {
    const near = born();
    const far = born();
    inside(line.here, () => near.plan(planOf(A, B), [device("wan", ["far"])]));
    inside(line.server, () => far.plan(planOf(B, A, key), [device("e0", [])]));
    return near;
  };
  const shape = (namespace: string, ifname: string, rate: string): void =>
    inside(namespace, () =>
      line.run("tc", "qdisc", "add", "dev", ifname, "root", "tbf", "rate", rate, "burst", "5kb", "latency", "200ms"),
    );

  test("up and down, each as the line has it", () => {
    shape(line.router, "net", "20mbit");
    shape(line.router, "lan", "50mbit");
    const near = both();
    // A machine that has no time for it finds less than there is; it never finds more.
    let [up, down] = [0, 0];
    for (let tries = 0; tries < 8 && (up < 19e6 || down < 47.5e6); tries++) {
      found = undefined;
      expect(near.measure("isp1")).toBeUndefined();
      expect(near.measure("isp1")).toBe("a measurement is under way");
      until(loop, "measured", () => found !== undefined || events.at(-1)?.startsWith("wan.bandwidth-failed") === true);
      const bits = measured();
      up = Math.max(up, bits?.up ?? 0);
      down = Math.max(down, bits?.down ?? 0);
    }
    expect(up / 20e6).toBeCloseTo(1, 1);
    expect(down / 50e6).toBeCloseTo(1, 1);
    expect(events.at(-1)).toBe("wan.bandwidth-measured");
  });

  test("several links take turns", () => {
    const near = born();
    const far = born();
    line.ip(line.here, "link add wan2 type veth peer name veth9", "link set wan2 up", "link set veth9 up");
    inside(line.server, () => far.plan(planOf(B, A), [device("e0", [])]));
    inside(line.here, () =>
      near.plan(planOf(A, B), [device("wan", ["far"]), { ...device("wan2", ["far"]), link: "isp2" }]),
    );
    expect([near.measure("isp1"), near.measure("isp2"), near.measure("isp2")]).toEqual([
      undefined,
      undefined,
      "a measurement is under way",
    ]);
    expect(events).toEqual(["wan.bandwidth-test"]);
    until(loop, "the second begins", () => events.length === 3);
    expect(events).toEqual(["wan.bandwidth-test", "wan.bandwidth-measured", "wan.bandwidth-test"]);
  });

  test("nobody to measure with; a device that goes meanwhile", () => {
    const near = born();
    inside(line.here, () => near.plan(planOf(A, B), [device("wan", [])]));
    expect(near.measure("isp1")).toBe("no tunnel of this link is up");
    inside(line.here, () => near.plan(planOf(A, B), [device("wan", ["far"])]));
    expect(near.measure("isp1")).toBeUndefined();
    // The same name, and another interface.
    line.ip(line.here, "link delete wan");
    line.cable();
    inside(line.here, () => near.plan(planOf(A, B), [device("wan", ["far"])]));
    expect(events.at(-1)).toBe("wan.bandwidth-failed the tunnel changed");
  });

  /** Turns for so many milliseconds. */
  const pass = (span: number): void => {
    const end = after(loop.now(), ms(span));
    using _alarm = loop.wakeAt(end, () => undefined);
    while (loop.now() < end) loop.turn(true);
  };

  test("with another key nothing is measured", () => {
    const near = both("22".repeat(32));
    expect(near.measure("isp1")).toBeUndefined();
    pass(1000);
    expect(found).toBeUndefined();
  });

  test("a request is answered once, and only one that was made by our peer", () => {
    const far = born();
    inside(line.server, () => far.plan(planOf(B, A), [device("e0", [])]));
    const secret = createHmac("sha256", Buffer.from(KEY, "hex")).update("novaedge bandwidth").digest();
    const sign = (octets: Uint8Array): Uint8Array => createHmac("sha256", secret).update(octets).digest();
    const ask = { kind: "ask", train: 7n, count: 60, size: 1352, stamp: 5n } as const;
    let wagons = 0;
    const fd = inside(line.here, () => openUdp({ bind: { ip: ipv4(A), port: PORT }, receiveBuffer: 1 << 20 }));
    using socket = loop.datagrams(fd, { received: () => wagons++ });
    const to = encodeInet({ ip: ipv4(B), port: PORT });
    socket.send(
      encodeTrain(ask, (octets) => createHmac("sha256", "wrong").update(octets).digest()),
      to,
    );
    pass(200);
    expect(wagons).toBe(0);
    for (let times = 0; times < 3; times++) socket.send(encodeTrain(ask, sign), to);
    until(loop, "a train", () => wagons === 60);
    socket.send(encodeTrain({ ...ask, train: 8n, stamp: 4n }, sign), to);
    pass(200);
    expect(wagons).toBe(60);
  });
});
