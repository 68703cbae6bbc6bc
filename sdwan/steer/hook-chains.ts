/**
 * Chains that the kernel calls: where packets come in, leave, and are left alone.  Pure.
 *
 * Every packet of this host passes them, a tunnel's twice: inside and outside.  So what is true of most packets is asked
 * first, by numbers rather than names and sets, and what only a flow's first packet can need is asked of that alone.
 */
import { apart, BETWEEN, between } from "./alone.ts";
import { interfaceSet, interfaceText } from "./match.ts";
import { sourceNat } from "./source-nat.ts";
import { braces, numberSet } from "./spans.ts";
import { type Chain, remark, type Writing } from "./writing.ts";

export function hookChains(writing: Writing): readonly Chain[] {
  const { links, tunnels } = writing.plan;
  const devices = writing.devices;
  const marked = `${writing.masked("meta mark")} != 0 accept`;
  const pinned = writing.lanes.pinned.length > 0;
  const outer = tunnels.filter(({ dscp }) => dscp !== 0);
  const ports = [...new Set(outer.map(({ listenPort }) => listenPort))];
  return [
    ...asChain(BETWEEN, between(writing)),
    ...ports.map(
      (port): Chain => ({
        name: `outer_${port}`,
        rules: outer
          .filter(({ listenPort }) => listenPort === port)
          .flatMap(({ mark, dscp }) =>
            remark(dscp).map((set) => `${writing.masked("meta mark")} == ${writing.bits(mark)} ${set}`),
          ),
      }),
    ),
    ...asChain(
      "clamp",
      devices.length === 0 ? [] : ["oifname", "iifname"].map((field) => `${field} ${interfaceSet(devices)} ${CLAMP}`),
    ),
    {
      name: "prerouting",
      hook: "type filter hook prerouting priority mangle; policy accept;",
      rules: [
        marked,
        "iiftype loopback accept",
        "ct direction original goto original_in",
        "ct direction reply goto reply_in",
      ],
    },
    {
      name: "output",
      hook: "type route hook output priority mangle; policy accept;",
      rules: [
        marked,
        "oiftype loopback accept",
        ...apart(writing),
        "ct direction original jump original_out",
        "ct direction reply jump reply_out",
        ...cleared(writing),
      ],
    },
    {
      name: "postrouting",
      hook: "type filter hook postrouting priority mangle; policy accept;",
      rules: [
        ...(ports.length === 0
          ? []
          : [
              `${writing.masked("meta mark")} != 0 udp sport vmap ${braces(
                ports.map((port) => `${port} : goto outer_${port}`),
              )}`,
            ]),
        ...(devices.length === 0 ? [] : [`${SYN} jump clamp`]),
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
      rules: sourceNat(links),
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

function asChain(name: string, rules: readonly string[]): readonly Chain[] {
  return rules.length === 0 ? [] : [{ name, rules }];
}

/** Segments that say a maximum. */
const SYN = "tcp flags & (syn | rst) == syn";
/** To the smaller MTU of the two ways, that to the receiver and that back; never upwards. */
const CLAMP = "tcp option maxseg size set rt mtu";
