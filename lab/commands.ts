/** From a description to what `ip`, sysctl and nft are told: pure text, one script per namespace. */
import {
  type Description,
  fabricPort,
  type HostSpec,
  isPort,
  type LinkSpec,
  type NatSpec,
  portOf,
} from "./description.ts";

export interface Namespaces {
  /** The namespace of a host; `undefined` asks for the fabric. */
  of(host: string | undefined): string;
}

/** One `ip -batch` that makes the cables; run after every namespace got its defaults. */
export function cables(description: Description, namespaces: Namespaces): string {
  const fabric = namespaces.of(undefined);
  const lines = description.links
    .flatMap((link) => [link.from, link.to].filter(isPort))
    .map((end) => {
      const { host, ifname } = portOf(end);
      return `link add ${ifname} netns ${namespaces.of(host)} type veth peer name ${fabricPort(end)} netns ${fabric}`;
    });
  return lines.join("\n");
}

/** Defaults that interfaces inherit when they are made; duplicate address detection waits until the lab is up. */
export function hostDefaults(spec: HostSpec): string {
  const on = spec.forwards === true || spec.nat !== undefined ? 1 : 0;
  return sysctls({
    "net.ipv4.conf.all.rp_filter": "0",
    "net.ipv4.conf.default.rp_filter": "0",
    "net.ipv6.conf.all.accept_dad": "0",
    "net.ipv6.conf.default.accept_dad": "0",
    "net.ipv4.ip_forward": String(on),
    "net.ipv6.conf.all.forwarding": String(on),
  });
}

/** The fabric carries frames and has no addresses of its own. */
export function fabricDefaults(): string {
  return sysctls({ "net.ipv6.conf.all.disable_ipv6": "1", "net.ipv6.conf.default.disable_ipv6": "1" });
}

export function hostScript(name: string, spec: HostSpec, description: Description): string {
  const ports = description.links.flatMap((link) =>
    [link.from, link.to].filter(isPort).map((end) => ({ ...portOf(end), impaired: link.impair !== undefined })),
  );
  const mine = ports.filter((port) => port.host === name);
  const lines = ["link set lo up", ...mine.map((port) => `link set ${port.ifname} up${port.impaired ? NO_GSO : ""}`)];
  for (const [ifname, addresses] of Object.entries(spec.interfaces ?? {}))
    for (const address of addresses)
      lines.push(`address add ${address} dev ${ifname}${address.includes(":") ? " nodad" : ""}`);
  for (const route of spec.routes ?? []) {
    lines.push(`route add ${route.to} via ${route.via}${route.metric ? ` metric ${route.metric}` : ""}`);
  }
  return [
    batch(lines),
    spec.nat === undefined ? "" : `nft -f - <<'END'\n${natRules(spec.nat)}END`,
    sysctls(spec.sysctl ?? {}),
  ].join("\n");
}

export function fabricScript(description: Description): string {
  const lines = ["link set lo up"];
  const bridge = (name: string): void => {
    lines.push(`link add ${name} type bridge forward_delay 0 stp_state 0 mcast_snooping 0`, `link set ${name} up`);
  };
  description.switches.forEach(bridge);
  description.links.forEach((link, index) => {
    const { left, right, inner } = relayEnds(link, index);
    if (inner !== undefined) lines.push(`link add ${right} type veth peer name ${inner}`);
    const attached = (port: string, master: string): void => {
      lines.push(`link set ${port} master ${master} up`);
    };
    if (link.impair !== undefined) {
      lines.push(`link set ${left} up${NO_GSO}`, `link set ${right} up${NO_GSO}`);
      if (inner !== undefined) attached(`${inner}${NO_GSO}`, link.to);
    } else if (isPort(link.to)) {
      bridge(`${index}.p`);
      attached(left, `${index}.p`);
      attached(right, `${index}.p`);
    } else attached(left, link.to);
  });
  return batch(lines);
}

/** Between which two fabric interfaces the relay of an impaired link stands; `inner` is the switch's end of the second. */
export function relayEnds(
  link: LinkSpec,
  index: number,
): { readonly left: string; readonly right: string; readonly inner: string | undefined } {
  const left = fabricPort(link.from);
  if (isPort(link.to)) return { left, right: fabricPort(link.to), inner: undefined };
  return link.impair === undefined
    ? { left, right: link.to, inner: undefined }
    : { left, right: `${index}.l`, inner: `${index}.s` };
}

/**
 * A carrier is seen at once, but a device sends and a bridge forwards only after a worker of the kernel has heard of it:
 * waits for that and until no address is tentative, then turns duplicate address detection on, as a host of today has it.
 */
export function hostSettles(): string {
  return `${until(`! grep -qvxhE 'up|unknown' /sys/class/net/*/operstate`, "interfaces stay down")}
${until(`! grep -qE '^([^ ]+ ){4}[4567c-f]. ' /proc/net/if_inet6`, "addresses stay tentative")}
for file in /proc/sys/net/ipv6/conf/*/accept_dad; do echo 1 >"$file"; done`;
}
export function fabricSettles(): string {
  const forwarding = 3; // BR_STATE_FORWARDING
  return until(`! grep -qvxh ${forwarding} /sys/class/net/*/brport/state 2>/dev/null`, "switches do not forward");
}

function until(condition: string, complaint: string): string {
  return `tries=0
until ${condition}; do
  tries=$((tries + 1)); [ $tries -le 500 ] || { echo "${complaint}" >&2; exit 1; }
  sleep 0.01
done`;
}

/** Ports of the fabric whose frames vanish, and rules between ports: the whole table, so that a change is one transaction. */
export interface FabricFilter {
  readonly silent: readonly string[];
  readonly drops: readonly { readonly from: string; readonly to: string; readonly match: string }[];
}
export function fabricRules(filter: FabricFilter): string {
  const rules = [
    ...filter.silent.flatMap((port) => [`iifname "${port}" drop`, `oifname "${port}" drop`]),
    ...filter.drops.map((each) => `iifname "${each.from}" oifname "${each.to}" ${each.match} drop`),
  ];
  return `table bridge lab
delete table bridge lab
table bridge lab {
  chain forward {
    type filter hook forward priority 0
    ${rules.join("\n    ")}
  }
}
`;
}

function natRules(nat: NatSpec): string {
  const masquerade = nat.mapping === "endpoint-independent" ? "masquerade" : "masquerade random,fully-random";
  const udp = udpPorts(nat);
  const cone = nat.filtering === "endpoint-independent";
  // Without the input drop, an early packet from outside makes a local conntrack entry that takes the port, and the
  // mapping of the inside host then needs another one: hole punching fails (RFC 4787 REQ-3 would be broken).
  return `table inet lab_filter {
  chain input {
    type filter hook input priority 0
    ct state established,related accept
    iifname "${nat.outside}" meta l4proto icmpv6 accept
    iifname "${nat.outside}" drop
  }
  chain forward {
    type filter hook forward priority 0
    ct state established,related accept
    ${cone ? "ct status dnat accept" : ""}
    iifname "${nat.outside}" drop
  }
}
table ip lab_nat {
  ${cone ? "map cone { type inet_service : ipv4_addr; flags dynamic,timeout; timeout 300s; size 65535; }" : ""}
  chain prerouting {
    type nat hook prerouting priority -100
    ${cone ? `iifname "${nat.outside}" meta l4proto udp dnat to udp dport map @cone` : ""}
  }
  chain postrouting {
    type nat hook postrouting priority 100
    ${cone ? `oifname "${nat.outside}" meta l4proto udp add @cone { udp sport : ip saddr }` : ""}
    ${udp === undefined ? "" : `oifname "${nat.outside}" meta l4proto udp masquerade to :${udp}`}
    oifname "${nat.outside}" ${masquerade}
  }
}
`;
}

/** Which outside port a new mapping gets; undefined: what `masquerade` takes by itself. */
function udpPorts({ mapping, ports }: NatSpec): string | undefined {
  const table = Array.from({ length: OUTSIDE_PORTS }, (_, index) => `${index} : ${FIRST_OUTSIDE_PORT + index}`);
  const among = (what: string): string => `${what} mod ${OUTSIDE_PORTS} map { ${table.join(", ")} }`;
  if (ports === "next") return among("numgen inc");
  if (mapping === "address-dependent") return among("jhash ip saddr . udp sport . ip daddr");
  if (mapping === "endpoint-independent" && ports === "other") return among("jhash ip saddr . udp sport");
  return undefined;
}
const FIRST_OUTSIDE_PORT = 40_000;
const OUTSIDE_PORTS = 4096;

function sysctls(values: Readonly<Record<string, string>>): string {
  return Object.entries(values)
    .map(([key, value]) => `echo '${value}' >/proc/sys/${key.replaceAll(".", "/")}`)
    .join("\n");
}
function batch(lines: readonly string[]): string {
  return `ip -batch - <<'END'\n${lines.join("\n")}\nEND`;
}

/** A relay that sees 64 KiB super-frames would shape and lose them as one. */
const NO_GSO = " gso_max_segs 1";
