/** Chains that the kernel calls: where packets come in, leave, and are left alone.  Pure. */
import { formatPrefix } from "../../base/address.ts";
import { overlayPeers } from "./lanes.ts";
import { interfaceSet, interfaceText } from "./match.ts";
import { braces, numberSet } from "./spans.ts";
import { type Chain, remark, type Writing } from "./writing.ts";

/**
 * Socket priority of segments that make a client look at a connection again (nudge.ts).  They are of no flow that the
 * kernel tracks: it would take them for a new one in the opposite direction, and drop them.
 */
export const NUDGE_PRIORITY = 0x6e76_0001;
const NUDGE_CLASS = "6e76:0001";

export function hookChains(writing: Writing): readonly Chain[] {
  const { links, tunnels } = writing.plan;
  const devices = writing.devices;
  const marked = `${writing.masked("meta mark")} != 0 accept`;
  const shielded = links.filter(({ masquerade }) => masquerade).map(({ ifname }) => ifname);
  const pinned = writing.lanes.pinned.length > 0;
  return [
    {
      name: "untracked",
      hook: "type filter hook output priority raw; policy accept;",
      rules: [`meta priority ${NUDGE_CLASS} notrack`],
    },
    {
      name: "prerouting",
      hook: "type filter hook prerouting priority mangle; policy accept;",
      rules: [
        'iifname "lo" accept',
        marked,
        ...NOWHERE,
        ...between(writing),
        "ct direction original goto original_in",
        "ct direction reply goto reply_in",
      ],
    },
    {
      name: "output",
      hook: "type route hook output priority mangle; policy accept;",
      rules: [
        'oifname "lo" accept',
        marked,
        ...NOWHERE,
        ...DHCP,
        ...between(writing),
        "ct direction original jump original_out",
        "ct direction reply jump reply_out",
        ...cleared(writing),
      ],
    },
    {
      name: "postrouting",
      hook: "type filter hook postrouting priority mangle; policy accept;",
      rules: [
        ...tunnels
          .filter(({ dscp }) => dscp !== 0)
          .flatMap(({ mark, listenPort, dscp }) =>
            remark(dscp).map(
              (set) => `${writing.masked("meta mark")} == ${writing.bits(mark)} udp sport ${listenPort} ${set}`,
            ),
          ),
        ...(devices.length === 0
          ? []
          : ["oifname", "iifname"].map((field) => `${field} ${interfaceSet(devices)} ${CLAMP}`)),
        ...(pinned
          ? [
              `ct direction original ct state new oifname vmap ${braces(
                writing.doors.map(({ ifname, mark }) => `${interfaceText(ifname)} : goto pin_${mark}`),
              )}`,
            ]
          : []),
      ],
    },
    {
      name: "srcnat",
      hook: "type nat hook postrouting priority srcnat + 10; policy accept;",
      rules:
        shielded.length === 0 ? [] : [`oifname ${interfaceSet(shielded)} fib saddr . oif type != local masquerade`],
    },
  ];
}

/** The proxy's tokens are not for the wire; the rule is reached by what no class gave a code point of its own. */
function cleared(writing: Writing): readonly string[] {
  return writing.plan.classes.flatMap(({ match: { proxied, users } }) => {
    if (proxied.length === 0) return [];
    const who = users.length === 0 ? "meta skuid 0-4294967294" : `meta skuid ${numberSet(users)}`;
    return [
      `${who} ip dscp ${numberSet(proxied)} ip dscp set 0`,
      `${who} ip6 dscp ${numberSet(proxied)} ip6 dscp set 0`,
    ];
  });
}

/** Probes, BFD and messages between sites. */
function between(writing: Writing): readonly string[] {
  const own = writing.lanes.overlay;
  const peers = overlayPeers(writing.plan);
  const pair = (ip: string, here: readonly string[], there: readonly string[]): readonly string[] =>
    here.length === 0 || there.length === 0
      ? []
      : [
          `meta l4proto udp ${ip} saddr ${braces(here)} ${ip} daddr ${braces(there)} accept`,
          `meta l4proto udp ${ip} saddr ${braces(there)} ${ip} daddr ${braces(here)} accept`,
        ];
  return [
    ...pair("ip", own.v4.map(formatPrefix), peers.v4.map(formatPrefix)),
    ...pair("ip6", own.v6.map(formatPrefix), peers.v6.map(formatPrefix)),
  ];
}

/** Link-local, multicast, broadcast: where no routing table leads. */
const NOWHERE = [
  "ip daddr { 169.254.0.0/16, 224.0.0.0/4, 255.255.255.255 } accept",
  "ip6 daddr { fe80::/10, ff00::/8 } accept",
];
/** To the smaller MTU of the two ways, that to the receiver and that back; never upwards. */
const CLAMP = "tcp flags & (syn | rst) == syn tcp option maxseg size set rt mtu";
/** A client of ours has to reach the server of the link that it asks on. */
const DHCP = ["udp sport . udp dport { 68 . 67, 546 . 547 } accept"];
