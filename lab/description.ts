/**
 * What a lab consists of, as data.  Every cable ends in one namespace, the fabric, where switches are bridges, where
 * cables are cut and where captures listen; hosts are namespaces of their own.  A router is a host that forwards.
 */
import { parsePrefix } from "../base/address.ts";

export interface Description {
  readonly hosts: Readonly<Record<string, HostSpec>>;
  /** Learning bridges without spanning tree or snooping. */
  readonly switches: readonly string[];
  readonly links: readonly LinkSpec[];
}

/** "host:interface" */
export type Port = `${string}:${string}`;

export interface HostSpec {
  /** Interface → its addresses with prefix length, IPv4 or IPv6; an interface exists when a link ends there. */
  readonly interfaces?: Readonly<Record<string, readonly string[]>>;
  readonly routes?: readonly RouteSpec[];
  /** Forwards IPv4 and IPv6 between its interfaces. */
  readonly forwards?: boolean;
  readonly nat?: NatSpec;
  /** "net.ipv4.conf.all.arp_ignore" → "1"; written after the addresses. */
  readonly sysctl?: Readonly<Record<string, string>>;
  /** Directories of which this host has its own: they are made, empty, and go with the lab. */
  readonly own?: readonly string[];
}
export interface RouteSpec {
  /** A prefix or "default". */
  readonly to: string;
  readonly via: string;
  readonly metric?: number;
}

/** RFC 4787 behaviours of a gateway; it forwards, and refuses what nobody inside asked for. */
export interface NatSpec {
  readonly outside: string;
  /** §4.1 */
  readonly mapping: "endpoint-independent" | "address-dependent" | "address-and-port-dependent";
  /**
   * §4.2.1, of UDP: the inside port where it is free (the default where the mapping is endpoint-independent), another one
   * (the default elsewhere), or, where the mapping depends on the port too, the next one in a row.
   */
  readonly ports?: "preserved" | "other" | "next";
  /** §5. Endpoint-independent ("full cone") is for UDP, and only with an endpoint-independent mapping. */
  readonly filtering: "endpoint-independent" | "address-and-port-dependent";
}

export interface LinkSpec {
  /** 1–12 of a-z, 0-9 and "-"; default: "host-interface" of `from`. */
  readonly name?: string;
  readonly from: Port;
  /** Another host's port, or a switch. */
  readonly to: string;
  /** A link with this key passes through the impairing relay and can be changed while traffic flows. */
  readonly impair?: LinkImpairment;
}
/** Directions as seen from the link's description. */
export interface LinkImpairment {
  readonly forward?: Impairment;
  readonly backward?: Impairment;
}

export interface Impairment {
  /** Milliseconds added, one way. */
  readonly delay?: number;
  /** Each frame's delay is uniform in delay ± jitter (never below 0). */
  readonly jitter?: number;
  /** With jitter: "reorder" (default) delays each frame on its own; "keep" moves the delay as a slow walk, so frames keep their order. */
  readonly order?: "reorder" | "keep";
  /** Percent of frames lost at random, or exactly each n-th one. */
  readonly loss?: number | { readonly everyNth: number };
  /** Bits per second, counted over Ethernet frames without preamble and FCS. */
  readonly rate?: number;
  /** Milliseconds that a frame may wait for the rate; longer is a drop (default 50). */
  readonly queue?: number;
  readonly blackhole?: boolean;
}

/** Checks the description; a wrong one is a bug of the program that wrote it. */
export function describe(description: Description): Description {
  const taken = new Set<string>();
  const once = (kind: string, name: string): void => {
    if (taken.has(`${kind} ${name}`)) throw new TypeError(`lab: ${kind} ${name} appears twice`);
    taken.add(`${kind} ${name}`);
  };
  for (const [host, spec] of Object.entries(description.hosts)) {
    named("host", host, 10);
    for (const [ifname, addresses] of Object.entries(spec.interfaces ?? {})) {
      if (!description.links.some((link) => link.from === `${host}:${ifname}` || link.to === `${host}:${ifname}`))
        throw new TypeError(`lab: no link ends at ${host}:${ifname}`);
      for (const address of addresses)
        if (!address.includes("/") || !parsePrefix(address).ok)
          throw new TypeError(`lab: ${host}:${ifname} has a wrong address ${address}`);
    }
    if (spec.nat?.filtering === "endpoint-independent" && spec.nat.mapping !== "endpoint-independent")
      throw new TypeError(`lab: ${host}: filtering cannot be looser than its mapping`);
    if (spec.nat?.filtering === "endpoint-independent" && (spec.nat.ports ?? "preserved") !== "preserved")
      throw new TypeError(`lab: ${host}: only a port that is kept is open for all`);
    if (spec.nat?.ports === "preserved" && spec.nat.mapping !== "endpoint-independent")
      throw new TypeError(`lab: ${host}: a port that is always kept is one mapping for all`);
    if (spec.nat?.ports === "next" && spec.nat.mapping !== "address-and-port-dependent")
      throw new TypeError(`lab: ${host}: ports in a row are for mappings that depend on address and port`);
  }
  for (const name of description.switches) {
    named("switch", name, 12);
    once("switch", name);
  }
  for (const link of description.links) {
    const name = linkName(link);
    named("link", name, 12);
    once("link", name);
    for (const end of [link.from, link.to]) {
      if (!isPort(end)) {
        if (!description.switches.includes(end)) throw new TypeError(`lab: link ${name} ends at ${end}, not a switch`);
        continue;
      }
      const { host, ifname } = portOf(end);
      if (description.hosts[host] === undefined) throw new TypeError(`lab: link ${name} ends at ${end}, not a host`);
      named("interface", ifname, 14 - host.length);
      once("port", end);
    }
  }
  return description;
}

export function isPort(end: string): end is Port {
  return end.includes(":");
}
export function portOf(port: Port): { readonly host: string; readonly ifname: string } {
  const colon = port.indexOf(":");
  return { host: port.slice(0, colon), ifname: port.slice(colon + 1) };
}
export function linkName(link: LinkSpec): string {
  return link.name ?? link.from.replace(":", "-");
}
/** The fabric's end of the cable from `port`: at most 15 characters, as IFNAMSIZ demands. */
export function fabricPort(port: Port): string {
  return port.replace(":", ".");
}

function named(kind: string, name: string, most: number): void {
  if (!/^[a-z][a-z0-9-]*$/.test(name) || name.length > most)
    throw new TypeError(`lab: ${kind} ${name} is not a name of 1 to ${most} of a-z, 0-9 and "-"`);
}
