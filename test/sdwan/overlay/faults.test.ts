/** What must not leave a tunnel dead for good: a port that is somebody else's, a kernel that refuses once. */
import { afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { Fault } from "../../../base/fault.ts";
import { SILENT } from "../../../base/log.ts";
import { openLoop } from "../../../netstack/kernel/open-loop.ts";
import { openUdp } from "../../../netstack/kernel/sockets.ts";
import { Host } from "../../../sdwan/overlay/driver/host.ts";
import { TunnelDevice } from "../../../sdwan/overlay/driver/tunnel-device.ts";
import { sweep } from "../../netstack/kernel/segment.ts";
import { Pinging } from "./pinging.ts";
import { overlay, pair, underlay, WITHOUT, World } from "./world.ts";

test("a device whose door could not be opened once is looked at again", () => {
  using loop = openLoop({ engine: "epoll", chunks: 16, log: SILENT });
  let reads = 0;
  const door = {
    engine: "wireguard-go",
    read() {
      reads++;
      throw new Fault("KERNEL_CALL", { call: "socket", errno: "EMFILE" });
    },
    change: () => undefined,
    [Symbol.dispose]: () => undefined,
  };
  const host = {
    choose: () => ({ engine: "wireguard-go", why: "" }),
    find: () => ({ kind: "there", link: { index: 7, up: true }, engine: "wireguard-go", marked: true }),
    isUnsuited: () => false,
    door: () => door,
  } as unknown as Host;
  const spec = { ifname: "nv-x", link: "isp1", listenPort: 1, mark: 0, dscp: 0, mtu: undefined, peers: [] };
  const settings = { spec, site: "a", privateKey: "", overlay: [], wireguard: "auto" } as const;
  const nothing = (): undefined => undefined;
  const parts = { loop, host, wall: Date.now, changed: nothing, event: nothing, resolve: nothing };
  const device = new TunnelDevice(parts, settings, undefined);
  device.look();
  device.look();
  expect(reads).toBe(2);
  device.leave();
});

describe.skipIf(WITHOUT !== undefined)(`tunnels and faults${WITHOUT === undefined ? "" : ` (${WITHOUT})`}`, () => {
  let world: World;
  beforeAll(sweep);
  afterEach(() => world[Symbol.dispose]());

  test("a kernel that does not say what is there, or runs no device, for a moment: said once, with its code, and made up for", async () => {
    world = new World(["a", "b"]);
    const busy = (): never => {
      throw new Fault("NETLINK", { request: "list links", error: "EBUSY" });
    };
    const ours = vi.spyOn(Host.prototype, "ours").mockImplementationOnce(busy);
    const choose = vi.spyOn(Host.prototype, "choose").mockImplementationOnce(busy);
    try {
      for (const name of ["a", "b"]) world.apply(name, world.plan(name));
      await world.until("up", () => world.isUp("a", "b") && world.isUp("b", "a"));
    } finally {
      ours.mockRestore();
      choose.mockRestore();
    }
    expect(world.events("a", "wan.tunnels-refused")).toMatchObject([{ code: "NETLINK", level: "warn" }]);
    expect(world.events("b", "wan.tunnels-refused")).toEqual([]);
  });

  test("a port to move to that is somebody else's: the tunnel goes on with its own", async () => {
    world = await pair();
    const { host, loop, tunnels, ifname } = world.site("a");
    const fd = host.do(() => openUdp({ bind: { ip: underlay(0), port: 40_000 } }));
    using _holder = loop.datagrams(fd, { received: () => undefined });
    host.do(() => tunnels.listenPort(ifname, 40_000));
    const port = (): string => world.wg("a", "show", ifname, "listen-port").trim();
    await world.until("refused", () => world.events("a", "wan.tunnel-refused").length > 0);
    await world.until("its own port again", () => port() === "51820");
    await world.turn(1_200);
    expect(port()).toBe("51820");
    // Its socket is there, too: packets pass.
    world.route("a", "b");
    world.route("b", "a");
    using pinging = new Pinging(world.site("b").host.namespace, overlay(0), 20);
    await world.until("packets", () => pinging.received > 5);
  });
});
