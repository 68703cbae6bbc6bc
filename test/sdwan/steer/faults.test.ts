/** What the kernel refuses once, or for one of many: nothing ends by it, and it is made up for. */
import { describe, expect, test } from "vitest";
import { ipv4 } from "../../../base/address.ts";
import { Fault } from "../../../base/fault.ts";
import { SILENT } from "../../../base/log.ts";
import type { Loop } from "../../../netstack/kernel/loop.ts";
import { packetMark } from "../../../netstack/kernel/marks.ts";
import { type Connection, IPS_SRC_NAT, TCP_ALIVE } from "../../../netstack/kernel/netlink/conntrack.ts";
import { openLoop } from "../../../netstack/kernel/open-loop.ts";
import { type Connections, FlowEnds } from "../../../sdwan/steer/driver/flow-ends.ts";
import { HostNames } from "../../../sdwan/steer/driver/host-names.ts";
import type { ClassSpec } from "../../../sdwan/underlay-plan.ts";

const isRoot = process.getuid?.() === 0;

describe.skipIf(!isRoot)("faults (raw sockets need root)", () => {
  test("a connection that the kernel will not forget keeps neither the others nor the process", () => {
    using loop = openLoop({ engine: "epoll", chunks: 16, log: SILENT });
    const later: (() => void)[] = [];
    loop.wakeAt = (_, run) => {
      later.push(run);
      return { [Symbol.dispose]: () => undefined };
    };
    const connections = [tcp(1), tcp(2), udp(3), udp(4)];
    const tried: Connection[] = [];
    const conntrack: Connections = {
      list: () => connections,
      delete(connection) {
        tried.push(connection);
        if ((connection.id ?? 0) % 2 === 1) throw new Fault("NETLINK", { request: "delete", error: "EBUSY" });
        return true;
      },
      setMark: () => true,
      [Symbol.dispose]: () => undefined,
    };
    const failures: string[] = [];
    using flows = new FlowEnds(loop, (why) => failures.push(why), conntrack);
    const ended = flows.end({ values: [1], own: new Set(), inTunnels: () => false, masquerade: true });
    expect(ended.forgotten).toBe(1);
    for (const run of later) run();
    expect(tried.map(({ id }) => id)).toEqual([3, 4, 1, 2]);
    expect(failures).toHaveLength(2);
  });

  test("an ear for DNS that could not be opened is opened when it is tried again", () => {
    using loop = openLoop({ engine: "epoll", chunks: 16, log: SILENT });
    const datagrams = loop.datagrams.bind(loop);
    let opened = 0;
    loop.datagrams = (...args: Parameters<Loop["datagrams"]>) => {
      if (opened++ === 0) throw new Fault("KERNEL_CALL", { call: "socket", errno: "ENOBUFS" });
      return datagrams(...args);
    };
    using names = new HostNames(loop, () => undefined);
    const classes = [{ match: { hosts: ["www.example.com"] } } as unknown as ClassSpec];
    expect(() => names.plan(classes)).toThrow(Fault);
    names.plan(classes);
    names.plan(classes);
    expect(opened).toBe(2);
  });
});

function tcp(id: number): Connection {
  return { ...udp(id), original: tuple(6), tcpState: TCP_ALIVE[0] };
}

function udp(id: number): Connection {
  const original = tuple(17);
  return {
    original,
    reply: original,
    mark: packetMark(1),
    status: IPS_SRC_NAT,
    tcpState: undefined,
    zone: 0,
    id,
    counted: undefined,
  };
}

function tuple(protocol: number): Connection["original"] {
  // Loopback: the nudge of a test goes no further.
  const here = ipv4("127.77.0.1");
  return { source: here, destination: here, protocol, sourcePort: 1000, destinationPort: 2000 };
}
