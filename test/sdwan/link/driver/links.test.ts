/** Links of a real host: what its kernel does is what they say. */
import { chmodSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { ipv4, ipv6 } from "../../../../base/address.ts";
import { Fault } from "../../../../base/fault.ts";
import { close, sendto } from "../../../../netstack/kernel/libc.ts";
import type { Loop } from "../../../../netstack/kernel/loop.ts";
import { ADDRESS_PROTOCOL } from "../../../../netstack/kernel/marks.ts";
import { inside } from "../../../../netstack/kernel/namespace.ts";
import { encodeInet } from "../../../../netstack/kernel/sockaddr.ts";
import { openUdp } from "../../../../netstack/kernel/sockets.ts";
import { Interfaces } from "../../../../sdwan/link/driver/interfaces.ts";
import { type LinkFacts, Links } from "../../../../sdwan/link/driver/links.ts";
import type { LinkSpec } from "../../../../sdwan/underlay-plan.ts";
import { open, until } from "../../../netstack/kernel/loop-probe.ts";
import { UNABLE } from "../../../netstack/kernel/segment.ts";
import { Line } from "./line.ts";

const SPEC: LinkSpec = {
  name: "isp1",
  ifname: "wan",
  mark: 1,
  table: 11_001,
  gateway4: "auto",
  gateway6: "auto",
  masquerade: true,
  publicIp: undefined,
  mtu: undefined,
  quota: undefined,
  bandwidthTest: undefined,
};
const UDHCPC = ["/usr/bin/busybox", "/bin/busybox"].find(existsSync);
const DNSMASQ = existsSync("/usr/sbin/dnsmasq");

describe.skipIf(UNABLE !== undefined)("links of a host", () => {
  let line: Line;
  let loop: Loop;
  let links: Links;
  let facts: LinkFacts | undefined;
  const events: string[] = [];
  const roamed: string[] = [];
  beforeEach(() => {
    line = new Line();
    loop = inside(line.here, () => open("epoll"));
    facts = undefined;
    events.length = 0;
    roamed.length = 0;
    links = born();
  });
  afterEach(() => {
    links[Symbol.dispose]();
    loop[Symbol.dispose]();
    line[Symbol.dispose]();
  });

  const born = (): Links =>
    new Links({
      loop,
      wall: () => Date.now(),
      memoryFile: join(line.directory, "links.json"),
      on: {
        changed: (now) => (facts = now),
        gone: (name) => events.push(`gone ${name}`),
        roamed: (name) => roamed.push(name),
        pathMtu: () => undefined,
        event: (name) => events.push(name),
      },
    });
  const plan = (...specs: readonly Partial<LinkSpec>[]): void =>
    inside(line.here, () => links.plan(specs.map((spec) => ({ ...SPEC, ...spec }))));
  const state = (): string => `${facts?.state}: ${facts?.why}`;
  const becomes = (what: string, done: () => boolean): void =>
    // Sockets that are opened on the way belong to this host.
    inside(line.here, () => until(loop, what, done));

  test("a kernel that does not answer once: what was seen last stands, and it is asked again", () => {
    line.connect();
    plan({});
    becomes("up", () => facts?.state === "up");
    const see = vi.spyOn(Interfaces.prototype, "see").mockImplementationOnce(() => {
      throw new Fault("NETLINK", { request: "find a link", error: "ENOBUFS" });
    });
    try {
      line.ip(line.here, "address add 192.0.2.77/24 dev wan");
      becomes("asked in vain", () => events.includes("wan.links-unread"));
      expect(facts?.state).toBe("up");
      becomes("seen after all", () => facts?.addresses.includes("192.0.2.77") === true);
    } finally {
      see.mockRestore();
    }
    expect(events.filter((each) => each === "wan.links-unread")).toHaveLength(1);
  });

  test("as it is found, without waiting", () => {
    line.connect();
    plan({});
    expect(facts).toMatchObject({
      name: "isp1",
      state: "up",
      carrier: true,
      addresses: ["192.0.2.10"],
      gateway4: "192.0.2.1",
      gateway6: undefined,
      mtu: 1500,
      quotaSpent: false,
    });
    expect(events).toEqual(["wan.link-up"]);
    const since = facts?.since;
    links[Symbol.dispose]();
    links = born();
    plan({});
    expect([facts?.state, facts?.since, events.length]).toEqual(["up", since, 1]);
    links[Symbol.dispose]();
    line.ip(line.here, "link set wan down");
    links = born();
    plan({});
    expect(events).toEqual(["wan.link-up", "wan.link-down"]);
    expect(facts?.since).not.toBe(since);
  });

  test("a cut cable, and its return; switched off, and on; unplugged for good, and replaced", () => {
    line.connect();
    plan({});
    line.ip(line.router, "link set lan down");
    becomes("no carrier", () => state() === "down: no carrier");
    line.ip(line.router, "link set lan up");
    becomes("up", () => facts?.state === "up");
    line.ip(line.here, "link set wan down");
    becomes("off", () => state() === "down: wan is switched off");
    // The kernel has dropped the routes with it, without a word about each.
    expect(facts?.gateway4).toBeUndefined();
    line.ip(line.here, "link set wan up");
    becomes("no gateway", () => state() === "down: no gateway: the main table has no default route by wan");
    line.ip(line.here, "link delete wan");
    becomes("gone", () => state() === "down: no interface wan");
    line.cable();
    line.ip(line.router, "link set lan up", "address add 192.0.2.1/24 dev lan");
    line.connect();
    becomes("replaced", () => facts?.state !== "down");
    expect(facts?.gateway4).toBe("192.0.2.1");
  });

  test("another address, another gateway, a better one, none", () => {
    line.connect();
    plan({});
    line.ip(line.here, "address add 192.0.2.77/24 dev wan", "address delete 192.0.2.10/24 dev wan");
    line.ip(
      line.here,
      "address add 192.0.2.77/24 dev wan",
      "route replace default via 192.0.2.1 proto dhcp metric 100",
    );
    becomes("another address", () => facts?.addresses.join() === "192.0.2.77");
    expect(roamed).toContain("isp1");
    line.ip(line.here, "route add default via 192.0.2.3 metric 50");
    becomes("a better one", () => facts?.gateway4 === "192.0.2.3");
    line.ip(line.here, "route change default via 192.0.2.4 metric 50");
    becomes("moved", () => facts?.gateway4 === "192.0.2.4");
    line.ip(line.here, "route delete default metric 50");
    becomes("back", () => facts?.gateway4 === "192.0.2.1");
    line.ip(line.here, "route delete default");
    becomes("none", () => state().startsWith("down: no gateway"));
    plan({ gateway4: "192.0.2.1" });
    expect(state()).toBe("up: carrier, address and gateway");
  });

  test("a default route that went to another interface is this one's no more", () => {
    line.connect();
    line.ip(
      line.here,
      "link add veth8 type veth peer name veth9",
      "link set veth8 up",
      "address add 10.9.9.1/24 dev veth8",
    );
    plan({});
    line.ip(line.here, "route replace default via 10.9.9.2 proto dhcp metric 100");
    becomes("gone", () => facts?.gateway4 === undefined);
  });

  test("one default route over both providers; next hops that are objects of their own, and change", () => {
    line.connect();
    line.ip(line.here, "route delete default", "link add wan2 type veth peer name veth9", "link set veth9 up");
    line.ip(line.here, "link set wan2 up", "address add 10.9.9.1/24 dev wan2");
    line.ip(line.here, "route add default nexthop via 192.0.2.1 dev wan nexthop via 10.9.9.2 dev wan2");
    plan({}, { name: "isp2", ifname: "wan2" });
    const gateways = (): readonly (string | undefined)[] => links.facts().map(({ gateway4 }) => gateway4);
    expect(gateways()).toEqual(["192.0.2.1", "10.9.9.2"]);
    line.ip(line.here, "nexthop add id 7 via 192.0.2.3 dev wan", "route replace default nhid 7");
    becomes("an object", () => gateways().join() === "192.0.2.3,");
    line.ip(line.here, "nexthop replace id 7 via 192.0.2.4 dev wan");
    becomes("another one", () => gateways().join() === "192.0.2.4,");
    line.ip(line.here, "nexthop replace id 7 via 10.9.9.3 dev wan2");
    becomes("the other link's", () => gateways().join() === ",10.9.9.3");
  });

  test("a virtual IP of ours and an address of RFC 3927 are no sources", () => {
    line.ip(line.here, "link set wan up", "address add 169.254.7.7/16 dev wan");
    const index = line.route.indexOf("wan");
    line.route.addAddress({ ip: ipv4("192.0.2.50"), prefixLength: 32, index, protocol: ADDRESS_PROTOCOL });
    line.carrier();
    plan({});
    expect(state()).toBe("down: no address");
  });

  test("forgotten when the plan names it no more; another interface is another link", () => {
    line.connect();
    plan({}, { name: "isp2", ifname: "nowhere" });
    plan({ ifname: "lo" });
    expect(events).toContain("gone isp2");
    expect(facts).toMatchObject({ name: "isp1", ifname: "lo" });
  });

  test.skipIf(UDHCPC === undefined || !DNSMASQ)(
    "DHCP: address and gateway come, and change with the server's mind",
    () => {
      const script = join(line.directory, "script");
      writeFileSync(
        script,
        `#!/bin/sh
[ "$1" = bound ] || [ "$1" = renew ] || exit 0
ip address flush dev wan scope global
ip address add $ip/24 dev wan
ip route replace default via $router dev wan proto dhcp
`,
      );
      chmodSync(script, 0o755);
      line.ip(line.here, "link set wan up");
      line.carrier();
      plan({});
      const serve = (from: string, router: string): (() => void) => {
        const common = [
          "-k",
          "--port=0",
          "--no-ping",
          "--interface=lan",
          "--bind-interfaces",
          "--leasefile-ro",
          "-C",
          "/dev/null",
        ];
        const range = `--dhcp-range=${from},${from},255.255.255.0,120`;
        const server = line.start(line.router, "/usr/sbin/dnsmasq", ...common, range, `--dhcp-option=3,${router}`);
        return () => server.kill("SIGKILL");
      };
      const ask = (): (() => void) => {
        const client = line.start(
          line.here,
          UDHCPC ?? "",
          "udhcpc",
          "-f",
          "-i",
          "wan",
          "-t",
          "50",
          "-T",
          "1",
          "-s",
          script,
        );
        return () => client.kill("SIGKILL");
      };
      const first = serve("192.0.2.100", "192.0.2.1");
      const asking = ask();
      becomes("bound", () => facts?.state === "up");
      expect(facts).toMatchObject({ addresses: ["192.0.2.100"], gateway4: "192.0.2.1" });
      asking();
      first();
      serve("192.0.2.200", "192.0.2.2");
      ask();
      becomes("bound elsewhere", () => facts?.addresses.join() === "192.0.2.200" && facts.gateway4 === "192.0.2.2");
      expect(roamed.length).toBeGreaterThan(0);
    },
  );

  test.skipIf(!DNSMASQ)("RFC 4861 §6.3: a router advertises itself", () => {
    inside(line.here, () => writeFileSync("/proc/sys/net/ipv6/conf/wan/accept_ra", "2"));
    line.ip(line.here, "link set wan up");
    line.carrier();
    plan({});
    const advertise = ["--enable-ra", "--dhcp-range=2001:db8:1::,ra-only,64,10m", "--ra-param=lan,4,600"];
    line.start(line.router, "/usr/sbin/dnsmasq", "-k", "--port=0", "--interface=lan", "-C", "/dev/null", ...advertise);
    becomes("advertised", () => facts?.gateway6 !== undefined);
    expect(facts?.state).toBe("up");
    expect(facts?.gateway6).toMatch(/^fe80::/);
    expect(facts?.addresses[0]).toMatch(/^2001:db8:1:/);
  });

  describe("path MTU", () => {
    const server4 = ipv4("198.51.100.9");
    const server6 = ipv6("2001:db8:2::9");
    const narrow = (mtu: number): void => {
      line.ip(line.router, `link set net mtu ${mtu}`);
      line.ip(line.server, `link set e0 mtu ${mtu}`);
    };
    const aim = (...targets: readonly (typeof server4 | typeof server6)[]): void =>
      inside(line.here, () => links.targets(new Map([["isp1", targets]])));

    test("a narrow place beyond the router that tells of it", () => {
      line.connect();
      line.ip(line.here, "-6 address add 2001:db8:1::10/64 dev wan", "-6 route add default via 2001:db8:1::1");
      narrow(1437);
      plan({});
      aim(server4, server6);
      becomes("found", () => links.pathMtu("isp1", server4) === 1437 && links.pathMtu("isp1", server6) === 1437);
      expect(facts?.mtu).toBe(1437);
      expect(events).toContain("wan.link-mtu");
    });

    test("what was found stands in the next life, until that knows better; another interface knows nothing", () => {
      line.connect();
      narrow(1437);
      plan({});
      aim(server4);
      becomes("found", () => facts?.mtu === 1437);
      links[Symbol.dispose]();
      links = born();
      plan({});
      expect(facts?.mtu).toBe(1437);
      aim(server4);
      expect(links.pathMtu("isp1", server4)).toBe(1437);
      narrow(1500);
      links[Symbol.dispose]();
      links = born();
      plan({});
      aim(server4);
      becomes("raised", () => facts?.mtu === 1500);
    });

    test("the widest of many is the link's own", () => {
      line.connect();
      narrow(1400);
      plan({});
      aim(server4, ipv4("192.0.2.1"));
      becomes(
        "found",
        () => links.pathMtu("isp1", server4) === 1400 && links.pathMtu("isp1", ipv4("192.0.2.1")) === 1500,
      );
      expect(facts?.mtu).toBe(1500);
    });

    test("one that says nothing takes longer", () => {
      line.connect();
      narrow(1492);
      line.nft(
        line.router,
        "table ip t {\n chain o {\n type filter hook output priority 0;\n icmp type destination-unreachable drop\n }\n }\n",
      );
      plan({});
      aim(server4);
      becomes("found", () => links.pathMtu("isp1", server4) === 1492);
    });
  });

  test("usage goes on where the last life, or the last boot, left it; a quota is spent", () => {
    line.connect();
    plan({ quota: { octets: 100_000, resetDay: 1 } });
    const send = (octets: number): void =>
      inside(line.here, () => {
        const fd = openUdp({ bind: { ip: ipv4("192.0.2.10"), port: 0 } });
        const to = encodeInet({ ip: ipv4("192.0.2.1"), port: 9 });
        for (let left = octets; left > 0; left -= 1000) sendto(fd, new Uint8Array(1000), 1000, 0, to, to.length);
        close(fd);
      });
    send(50_000);
    plan({ quota: { octets: 100_001, resetDay: 1 } });
    const used = facts?.used ?? 0;
    expect(used).toBeGreaterThanOrEqual(50_000);
    expect(facts?.quotaSpent).toBe(false);
    links[Symbol.dispose]();
    // Another boot: its counters began at zero, and all that they say came after what is in the file.
    const file = join(line.directory, "links.json");
    const kept = readFileSync(file, "utf8");
    writeFileSync(file, kept.replace(/"counter":"[^"]*"/, '"counter":"another 1"'));
    send(60_000);
    links = born();
    plan({ quota: { octets: 100_000, resetDay: 1 } });
    expect(facts?.used).toBeGreaterThanOrEqual(2 * 50_000 + 60_000);
    expect(facts?.quotaSpent).toBe(true);
    expect(events).toContain("wan.quota-spent");
    links[Symbol.dispose]();
    writeFileSync(file, "{");
    links = born();
    plan({});
    expect(events).toContain("wan.memory-unreadable");
    expect(readFileSync(`${file}.unreadable`, "utf8")).toBe("{");
  });
});
