/** Traversal with tunnels of a model, on the loopback interface: plans that change, ports that are taken, many peers. */
import { describe, expect, test } from "vitest";
import { ipOf } from "../../../../base/address.ts";
import { SILENT } from "../../../../base/log.ts";
import { after, seconds } from "../../../../base/unit.ts";
import type { Loop } from "../../../../netstack/kernel/loop.ts";
import { openLoop } from "../../../../netstack/kernel/open-loop.ts";
import { openUdp } from "../../../../netstack/kernel/sockets.ts";
import { nameOf } from "../../../../netstack/kernel/stream-socket.ts";
import { Traversal } from "../../../../sdwan/nat/driver/traversal.ts";
import type { TunnelView } from "../../../../sdwan/overlay/driver/words.ts";
import type { RendezvousSpec, UnderlayPlan } from "../../../../sdwan/underlay-plan.ts";

describe("traversal", () => {
  test("a rendezvous port that is taken is told once, and a plan without a rendezvous ends the matter", () => {
    using loop = openLoop({ engine: "epoll", chunks: 16, log: SILENT });
    const { port, holder } = taken(loop);
    const { traversal, events } = begin(loop);
    const rendezvous: RendezvousSpec = { local: "127.0.0.1", port, sites: {} };
    traversal.plan(planOf({ rendezvous }));
    traversal.plan(planOf({ rendezvous: { ...rendezvous, sites: { paris: { address: "127.0.0.2", key: "ab" } } } }));
    expect(events).toEqual(["wan.rendezvous-failed"]);
    traversal.plan(planOf({}));
    const [soonest] = waits(loop, () => traversal.tunnelsChanged());
    expect(soonest).toBeGreaterThan(100);
    // Nothing is left of the timer that would have opened it.
    const wakes = waits(loop, () => traversal.rediscover(undefined));
    expect(Math.max(...wakes)).toBeLessThan(5_000);
    traversal[Symbol.dispose]();
    holder[Symbol.dispose]();
  });

  test("other keys and other sites need no other socket, which could not be had while the first one closes", () => {
    using loop = openLoop({ engine: "epoll", chunks: 16, log: SILENT });
    const { port, holder } = taken(loop);
    holder[Symbol.dispose]();
    loop.turn(false);
    const { traversal, events } = begin(loop);
    const paris = (key: string) => ({ paris: { address: "127.0.0.2", key } });
    for (const sites of [paris("ab"), paris("cd"), { ...paris("cd"), oslo: { address: "127.0.0.3", key: "ef" } }])
      traversal.plan(planOf({ rendezvous: { local: "127.0.0.1", port, sites } }));
    expect(events).toEqual([]);
    traversal[Symbol.dispose]();
  });

  test("a port that moved comes back when nobody is reached by it, and not before", () => {
    using loop = openLoop({ engine: "epoll", chunks: 16, log: SILENT });
    const views: TunnelView[] = [viewOf({ listenPort: 40_000, direct: true, found: "birthday" })];
    const { traversal, ports } = begin(loop, views);
    traversal.plan(planOf({ tunnels: TUNNELS }));
    traversal.tunnelsChanged();
    expect(ports).toEqual([]);
    views[0] = viewOf({ listenPort: 40_000, direct: false });
    traversal.tunnelsChanged();
    expect(ports).toEqual([]);
    const now = loop.now();
    loop.now = () => after(now, seconds(31));
    traversal.tunnelsChanged();
    expect(ports).toEqual([["nv-isp1-0", undefined]]);
    views[0] = viewOf({ listenPort: 51_820, direct: false });
    traversal.tunnelsChanged();
    expect(ports).toHaveLength(1);
    traversal[Symbol.dispose]();
  });
});

interface World {
  readonly traversal: Traversal;
  readonly events: string[];
  readonly ports: (readonly [string, number | undefined])[];
}

function begin(loop: Loop, views: readonly TunnelView[] = []): World {
  const events: string[] = [];
  const ports: World["ports"] = [];
  const traversal = new Traversal({
    loop,
    wall: () => 1_795_000_000_000,
    tunnels: {
      views: () => views,
      carriage: () => undefined,
      endpoint: () => undefined,
      listenPort: (ifname, port) => ports.push([ifname, port]),
      look: () => undefined,
    },
    nat: () => undefined,
    event: (name) => events.push(name),
  });
  return { traversal, events, ports };
}

/** Milliseconds to each time at which something wants to be woken by what `act` does. */
function waits(loop: Loop, act: () => void): readonly number[] {
  const found: number[] = [];
  const original = loop.wakeAt.bind(loop);
  loop.wakeAt = (at, run) => {
    found.push(at - loop.now());
    return original(at, run);
  };
  try {
    act();
  } finally {
    loop.wakeAt = original;
  }
  return found;
}

function taken(loop: Loop): { port: number; holder: Disposable } {
  const fd = openUdp({ bind: { ip: ipOf("127.0.0.1"), port: 0 } });
  return { port: nameOf(fd)?.port ?? 0, holder: loop.datagrams(fd, { received: () => undefined }) };
}

function viewOf(part: Partial<TunnelView>): TunnelView {
  return {
    ifname: "nv-isp1-0",
    link: "isp1",
    site: "paris",
    remoteLink: "isp1",
    listenPort: 51_820,
    endpoint: undefined,
    found: undefined,
    via: "direct",
    relay: undefined,
    lastHandshake: undefined,
    direct: false,
    received: 0,
    sent: 0,
    ...part,
  };
}

const TUNNELS: UnderlayPlan["tunnels"] = [
  {
    ifname: "nv-isp1-0",
    link: "isp1",
    listenPort: 51_820,
    mark: 1,
    dscp: 0,
    mtu: undefined,
    peers: [],
  },
];

function planOf(part: Partial<UnderlayPlan>): UnderlayPlan {
  return {
    site: "berlin",
    links: [],
    tunnels: [],
    lanes: [],
    classes: [],
    overlay: [],
    prefixes: [],
    privateKey: "",
    wireguard: "auto",
    stun: { servers: [], interval: 300_000 },
    rendezvous: undefined,
    ...part,
  };
}
