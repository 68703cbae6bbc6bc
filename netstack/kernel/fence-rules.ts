/**
 * The rules of the fence around virtual IPs, as data (fence.ts puts them into the kernel).  Pure.
 *
 * What must hold on a host that is not the owner, whether our processes run, hang or are dead:
 *  - it answers no ARP request and no neighbour solicitation for the address  (netdev ingress, and again at egress);
 *  - it announces nothing: no frame with the address as ARP sender or neighbour advertisement target leaves it, not even
 *    one that a process built itself on a packet socket and sends after it was frozen  (netdev egress);
 *  - it accepts no packet to the address, whichever interface it came by  (ip, ip6 prerouting);
 *  - it sends no packet from the address  (ip, ip6 output).
 * And on every host: an ARP request for the address on another interface than its own gets no answer  (arp).
 *
 * What passes on purpose: ARP probes (sender 0.0.0.0) and duplicate address detection (source ::) in both directions,
 * and announcements by others, so that every host can probe, defend and learn who owns the address now; packets through
 * a router to an address that is not configured on it (`fib daddr type local`).
 */

export interface Chain {
  readonly family: Family;
  readonly name: string;
  /** The hook line of a base chain. */
  readonly hook?: string;
  readonly rules: readonly string[];
}
export type Family = "arp" | "ip" | "ip6" | "netdev";

export const FAMILIES: readonly Family[] = ["arp", "ip", "ip6", "netdev"];

/** Set declarations by family, in the order in which rules need them. */
export const SETS: Readonly<Record<Family, readonly string[]>> = {
  arp: ["set guarded4 { type ipv4_addr; }", "set home4 { type ifname . ipv4_addr; }"],
  ip: [
    "set guarded4 { type ipv4_addr; }",
    "set owned4 { type ipv4_addr; flags timeout; }",
    "set draining4 { type ipv4_addr; flags timeout; }",
    "map handover4 { type ipv4_addr : ipv4_addr; flags timeout; }",
    "map moving4 { type ipv4_addr : verdict; flags timeout; }",
    `set started4 { type ipv4_addr . inet_service . ipv4_addr . inet_service; flags dynamic, timeout; size 1048576; }`,
  ],
  ip6: [
    "set guarded6 { type ipv6_addr; }",
    "set owned6 { type ipv6_addr; flags timeout; }",
    "set draining6 { type ipv6_addr; flags timeout; }",
    "map handover6 { type ipv6_addr : ipv6_addr; flags timeout; }",
    "map moving6 { type ipv6_addr : verdict; flags timeout; }",
    `set started6 { type ipv6_addr . inet_service . ipv6_addr . inet_service; flags dynamic, timeout; size 1048576; }`,
  ],
  // nftables before 1.0.7 has no name for the target of a neighbour message, and compares raw octets with raw sets only.
  netdev: [
    "set guarded4 { type ipv4_addr; }",
    "set owned4 { type ipv4_addr; flags timeout; }",
    "set guarded6 { typeof @th,64,128; }",
    "set owned6 { typeof @th,64,128; flags timeout; }",
    // Asked by no rule: what makes a claim fail that comes too late (fence.ts); IPv4 addresses in it are mapped ones.
    "set permit { typeof @th,64,128; flags timeout; }",
  ],
};

/** The chains that are the same on every host. */
export function commonChains(): readonly Chain[] {
  return [
    {
      family: "arp",
      name: "input",
      hook: "type filter hook input priority 0; policy accept;",
      rules: ["arp operation request arp daddr ip @guarded4 iifname . arp daddr ip != @home4 counter drop"],
    },
    {
      family: "arp",
      name: "output",
      hook: "type filter hook output priority 0; policy accept;",
      rules: ["arp saddr ip @guarded4 oifname . arp saddr ip != @home4 counter drop"],
    },
    ...internet("ip", "4", "ip"),
    ...internet("ip6", "6", "ip6"),
    {
      family: "netdev",
      name: "arp_in",
      rules: [
        "arp operation request arp daddr ip @guarded4 arp daddr ip != @owned4 " +
          "arp saddr ip != 0.0.0.0 arp saddr ip != @guarded4 counter drop",
      ],
    },
    {
      family: "netdev",
      name: "arp_out",
      rules: ["@ll,96,16 0x86dd counter drop", "arp saddr ip @guarded4 arp saddr ip != @owned4 counter drop"],
    },
    {
      family: "netdev",
      name: "nd_in",
      rules: [`icmpv6 type nd-neighbor-solicit ip6 saddr != :: ${TARGET} @guarded6 ${TARGET} != @owned6 counter drop`],
    },
    {
      family: "netdev",
      name: "nd_out",
      rules: [
        "@ll,96,16 0x0806 counter drop",
        "meta l4proto != icmpv6 accept",
        `icmpv6 type nd-neighbor-advert ${TARGET} @guarded6 ${TARGET} != @owned6 counter drop`,
        // A solicitation with our link-layer address in it teaches its receiver as an advertisement would.
        `icmpv6 type { nd-neighbor-solicit, nd-router-solicit } ${SOURCE} @guarded6 ${SOURCE} != @owned6 counter drop`,
      ],
    },
  ];
}

/** The chains that hang on one interface. */
export function interfaceChains(ifname: string): readonly Chain[] {
  if (!/^[^"\s/]{1,15}$/.test(ifname)) throw new TypeError(`not an interface's name: ${ifname}`);
  return [
    {
      family: "netdev",
      name: `in_${identifier(ifname)}`,
      hook: `type filter hook ingress device "${ifname}" priority -300; policy accept;`,
      rules: ["meta protocol vmap { arp : goto arp_in, ip6 : goto nd_in }"],
    },
    {
      family: "netdev",
      name: `out_${identifier(ifname)}`,
      hook: `type filter hook egress device "${ifname}" priority 300; policy accept;`,
      rules: [
        "meta protocol vmap { ip : accept, arp : goto arp_out, ip6 : goto nd_out }",
        // What a packet socket sends is of the protocol that the socket says.  One that says another than its frames
        // carry would slip by the rules of the right one, so such frames do not leave at all (here and in both chains).
        "@ll,96,16 { 0x0806, 0x86dd } counter drop",
      ],
    },
  ];
}

export function chainText(chain: Chain): string {
  const lines = chain.hook === undefined ? chain.rules : [chain.hook, ...chain.rules];
  return `chain ${chain.name} {\n${lines.map((line) => `    ${line}`).join("\n")}\n  }`;
}

/** How long a flow that began here is remembered: longer than any handover lasts. */
export const LONGEST_HANDOVER = 300_000;

/**
 * Handover.  Right after a graceful move, packets of flows that began at the previous owner arrive here.  A flow whose
 * SYN we have seen since is ours; any other segment is passed on, unchanged, to the previous owner, which answers the
 * client directly.  This asks neither for connection tracking (which would cost every packet of the host, always) nor
 * for forwarding.
 */
function internet(family: "ip" | "ip6", digit: "4" | "6", ip: string): readonly Chain[] {
  const flow = `${ip} saddr . tcp sport . ${ip} daddr . tcp dport`;
  return [
    {
      family,
      name: "moving",
      rules: [
        `tcp flags & (fin | syn | rst | ack) == syn add @started${digit} { ${flow} timeout ${LONGEST_HANDOVER / 1000}s } accept`,
        `${flow} @started${digit} accept`,
        `dup to ${ip} daddr map @handover${digit} drop`,
      ],
    },
    { family, name: "mine", rules: [`meta l4proto tcp ${ip} daddr vmap @moving${digit}`] },
    {
      family,
      name: "to_guarded",
      rules: [
        `${ip} daddr @owned${digit} goto mine`,
        `${ip} daddr @draining${digit} accept`,
        "fib daddr type local counter drop",
      ],
    },
    {
      family,
      name: "from_guarded",
      rules: [`${ip} saddr @owned${digit} accept`, `${ip} saddr @draining${digit} accept`, "counter drop"],
    },
    {
      family,
      name: "prerouting",
      // Before connection tracking and everybody's filters: what is not ours to receive leaves no trace there.
      hook: "type filter hook prerouting priority -310; policy accept;",
      rules: [`${ip} daddr @guarded${digit} goto to_guarded`],
    },
    {
      family,
      name: "output",
      hook: "type filter hook output priority -310; policy accept;",
      rules: [`${ip} saddr @guarded${digit} goto from_guarded`],
    },
  ];
}

/** Letters and digits as they are, everything else as its code point: chain names are identifiers. */
function identifier(ifname: string): string {
  return ifname.replace(/[^A-Za-z0-9]/gu, (char) => `_${char.codePointAt(0)?.toString(16) ?? ""}_`);
}

/** Octets 8 to 23 of a neighbour message (RFC 4861 §4.3, §4.4), and the source address of an IPv6 packet. */
const TARGET = "@th,64,128";
const SOURCE = "@nh,64,128";
