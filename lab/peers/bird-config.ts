/** A router's description in BIRD's words. */
import {
  type BfdTimes,
  type BgpSpec,
  bfdOf,
  type Family,
  familiesOf,
  type NeighborSpec,
  type OspfInterface,
  type OspfKey,
  type OspfSpec,
  type RouterSpec,
} from "./router.ts";

export function birdConfig(spec: RouterSpec): string {
  const ospf = spec.ospf ?? [];
  const own = [...(spec.bgp?.networks ?? []), ...ospf.flatMap((each) => each.networks ?? [])];
  return [
    `router id ${spec.routerId};`,
    "debug protocols { states, events };",
    "protocol device { scan time 1; }", // with its default, 2.0.12 stalls three seconds when it sends many routes
    ...(spec.installs === false ? [] : kernelLines(spec)),
    ...staticLines(own),
    ...bfdLines(bfdOf(spec)),
    ...ospf.map(ospfLines),
    ...(spec.bgp === undefined ? [] : bgpLines(spec.bgp)),
    spec.extra ?? "",
    "",
  ].join("\n");
}

function kernelLines(spec: RouterSpec): readonly string[] {
  const merge = spec.bgp?.multipath === undefined ? "" : `merge paths yes limit ${spec.bgp.multipath};`;
  const learnt = "export where source != RTS_DEVICE && source != RTS_STATIC;";
  return FAMILIES.map((family) => `protocol kernel { ${family} { import none; ${learnt} }; ${merge} }`);
}

function staticLines(networks: readonly string[]): readonly string[] {
  return FAMILIES.flatMap((family) => {
    const own = networks.filter((each) => each.includes(":") === (family === "ipv6"));
    if (own.length === 0) return [];
    return [`protocol static own_${family} { ${family}; ${own.map((each) => `route ${each} blackhole;`).join(" ")} }`];
  });
}

function bfdLines(all: readonly BfdTimes[]): readonly string[] {
  const [bfd, ...others] = all;
  if (bfd === undefined) return [];
  if (others.length > 0) throw new TypeError("lab: BIRD takes BFD's times from the interface; ask for one kind only");
  const times = [
    `interval ${bfd.interval} ms; multiplier ${bfd.multiplier};`,
    "idle tx interval 100 ms;",
    bfd.passive === true ? "passive yes;" : "",
  ].join(" ");
  return [`protocol bfd { interface "*" { ${times} }; multihop { ${times} }; }`];
}

function bgpLines(bgp: BgpSpec): readonly string[] {
  return [
    ...bgp.neighbors.map((neighbor) => bgpProtocol(bgp, neighbor)),
    ...(bgp.dynamic === undefined
      ? []
      : [
          `protocol bgp { local as ${bgp.asn}; neighbor range ${bgp.dynamic.prefix} as ${bgp.dynamic.asn}; dynamic name "dynamic"; ${RETRY} ${channel(bgp, bgp.dynamic.prefix.includes(":") ? "ipv6" : "ipv4", {})} }`,
        ]),
  ];
}

function bgpProtocol(bgp: BgpSpec, neighbor: NeighborSpec): string {
  const { address, ifname, gracefulRestart: restarts } = neighbor;
  if (address === undefined) throw new TypeError("lab: BIRD needs a neighbour's address");
  const on = ifname === undefined ? "" : `%${`'${ifname}'`}`;
  const hold = neighbor.hold ?? 9;
  const words = [
    `local ${neighbor.local ?? ""} as ${bgp.asn};`,
    `neighbor ${address}${on}${neighbor.port === undefined ? "" : ` port ${neighbor.port}`} as ${neighbor.asn};`,
    `hold time ${hold}; keepalive time ${neighbor.keepalive ?? Math.max(1, Math.floor(hold / 3))};`,
    RETRY,
    neighbor.passive === true ? "passive yes;" : "",
    neighbor.password === undefined ? "" : `password "${neighbor.password}";`,
    neighbor.gtsm === undefined ? "" : "ttl security yes;",
    hops(neighbor),
    neighbor.bfd === undefined ? "" : "bfd yes;",
    restarts === undefined
      ? "graceful restart no;"
      : `graceful restart yes; graceful restart time ${restarts.restartTime};`,
    restarts?.longLived === undefined
      ? ""
      : `long lived graceful restart yes; long lived stale time ${restarts.longLived};`,
    ...(neighbor.extra ?? []),
    ...familiesOf(neighbor).map((family) => channel(bgp, family, neighbor)),
  ];
  return `protocol bgp ${neighbor.name} {\n  ${words.filter(Boolean).join("\n  ")}\n}`;
}

function hops(neighbor: NeighborSpec): string {
  const far = Math.max(neighbor.multihop ?? 1, neighbor.gtsm ?? 1);
  return far > 1 ? `multihop ${far};` : "";
}

function channel(bgp: BgpSpec, family: Family, neighbor: Partial<NeighborSpec>): string {
  const announced = (bgp.networks ?? []).some((each) => each.includes(":") === (family === "ipv6"));
  const send = neighbor.announces !== false && announced;
  const words = [
    "import all;",
    // Transit too: a router of a lab that has networks tells all that it knows.
    send
      ? "export filter { if source = RTS_STATIC then { bgp_origin = ORIGIN_IGP; accept; } if source = RTS_BGP then accept; reject; };"
      : "export none;",
    neighbor.extendedNextHop === true ? "extended next hop yes;" : "",
    neighbor.maxPrefixes === undefined ? "" : `receive limit ${neighbor.maxPrefixes} action disable;`,
    neighbor.addPath === undefined ? "" : `add paths ${ADD_PATHS[neighbor.addPath]};`,
  ];
  return `${family} { ${words.filter(Boolean).join(" ")} };`;
}

function ospfLines(ospf: OspfSpec): string {
  const [dialect, family] = ospf.version === 2 ? ["v2", "ipv4"] : ["v3", "ipv6"];
  const out = ospf.networks === undefined ? "export none;" : "export where source = RTS_STATIC;";
  const restarts = ospf.gracefulRestart;
  return [
    `protocol ospf ${dialect} ospf${ospf.version} {`,
    "  tick 1; ecmp yes; merge external yes;", // two routers that announce the same are two ways to it
    restarts === undefined ? "" : `  graceful restart yes; graceful restart time ${restarts.restartTime};`,
    `  ${family} { import all; ${out} };`,
    ...ospf.areas.map((area) => {
      const kind = area.kind === undefined || area.kind === "normal" ? "" : `${area.kind};`;
      return `  area ${area.id} { ${kind} ${area.interfaces.map((each) => ospfInterface(each, ospf.version)).join(" ")} };`;
    }),
    "}",
  ].join("\n");
}

function ospfInterface(each: OspfInterface, version: 2 | 3): string {
  const hello = each.hello ?? 1;
  const words = [
    `hello ${hello}; dead ${each.dead ?? 4}; wait ${each.dead ?? 4};`,
    `type ${TYPES[each.type ?? "broadcast"]};`,
    each.passive === true ? "stub yes;" : "",
    each.cost === undefined ? "" : `cost ${each.cost};`,
    each.priority === undefined ? "" : `priority ${each.priority};`,
    each.mtuIgnore === true ? "rx buffer large;" : "",
    each.auth === undefined ? "" : authWords(version, each.auth),
    each.bfd === undefined ? "" : "bfd yes;",
    each.neighbors === undefined
      ? ""
      : `poll 1; neighbors { ${each.neighbors.map((n) => `${n} eligible;`).join(" ")} };`,
  ];
  return `interface "${each.ifname}" { ${words.filter(Boolean).join(" ")} };`;
}

function authWords(version: 2 | 3, auth: OspfKey): string {
  if (auth.kind === "simple") {
    if (version === 3) throw new TypeError("lab: OSPFv3 knows no simple password");
    return `authentication simple; password "${auth.password}";`;
  }
  const algorithm = auth.algorithm === "md5" ? "keyed md5" : auth.algorithm.replace("-", " ");
  return `authentication cryptographic; password "${auth.secret}" { id ${auth.id}; algorithm ${algorithm}; };`;
}

const FAMILIES = ["ipv4", "ipv6"] as const;
/** A session that failed is tried again soon: BIRD's default is a minute. */
const RETRY = "connect delay time 1; connect retry time 1; error wait time 1,2;";
const ADD_PATHS = { receive: "rx", send: "tx", both: "yes" } as const;
const TYPES = { broadcast: "broadcast", "point-to-point": "ptp", nbma: "nbma" } as const;
