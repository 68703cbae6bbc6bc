/**
 * What control tells the wan process about links, tunnels and traffic classes, and what it reports: plain data (JSON).
 * Durations in milliseconds, rates in bits per second.
 *
 * Marks.  One value in the mark's own bits (netstack/kernel/marks.ts, MARK_MASK; 1–63 by default) says where a packet
 * goes: a class, a link, or a tunnel that an answer belongs to.  `ip rule fwmark VALUE lookup TABLE` is all that routing
 * needs; the connection mark keeps the value of a flow.  Routes of link tables are the wan process's; those of class and
 * tunnel tables are pulse's (steer-plan.ts).
 */

export interface UnderlayPlan {
  readonly site: string;
  readonly links: readonly LinkSpec[];
  readonly tunnels: readonly TunnelSpec[];
  /** Every value of the mark that is in use, with the table that it looks up. */
  readonly lanes: readonly LaneSpec[];
  readonly classes: readonly ClassSpec[];
  /** Overlay addresses of this host, "10.255.1.1/32": on every tunnel device. */
  readonly overlay: readonly string[];
  /** "10.1.0.0/24": networks of this site. */
  readonly prefixes: readonly string[];
  /** Of the tunnels' interfaces: base64, 32 octets, as wg(8) writes it. */
  readonly privateKey: string;
  /** "kernel" or "wireguard-go"; "auto": the kernel's where it has it. */
  readonly wireguard: "auto" | "kernel" | "userspace";
  readonly stun: StunSpec;
  readonly rendezvous: RendezvousSpec | undefined;
}

export interface LinkSpec {
  readonly name: string;
  readonly ifname: string;
  /** Value of the mark, and number of the table with its default routes. */
  readonly mark: number;
  readonly table: number;
  /** An address, "none", or "auto": what DHCP, router advertisements or the operator put into the main table for this interface. */
  readonly gateway4: string;
  readonly gateway6: string;
  /** What leaves for the internet by this link with a foreign source address gets the link's own; or of one family only. */
  readonly masquerade: boolean | "ipv4" | "ipv6";
  /** "2001:db8:1::/48": networks that the provider routes to this link; these sources leave as they are. */
  readonly routedPrefixes?: readonly string[] | undefined;
  /** Public address and port when they are known beforehand (a static NAT in front). */
  readonly publicIp: string | undefined;
  /** undefined = what is measured. */
  readonly mtu: number | undefined;
  readonly quota: QuotaSpec | undefined;
  readonly bandwidthTest: BandwidthTestSpec | undefined;
}

export interface QuotaSpec {
  readonly octets: number;
  /** Day of the month, 1–28, at which counting starts anew. */
  readonly resetDay: number;
}

export interface BandwidthTestSpec {
  /** Five fields, as in crontab(5); undefined = on demand only. */
  readonly schedule: string | undefined;
  /** "02:00-04:00", local time; undefined = always. */
  readonly window: string | undefined;
}

export interface TunnelSpec {
  /** Begins with "nv", at most 15 characters. */
  readonly ifname: string;
  readonly link: string;
  readonly listenPort: number;
  /** Of the outer packets: the link's own. */
  readonly mark: number;
  /** Of the outer packets, 0–63. */
  readonly dscp: number;
  readonly mtu: number | undefined;
  readonly peers: readonly TunnelPeerSpec[];
}

export interface TunnelPeerSpec {
  readonly site: string;
  /** Of the remote site. */
  readonly link: string;
  /** Base64. */
  readonly publicKey: string;
  /** The site is about to change to it: both are let in, and the one that shook hands last carries the packets. */
  readonly nextPublicKey?: string | undefined;
  readonly presharedKey: string | undefined;
  /** "192.0.2.1:51820" or "name:51820"; undefined: found by NAT traversal, or it calls us. */
  readonly endpoint: string | undefined;
  /** Networks behind the site and its overlay addresses. */
  readonly allowedIps: readonly string[];
  /** Seconds; 0 = none. */
  readonly keepalive: number;
  /** Site whose peer on the same device carries this one's packets while there is no direct way; undefined = none. */
  readonly relay: string | undefined;
}

export interface LaneSpec {
  readonly mark: number;
  readonly table: number;
  readonly what:
    | { readonly kind: "class"; readonly name: string }
    /** Flows of a class that are bound to one link: by balance, or since they left for the internet by it. */
    | { readonly kind: "pinned"; readonly name: string; readonly link: string }
    | { readonly kind: "link"; readonly link: string }
    /** Answers to flows that came in by a tunnel. */
    | { readonly kind: "back"; readonly ifname: string };
  /** "0.0.0.0/0": what a kill switch refuses where nothing carries it, from before the first packet has the mark on. */
  readonly refuses?: readonly string[] | undefined;
}

/** A traffic class: what belongs to it, tried in the order of the list; the first match decides, once per flow. */
export interface ClassSpec {
  readonly name: string;
  readonly mark: number;
  readonly match: ClassMatch;
  /** Of the packets themselves, 0–63, on entry; undefined = left as they are. */
  readonly dscp: number | undefined;
  /** Weights by link for flows that are balanced; undefined = not balanced. */
  readonly balance: Readonly<Record<string, number>> | undefined;
  /** Packets may come twice from other sites, and be sent twice (steer/shield-chains.ts); only with `dscp`. */
  readonly shielded?: boolean;
}

/** All fields that are there must match; of the values of one field any.  An empty match is everything. */
export interface ClassMatch {
  readonly sources: readonly string[];
  readonly destinations: readonly string[];
  /** "tcp", "udp", "icmp", or a number */
  readonly protocols: readonly string[];
  /** [first, last] of the destination's ports; with TCP and UDP. */
  readonly ports: readonly (readonly [number, number])[];
  /** Values 0–63 on entry. */
  readonly dscp: readonly number[];
  readonly interfaces: readonly string[];
  /** User ids of processes of this host. */
  readonly users: readonly number[];
  /** "www.example.com", "*.example.com": addresses that DNS answers give for them. */
  readonly hosts: readonly string[];
  /** What the proxy marks on its own connections to servers: values of the DSCP field, which is cleared then. */
  readonly proxied: readonly number[];
}

/** Matches every packet. */
export const EVERYTHING: ClassMatch = {
  sources: [],
  destinations: [],
  protocols: [],
  ports: [],
  dscp: [],
  interfaces: [],
  users: [],
  hosts: [],
  proxied: [],
};

export interface StunSpec {
  /** "192.0.2.1:3478", "stun.example.com:3478"; two addresses of different hosts tell the kind of a NAT. */
  readonly servers: readonly string[];
  /** Looked up again this often even if nothing changed. */
  readonly interval: number;
}

/** Candidates are exchanged with the other sites through tunnels that work already. */
export interface RendezvousSpec {
  readonly local: string;
  readonly port: number;
  /** Site → its overlay address and what is shared with it. */
  readonly sites: Readonly<Record<string, RendezvousPeer>>;
}
export interface RendezvousPeer {
  readonly address: string;
  /** Hex, 32 octets. */
  readonly key: string;
  /** What it will be when the site has changed its pair of keys: either is heard, and the one that it speaks with answered. */
  readonly nextKey?: string | undefined;
}

export interface LinkReport {
  readonly name: string;
  readonly ifname: string;
  readonly state: "up" | "degraded" | "down";
  readonly why: string;
  readonly since: number;
  readonly carrier: boolean;
  readonly addresses: readonly string[];
  /** Next hops; "0.0.0.0" and "::" = on the interface itself (point to point); undefined = none known. */
  readonly gateway4: string | undefined;
  readonly gateway6: string | undefined;
  readonly mtu: number | undefined;
  /** Measured; undefined = never. */
  readonly bandwidth: { readonly up: number; readonly down: number | undefined; readonly at: number } | undefined;
  /** Octets both ways since the quota's last reset. */
  readonly used: number;
  readonly quotaSpent: boolean;
  readonly nat: NatReport | undefined;
}

export interface NatReport {
  /** RFC 4787 §4.1, §5; "none" = the mapped address is the link's own. */
  readonly mapping: "none" | "endpoint-independent" | "address-dependent" | "address-and-port-dependent" | "unknown";
  readonly filtering: "none" | "endpoint-independent" | "address-dependent" | "address-and-port-dependent" | "unknown";
  /** "192.0.2.1", as the outside sees it. */
  readonly address: string | undefined;
  readonly portPreserved: boolean | undefined;
  readonly at: number;
  readonly why: string;
}

export interface TunnelReport {
  readonly ifname: string;
  readonly link: string;
  readonly site: string;
  /** The remote one. */
  readonly remoteLink: string;
  readonly state: "up" | "connecting" | "down";
  readonly why: string;
  readonly since: number;
  readonly engine: "kernel" | "wireguard-go";
  /** "direct" or the relaying site. */
  readonly via: string;
  readonly endpoint: string | undefined;
  /** How the endpoint was found. */
  readonly found: "configured" | "called-us" | "mapped" | "predicted" | "birthday" | "host" | undefined;
  /** Milliseconds since the epoch. */
  readonly lastHandshake: number | undefined;
  /** It was tried for a while, and none was ever completed with this peer; `why` says what is known of the reason. */
  readonly unshaken?: boolean | undefined;
  readonly received: number;
  readonly sent: number;
  readonly mtu: number;
}
