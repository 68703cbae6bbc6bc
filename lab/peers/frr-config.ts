/** A router's description in FRR's words. */
import {
  type BgpSpec,
  bfdOf,
  type Family,
  familiesOf,
  type NeighborSpec,
  type OspfInterface,
  type OspfKey,
  type OspfSpec,
  profileOf,
  type RouterSpec,
} from "./router.ts";

export function frrConfig(spec: RouterSpec): string {
  const ospf = spec.ospf ?? [];
  return [
    "service integrated-vtysh-config",
    ...bfdLines(spec),
    ...ospf.flatMap((each) => ospfInterfaces(each)),
    ...ospf.flatMap((each) => ospfRouter(spec.routerId, each)),
    ...(spec.bgp === undefined ? [] : bgpLines(spec.routerId, spec.bgp, spec.installs ?? true)),
    spec.extra ?? "",
    "",
  ].join("\n");
}

function bfdLines(spec: RouterSpec): readonly string[] {
  const profiles = bfdOf(spec);
  if (profiles.length === 0) return [];
  return [
    "bfd",
    ...profiles.flatMap((bfd) => [
      ` profile ${profileOf(bfd)}`,
      `  receive-interval ${bfd.interval}`,
      `  transmit-interval ${bfd.interval}`,
      `  detect-multiplier ${bfd.multiplier}`,
      ...(bfd.passive === true ? ["  passive-mode"] : []),
      " exit",
    ]),
    "exit",
  ];
}

function bgpLines(routerId: string, bgp: BgpSpec, installs: boolean): readonly string[] {
  if (!installs) throw new TypeError("lab: FRR always installs; say -n to its bgpd instead");
  const restarts = bgp.neighbors.map((each) => each.gracefulRestart).find((each) => each !== undefined);
  const families = new Set<Family>(bgp.neighbors.flatMap(familiesOf));
  if (bgp.dynamic !== undefined) families.add(bgp.dynamic.prefix.includes(":") ? "ipv6" : "ipv4");
  return [
    `router bgp ${bgp.asn}`,
    ` bgp router-id ${routerId}`,
    " no bgp ebgp-requires-policy",
    " no bgp network import-check",
    " no bgp default ipv4-unicast",
    " coalesce-time 10",
    ...(bgp.multipath === undefined ? [] : [" bgp bestpath as-path multipath-relax"]),
    ...(restarts === undefined ? [] : restartLines(restarts)),
    ...bgp.neighbors.flatMap(neighborLines),
    ...(bgp.dynamic === undefined
      ? []
      : [
          " neighbor DYNAMIC peer-group",
          ` neighbor DYNAMIC remote-as ${bgp.dynamic.asn}`,
          ` bgp listen range ${bgp.dynamic.prefix} peer-group DYNAMIC`,
        ]),
    ...[...families].flatMap((family) => [
      ` address-family ${family} unicast`,
      ...(bgp.networks ?? []).filter((each) => each.includes(":") === (family === "ipv6")).map((n) => `  network ${n}`),
      ...(bgp.multipath === undefined ? [] : [`  maximum-paths ${bgp.multipath}`]),
      ...bgp.neighbors.filter((each) => familiesOf(each).includes(family)).flatMap(neighborFamily),
      ...(bgp.dynamic === undefined ? [] : ["  neighbor DYNAMIC activate"]),
      " exit-address-family",
    ]),
    "exit",
    "route-map NOTHING deny 10",
    "exit",
  ];
}

function restartLines({ restartTime, longLived }: { restartTime: number; longLived?: number }): readonly string[] {
  return [
    " bgp graceful-restart",
    ` bgp graceful-restart restart-time ${restartTime}`,
    " bgp graceful-restart preserve-fw-state",
    ...(longLived === undefined ? [] : [` bgp long-lived-graceful-restart stale-time ${longLived}`]),
  ];
}

function neighborLines(neighbor: NeighborSpec): readonly string[] {
  const who = nameOf(neighbor);
  const line = (words: string): string => ` neighbor ${who} ${words}`;
  const hold = neighbor.hold ?? 9;
  const own = (neighbor.extra ?? []).filter((each) => !each.startsWith("family "));
  return [
    neighbor.address === undefined ? line(`interface remote-as ${neighbor.asn}`) : line(`remote-as ${neighbor.asn}`),
    line(`timers ${neighbor.keepalive ?? Math.max(1, Math.floor(hold / 3))} ${hold}`),
    line("timers connect 1"),
    ...(neighbor.address !== undefined && neighbor.ifname !== undefined ? [line(`interface ${neighbor.ifname}`)] : []),
    ...(neighbor.local === undefined ? [] : [line(`update-source ${neighbor.local}`)]),
    ...(neighbor.port === undefined ? [] : [line(`port ${neighbor.port}`)]),
    ...(neighbor.passive === true ? [line("passive")] : []),
    ...(neighbor.password === undefined ? [] : [line(`password ${neighbor.password}`)]),
    ...(neighbor.gtsm === undefined ? [] : [line(`ttl-security hops ${neighbor.gtsm}`)]),
    ...(neighbor.multihop === undefined ? [] : [line(`ebgp-multihop ${neighbor.multihop}`)]),
    // With GTSM, 8.4 makes it a multihop session (RFC 5883), whatever the distance.
    ...(neighbor.bfd === undefined ? [] : [line("bfd"), line(`bfd profile ${profileOf(neighbor.bfd)}`)]),
    ...(neighbor.extendedNextHop === true ? [line("capability extended-nexthop")] : []),
    ...(neighbor.gracefulRestart === undefined ? [] : [line("graceful-restart")]),
    ...own.map(line),
  ];
}

function neighborFamily(neighbor: NeighborSpec): readonly string[] {
  const line = (words: string): string => `  neighbor ${nameOf(neighbor)} ${words}`;
  const own = (neighbor.extra ?? []).filter((each) => each.startsWith("family "));
  return [
    line("activate"),
    line("soft-reconfiguration inbound"),
    ...(neighbor.maxPrefixes === undefined ? [] : [line(`maximum-prefix ${neighbor.maxPrefixes}`)]),
    ...(neighbor.addPath === "send" || neighbor.addPath === "both" ? [line("addpath-tx-all-paths")] : []),
    ...(neighbor.announces === false ? [line("route-map NOTHING out")] : []),
    ...own.map((each) => line(each.slice("family ".length))),
  ];
}

function nameOf(neighbor: NeighborSpec): string {
  const name = neighbor.address ?? neighbor.ifname;
  if (name === undefined) throw new TypeError(`lab: neighbour ${neighbor.name} has neither address nor interface`);
  return name;
}

function ospfInterfaces(ospf: OspfSpec): readonly string[] {
  const [command, area6] = ospf.version === 2 ? ["ip ospf", ""] : ["ipv6 ospf6", ""];
  return ospf.areas.flatMap((area) =>
    area.interfaces.flatMap((each) => [
      `interface ${each.ifname}`,
      ` ${command} area ${area.id}${area6}`,
      ` ${command} hello-interval ${each.hello ?? 1}`,
      ` ${command} dead-interval ${each.dead ?? 4}`,
      ` ${command} network ${networkOf(each, ospf.version)}`,
      ...(each.passive === true ? [` ${command} passive`] : []),
      ...(each.cost === undefined ? [] : [` ${command} cost ${each.cost}`]),
      ...(each.priority === undefined ? [] : [` ${command} priority ${each.priority}`]),
      ...(each.mtuIgnore === true ? [` ${command} mtu-ignore`] : []),
      ...(each.auth === undefined ? [] : authLines(ospf.version, each.auth)),
      ...(each.bfd === undefined ? [] : [` ${command} bfd`, ` ${command} bfd profile ${profileOf(each.bfd)}`]),
      "exit",
    ]),
  );
}

function networkOf({ type = "broadcast", ifname }: OspfInterface, version: 2 | 3): string {
  if (type === "nbma" && version === 3) throw new TypeError(`lab: FRR's OSPFv3 knows no NBMA (${ifname})`);
  return type === "nbma" ? "non-broadcast" : type;
}

function authLines(version: 2 | 3, auth: OspfKey): readonly string[] {
  if (version === 3) {
    if (auth.kind === "simple") throw new TypeError("lab: OSPFv3 knows no simple password");
    return [
      ` ipv6 ospf6 authentication key-id ${auth.id} hash-algo ${auth.algorithm.replace("sha", "sha-")} key ${auth.secret}`,
    ];
  }
  if (auth.kind === "simple") return [" ip ospf authentication", ` ip ospf authentication-key ${auth.password}`];
  if (auth.algorithm !== "md5") throw new TypeError("lab: FRR 8.4's OSPFv2 signs with MD5 only");
  return [" ip ospf authentication message-digest", ` ip ospf message-digest-key ${auth.id} md5 ${auth.secret}`];
}

function ospfRouter(routerId: string, ospf: OspfSpec): readonly string[] {
  const [name, id] = ospf.version === 2 ? ["ospf", "ospf router-id"] : ["ospf6", "ospf6 router-id"];
  const family = ospf.version === 2 ? "ip" : "ipv6";
  const nbma = ospf.areas.flatMap((area) => area.interfaces).flatMap((each) => each.neighbors ?? []);
  return [
    // FRR announces what zebra knows: external routes are blackholes of the kernel's table.
    ...(ospf.networks ?? []).map((network) => `${family} route ${network} blackhole`),
    `router ${name}`,
    ` ${id} ${routerId}`,
    ...(ospf.version === 2 ? [" timers throttle spf 0 50 5000"] : []),
    ...ospf.areas.filter((area) => (area.kind ?? "normal") !== "normal").map((area) => ` area ${area.id} ${area.kind}`),
    ...(ospf.networks === undefined ? [] : [" redistribute static"]),
    ...(ospf.gracefulRestart === undefined
      ? []
      : [` graceful-restart grace-period ${ospf.gracefulRestart.restartTime}`, " graceful-restart helper enable"]),
    ...nbma.map((address) => ` neighbor ${address} poll-interval 1`),
    "exit",
  ];
}
