/**
 * Every accepted field of links, policies, sites and `sdwan` does something: each leaf of the schemas is changed to a value
 * that is written here, and what the wan process or pulse is told must change with it.
 */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { documentSchema } from "../../resources/kinds.ts";
import type { Kind } from "../../resources/names.ts";
import { sdwanSettings } from "../../resources/sdwan.ts";
import { link, linkReport, policy, remote, tokensOf, tunnelReports, wanted } from "./desired/wan-world.ts";
import { at, leaves, type Path, places, replaced } from "./leaves.ts";
import type { Document } from "./world.ts";

/** Shown to people, and labels of metrics: test/cli and metrics.test.ts have them. */
const SHOWN = new Set([
  "metadata.labels.*",
  "metadata.annotations.*",
  "metadata.namespace",
  "spec.provider",
  "spec.region",
  "spec.zone",
  "spec.labels.*",
]);
/** A document of its own is named by its fields; its name is what `get` and findings say. */
const NAMED = new Set(["NovaEdgeRemoteCluster metadata.name"]);

const SLA = { maxLatency: "80ms", maxJitter: "20ms", maxPacketLoss: "1%" };
const DOCUMENTS: readonly Document[] = [
  link("berlin", "isp1", {
    cost: 50,
    tariff: 2,
    sla: SLA,
    tunnelEndpoint: { publicIP: "203.0.113.11", port: 53_000 },
    role: "loadbalance",
    weight: 200,
    gateway: "192.0.2.1",
    gateway6: "2001:db8::1",
    masquerade: true,
    routedPrefixes: ["2001:db8:7::/48"],
    mtu: 1500,
    quota: { size: "20G", resetDay: 3 },
    reservedFor: ["voice"],
    probe: { kind: "icmp", targets: ["198.51.100.53"], interval: "1s", deadAfter: 4 },
    bandwidthTest: { schedule: "30 3 * * 0", window: "02:00-04:00" },
  }),
  link("berlin", "isp2", {
    role: "loadbalance",
    metered: false,
    probe: { kind: "tcp", targets: ["198.51.100.53:443"], interval: "2s", deadAfter: 3 },
  }),
  link("berlin", "isp3", {
    role: "backup",
    probe: { kind: "http", targets: ["http://198.51.100.53/up"], interval: "2s", deadAfter: 3 },
  }),
  link("madrid", "isp1", { tunnelEndpoint: { publicIP: "203.0.113.21", port: 54_000 } }),
  remote(
    "madrid",
    {
      relay: "oslo",
      wireGuard: {
        publicKey: "1mbJ0Yw6BP9UdQtMqyJcKr8xYbbxmjGuzyTnF09eC3I=",
        nextPublicKey: "3p7bfXt9wbTTW2HC7OQ1Nz+DQ8hbeGdNrfx+FG+IK08=",
        presharedKeyFile: "/s/one",
        allowedIPs: ["10.2.0.0/16"],
        persistentKeepalive: 25,
      },
    },
    { paused: false },
  ),
  remote("oslo", {
    relayEndpoint: "203.0.113.21:54000",
    wireGuard: {
      publicKey: "3p7bfXt9wbTTW2HC7OQ1Nz+DQ8hbeGdNrfx+FG+IK08=",
      endpoint: "203.0.113.99",
      listenPort: 55_000,
    },
  }),
  {
    ...remote("oslo", { via: "madrid" }),
    metadata: { name: "wien" },
    spec: {
      ...remote("oslo", { via: "madrid" }).spec,
      clusterName: "wien",
      overlayCIDR: "10.255.9.0/24",
      connection: {
        tunnel: { via: "madrid", wireGuard: { publicKey: "3p7bfXt9wbTTW2HC7OQ1Nz+DQ8hbeGdNrfx+FG+IK08=" } },
      },
    },
  },
  policy(
    "voice",
    {
      failover: true,
      dscpClass: "EF",
      sla: { class: "voice", maxLatency: "150ms", maxJitter: "30ms", maxPacketLoss: "1%", minMOS: 4 },
      links: ["isp1", "isp2"],
      breakout: "local",
      killSwitch: false,
      balance: true,
      lossShield: { aboveLoss: "1%", metered: false },
    },
    {
      priority: 50,
      match: {
        hosts: ["www.example.com"],
        sources: ["10.1.0.0/24"],
        destinations: ["10.2.0.0/24"],
        protocols: ["udp"],
        ports: ["5060-5090"],
        dscp: ["EF"],
        interfaces: ["lan0"],
      },
    },
  ),
  policy("own", { sla: { class: "video" } }, { priority: 40, match: { users: ["backup"] } }),
  policy("api", {}, { priority: 30, match: { paths: ["/api"], headers: { "X-Tenant": "blue" } } }),
  {
    kind: "ProxyGateway",
    metadata: { name: "web" },
    spec: { listeners: [{ name: "web", port: 80, protocol: "HTTP" }] },
  },
];
/** A directory that every site reads: each is described, its own reader too. */
const MESH: readonly Document[] = [
  link("berlin", "isp1"),
  link("berlin", "isp2", { metered: true }),
  link("madrid", "isp1"),
  remote("madrid"),
  remote("oslo"),
  {
    ...remote("oslo"),
    metadata: { name: "berlin" },
    spec: {
      ...remote("oslo").spec,
      clusterName: "berlin",
      overlayCIDR: "10.255.50.0/24",
      connection: { tunnel: { wireGuard: { publicKey: "3p7bfXt9wbTTW2HC7OQ1Nz+DQ8hbeGdNrfx+FG+IK08=" } } },
    },
  },
  policy("voice", { dscpClass: "EF" }),
];
const SDWAN = {
  site: "berlin",
  overlayCIDR: "10.255.1.0/24",
  prefixes: ["10.1.0.0/16"],
  privateKeyFile: "/k",
  wireguard: "auto",
  onStop: "keep",
  outerDSCP: true,
  topology: { kind: "full-mesh", hubs: ["oslo"] },
  stun: { servers: ["192.0.2.9:3478"], interval: "5m" },
  rendezvousPort: 9478,
  probe: {
    port: 862,
    interval: "100ms",
    inDoubt: "50ms",
    metered: "1s",
    deadAfter: 3,
    alpha: 0.3,
    bytesPerHour: "10Mi",
    meteredBytesPerHour: "1Mi",
  },
  bfd: { enabled: true, interval: "50ms", multiplier: 3 },
  hold: {
    bad: 3,
    of: 5,
    recover: "30s",
    marginPercent: 10,
    marginLatency: "5ms",
    marginLoss: 1,
    evaluations: 3,
    rest: "8s",
    mostRest: "10m",
  },
};

/** What each leaf is changed to. */
const OTHERS: Readonly<Record<string, readonly unknown[]>> = {
  "ProxyWANLink metadata.name": ["isp9"],
  "ProxyWANLink spec.site": ["madrid"],
  "ProxyWANLink spec.interface": ["wan8"],
  "ProxyWANLink spec.bandwidth": ["10Mbps"],
  "ProxyWANLink spec.cost": [51],
  "ProxyWANLink spec.tariff": [3],
  "ProxyWANLink spec.sla.maxLatency": ["10ms"],
  "ProxyWANLink spec.sla.maxJitter": ["1ms"],
  "ProxyWANLink spec.sla.maxPacketLoss": ["0.1%"],
  "ProxyWANLink spec.tunnelEndpoint.publicIP": ["203.0.113.77"],
  "ProxyWANLink spec.tunnelEndpoint.port": [57_000],
  "ProxyWANLink spec.role": ["backup"],
  "ProxyWANLink spec.weight": [300],
  "ProxyWANLink spec.gateway": ["192.0.2.9", "auto"],
  "ProxyWANLink spec.gateway6": ["none"],
  "ProxyWANLink spec.masquerade": [false, "ipv4"],
  "ProxyWANLink spec.routedPrefixes[]": ["2001:db8:8::/48"],
  "ProxyWANLink spec.mtu": [1400],
  "ProxyWANLink spec.metered": [true],
  "ProxyWANLink spec.quota.size": ["30G"],
  "ProxyWANLink spec.quota.resetDay": [4],
  "ProxyWANLink spec.reservedFor[]": ["own"],
  "ProxyWANLink spec.probe.targets[]": ["198.51.100.54"],
  "ProxyWANLink spec.probe.interval": ["3s"],
  "ProxyWANLink spec.probe.deadAfter": [5],
  "ProxyWANLink spec.bandwidthTest.schedule": ["0 4 * * *"],
  "ProxyWANLink spec.bandwidthTest.window": ["01:00-02:00"],
  "ProxyWANPolicy metadata.name": ["speech"],
  "ProxyWANPolicy spec.match.hosts[]": ["*.example.org"],
  "ProxyWANPolicy spec.match.paths[]": ["/images"],
  "ProxyWANPolicy spec.match.headers.*": ["red"],
  "ProxyWANPolicy spec.match.sources[]": ["10.1.1.0/24"],
  "ProxyWANPolicy spec.match.destinations[]": ["10.2.1.0/24"],
  "ProxyWANPolicy spec.match.protocols[]": ["tcp", 17],
  "ProxyWANPolicy spec.match.ports[]": [5060],
  "ProxyWANPolicy spec.match.dscp[]": ["AF41"],
  "ProxyWANPolicy spec.match.interfaces[]": ["lan1"],
  "ProxyWANPolicy spec.match.users[]": [1000],
  "ProxyWANPolicy spec.pathSelection.strategy": ["most-reliable"],
  "ProxyWANPolicy spec.pathSelection.failover": [false],
  "ProxyWANPolicy spec.pathSelection.dscpClass": ["AF41"],
  "ProxyWANPolicy spec.pathSelection.sla.class": ["bulk"],
  "ProxyWANPolicy spec.pathSelection.sla.maxLatency": ["10ms"],
  "ProxyWANPolicy spec.pathSelection.sla.maxJitter": ["10ms"],
  "ProxyWANPolicy spec.pathSelection.sla.maxPacketLoss": ["0.5%"],
  "ProxyWANPolicy spec.pathSelection.sla.minMOS": [3],
  "ProxyWANPolicy spec.pathSelection.links[]": ["isp3"],
  "ProxyWANPolicy spec.pathSelection.breakout": ["none"],
  "ProxyWANPolicy spec.pathSelection.killSwitch": [true],
  "ProxyWANPolicy spec.pathSelection.balance": [false],
  "ProxyWANPolicy spec.pathSelection.lossShield.aboveLoss": ["3%"],
  "ProxyWANPolicy spec.pathSelection.lossShield.metered": [true],
  "ProxyWANPolicy spec.priority": [10],
  "NovaEdgeRemoteCluster spec.clusterName": ["linz"],
  "NovaEdgeRemoteCluster spec.connection.tunnel.relay": ["wien", "madrid"],
  "NovaEdgeRemoteCluster spec.connection.tunnel.relayEndpoint": ["203.0.113.99"],
  "NovaEdgeRemoteCluster spec.connection.tunnel.via": ["oslo"],
  "NovaEdgeRemoteCluster spec.connection.tunnel.wireGuard.publicKey": ["3p7bfXt9wbTTW2HC7OQ1Nz+DQ8hbeGdNrfx+FG+IK08="],
  "NovaEdgeRemoteCluster spec.connection.tunnel.wireGuard.nextPublicKey": [
    "1mbJ0Yw6BP9UdQtMqyJcKr8xYbbxmjGuzyTnF09eC3I=",
  ],
  "NovaEdgeRemoteCluster spec.connection.tunnel.wireGuard.presharedKeyFile": ["/s/two"],
  "NovaEdgeRemoteCluster spec.connection.tunnel.wireGuard.endpoint": ["vpn.example.com:5000"],
  "NovaEdgeRemoteCluster spec.connection.tunnel.wireGuard.allowedIPs[]": ["10.22.0.0/16"],
  "NovaEdgeRemoteCluster spec.connection.tunnel.wireGuard.persistentKeepalive": [10],
  "NovaEdgeRemoteCluster spec.connection.tunnel.wireGuard.listenPort": [55_555],
  "NovaEdgeRemoteCluster spec.overlayCIDR": ["10.255.99.0/24"],
  "NovaEdgeRemoteCluster spec.paused": [true],
  site: ["madrid"],
  overlayCIDR: ["10.255.100.0/24"],
  "prefixes[]": ["10.111.0.0/16"],
  wireguard: ["userspace"],
  outerDSCP: [false],
  "topology.kind": ["hub-and-spoke"],
  "topology.hubs[]": ["wien", "madrid"],
  "stun.servers[]": ["192.0.2.10:3478"],
  "stun.interval": ["1m"],
  rendezvousPort: [9479],
  "probe.port": [863],
  "probe.interval": ["200ms"],
  "probe.inDoubt": ["20ms"],
  "probe.metered": ["2s"],
  "probe.deadAfter": [4],
  "probe.alpha": [0.5],
  "probe.bytesPerHour": ["11Mi"],
  "probe.meteredBytesPerHour": ["2Mi"],
  "bfd.enabled": [false],
  "bfd.interval": ["60ms"],
  "bfd.multiplier": [4],
  "hold.bad": [4],
  "hold.of": [6],
  "hold.recover": ["31s"],
  "hold.marginPercent": [11],
  "hold.marginLatency": ["6ms"],
  "hold.marginLoss": [2],
  "hold.evaluations": [4],
  "hold.rest": ["9s"],
  "hold.mostRest": ["11m"],
};
/** `READ` says where the daemon reads it, beside plans. */
const READ: Readonly<Record<string, readonly [string, RegExp]>> = {
  privateKeyFile: ["daemon/desired/wan-facts.ts", /sdwan\.privateKeyFile/],
  onStop: ["daemon/control.ts", /sdwan\.onStop === "keep"/],
};

/** What the two processes are told; undefined where the configuration is refused. */
function shown(documents: readonly Document[], sdwan: object): string | undefined {
  const links = ["isp1", "isp2", "isp3"].map((name) => linkReport(name));
  const tunnels = tunnelReports(
    { ifname: "nv-isp1-0", link: "isp1" },
    { ifname: "nv-isp2-0", link: "isp2" },
    { ifname: "nv-isp3-0", link: "isp3" },
    { ifname: "nv-isp3-0", link: "isp3", site: "oslo" },
  );
  try {
    const facts = { links: new Map(links.map((each) => [each.name, each])), tunnels };
    const { wish, marks } = wanted({ documents, settings: { sdwan }, facts });
    const told = [wish.plan?.underlay, wish.plan?.steer, wish.bfd, wish.conditions, marks];
    const proxied = tokensOf(wish);
    if (proxied.size === 0) return JSON.stringify(told);
    // The rules are in the kernel: now the data plane is told.
    const { classes } = wanted({ documents, settings: { sdwan }, facts: { ...facts, proxied } }).wish;
    return JSON.stringify([...told, classes]);
  } catch (error) {
    if (error instanceof TypeError && error.message.includes("error: ")) return undefined;
    throw error;
  }
}
const BEFORE = shown(DOCUMENTS, SDWAN);
const BEFORE_MESH = shown(MESH, SDWAN);

function works(
  value: object,
  leaf: string,
  others: readonly unknown[],
  after: (changed: object) => string | undefined,
  before = BEFORE,
): boolean {
  return places(value, leaf).some((path: Path) =>
    others.some((other) => {
      if (JSON.stringify(at(value, path)) === JSON.stringify(other)) return false;
      const next = after(replaced(value, path, other) as object);
      return next !== undefined && next !== before;
    }),
  );
}

describe.each(["ProxyWANLink", "ProxyWANPolicy", "NovaEdgeRemoteCluster"] satisfies readonly Kind[])(
  "%s: every field does something",
  (kind) => {
    const fields = leaves(documentSchema(kind)).filter((leaf) => !SHOWN.has(leaf) && !NAMED.has(`${kind} ${leaf}`));
    it("the configuration to begin with is accepted", () => expect([BEFORE, BEFORE_MESH]).not.toContain(undefined));
    it.each(fields)("%s", (leaf) => {
      const others = OTHERS[`${kind} ${leaf}`];
      expect(others, "not written in this test").toBeDefined();
      const found = DOCUMENTS.some((document, index) => {
        if (document.kind !== kind) return false;
        return works(document, leaf, others ?? [], (changed) =>
          shown(DOCUMENTS.with(index, changed as Document), SDWAN),
        );
      });
      expect(found, `changing ${leaf} changes nothing`).toBe(true);
    });
  },
);

describe("sdwan: every field does something", () => {
  it.each(leaves(sdwanSettings))("%s", (leaf) => {
    const read = READ[leaf];
    if (read !== undefined) {
      expect(readFileSync(read[0], "utf8")).toMatch(read[1]);
      return;
    }
    const others = OTHERS[leaf];
    expect(others, "not written in this test").toBeDefined();
    expect(
      works(SDWAN, leaf, others ?? [], (changed) => shown(MESH, changed), BEFORE_MESH),
      `changing ${leaf} changes nothing`,
    ).toBe(true);
  });
});
