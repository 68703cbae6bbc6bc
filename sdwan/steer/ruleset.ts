/**
 * The nftables table that classifies packets, as data (driver/ruleset-keeper.ts puts it into the kernel).  Pure.
 *
 * A flow's connection mark holds one value.  A class's, or that of a class bound to a link: then packets of the original
 * direction carry it.  That of a tunnel or of a link, when the flow came in by it: then its answers carry it.  Which
 * table a value looks in, rules.ts says.  Only our own bits of both marks are ever changed.
 *
 * Left alone: what carries a value already (tunnels' outer packets, probes), loopback, link-local, multicast and
 * broadcast, this host's addresses, what would go to a network of this site anyway, DHCP, and the probes, BFD and
 * messages between the overlay addresses of sites, which have to stay on their device.
 */
import { formatPrefix } from "../../base/address.ts";
import { type Lanes, lanesOf, overlayPeers, remoteNetworks } from "./lanes.ts";
import { interfaceSet, interfaceText, matchLines } from "./match.ts";
import type { MarkLayout, SteeringPlan } from "./part.ts";
import { shares } from "./shares.ts";
import { braces, type Networks, networksOf, numberSet, prefixSet } from "./spans.ts";

export interface Chain {
  readonly name: string;
  /** The hook line of a base chain. */
  readonly hook?: string;
  readonly rules: readonly string[];
}

export interface Ruleset {
  readonly sets: readonly string[];
  readonly chains: readonly Chain[];
  /** Sets whose elements come and go with time, and outlive a change of rules. */
  readonly living: readonly string[];
}

/**
 * Socket priority of segments that make a client look at a connection again (driver/reset.ts).  They are of no flow that
 * the kernel tracks: it would take them for a new one in the opposite direction, and drop them.
 */
export const NUDGE_PRIORITY = 0x6e76_0001;
const NUDGE_CLASS = "6e76:0001";

/** Values bound to links that died: their flows to the internet are refused. */
export const DEAD_SET = "dead";

export function rulesetOf(plan: SteeringPlan, mark: MarkLayout): Ruleset {
  return new Writing(plan, mark).ruleset();
}

/** Names of the sets for a list of host names: the same for the same list, so that what was learnt outlives a change. */
export function hostSets(hosts: readonly string[]): { readonly v4: string; readonly v6: string } {
  const name = fingerprint([...new Set(hosts)].toSorted().join(" "));
  return { v4: `hosts4_${name}`, v6: `hosts6_${name}` };
}

export function chainText(chain: Chain): string {
  const lines = chain.hook === undefined ? chain.rules : [chain.hook, ...chain.rules];
  return `chain ${chain.name} {\n${lines.map((line) => `    ${line}\n`).join("")}  }`;
}

class Writing {
  readonly #plan: SteeringPlan;
  readonly #mark: MarkLayout;
  readonly #lanes: Lanes;
  readonly #any: string;

  constructor(plan: SteeringPlan, mark: MarkLayout) {
    this.#plan = plan;
    this.#mark = mark;
    this.#lanes = lanesOf(plan);
    this.#any = `0x${mark.mask.toString(16).padStart(8, "0")}`;
  }

  ruleset(): Ruleset {
    const named = this.#plan.classes.flatMap(({ match: { hosts } }) => (hosts.length === 0 ? [] : [hostSets(hosts)]));
    const hosts = [...new Map(named.map((sets) => [sets.v4, sets])).values()];
    return {
      sets: [
        `set ${DEAD_SET} { type mark; }`,
        ...hosts.flatMap(({ v4, v6 }) => [
          `set ${v4} { type ipv4_addr; flags timeout; }`,
          `set ${v6} { type ipv6_addr; flags timeout; }`,
        ]),
      ],
      chains: [...this.#values(), ...this.#classes(), ...this.#ways(), ...this.#directions(), ...this.#hooks()],
      living: [DEAD_SET, ...hosts.flatMap(({ v4, v6 }) => [v4, v6])],
    };
  }

  /** For each value: `set_` writes it into the connection, `go_` into the packet. */
  #values(): readonly Chain[] {
    return this.#plan.lanes.flatMap(({ mark }): readonly Chain[] => {
      const rest = `0x${(~this.#mark.mask >>> 0).toString(16)}`;
      const bits = this.#bits(mark);
      return [
        { name: `set_${mark}`, rules: [`ct mark set ct mark & ${rest} | ${bits}`] },
        { name: `go_${mark}`, rules: [`meta mark set meta mark & ${rest} | ${bits}`, ...this.#remark(mark)] },
      ];
    });
  }

  /** What the class of a value says of the DSCP field. */
  #remark(value: number): readonly string[] {
    const dscp = this.#lanes.dscp.get(value);
    return dscp === undefined ? [] : [...remark(dscp), "accept"];
  }

  /** New flows: which class, and of a balanced class which link. */
  #classes(): readonly Chain[] {
    const { classes } = this.#plan;
    const lines = (target: (index: number) => string): readonly string[] =>
      classes.flatMap(({ match }, index) =>
        matchLines(match, hostSets(match.hosts)).map((line) => `${line} goto ${target(index)}`.trimStart()),
      );
    return [
      ...classes.map(({ name, mark, balance }, index): Chain => {
        const slots = balance === undefined ? [] : shares(this.#pins(name, balance));
        if (slots.length === 0) return { name: `class_${index}`, rules: ["counter", `goto set_${mark}`] };
        const verdicts = slots.map((value, slot) => `${slot} : goto set_${value}`);
        return {
          name: `class_${index}`,
          rules: ["counter", `numgen inc mod ${slots.length} vmap ${braces(verdicts)}`],
        };
      }),
      { name: "classify", rules: lines((index) => `class_${index}`) },
      // Packet by packet: the connection's mark is taken by the way back.
      { name: "transit", rules: lines((index) => `go_${classes[index]?.mark ?? 0}`) },
      // A new flow that was dealt to a link which is dead goes where its class goes.
      {
        name: "unpin",
        rules: this.#vmap(
          this.#lanes.pinned.map(({ value, home }) => [value, `goto set_${home}`] as const),
          "ct mark",
        ),
      },
      // What a class says of packets that come in by a link which it names: the trust boundary.
      ...this.#plan.links.flatMap((link): readonly Chain[] => {
        const rules = classes.flatMap(({ match, dscp }) =>
          dscp === undefined || !match.interfaces.includes(link.ifname)
            ? []
            : matchLines({ ...match, interfaces: [link.ifname] }, hostSets(match.hosts)).map(
                (line) => `${line} goto dscp_${dscp}`,
              ),
        );
        return [{ name: `enter_${link.mark}`, rules }];
      }),
      ...[...new Set(classes.flatMap(({ dscp }) => (dscp === undefined ? [] : [dscp])))].map((dscp) => ({
        name: `dscp_${dscp}`,
        rules: remark(dscp),
      })),
    ];
  }

  /** Weights by link become weights by value; links without a lane for this class are left out. */
  #pins(name: string, balance: Readonly<Record<string, number>>): readonly (readonly [number, number])[] {
    return Object.entries(balance).flatMap(([link, weight]) => {
      const value = this.#lanes.pinned.find((pin) => pin.name === name && pin.link === link)?.value;
      return value === undefined || weight <= 0 ? [] : [[value, weight] as const];
    });
  }

  /** Devices: what comes in by them, what leaves by them. */
  #ways(): readonly Chain[] {
    const { links, tunnels } = this.#plan;
    const theirs = [...this.#lanes.forward.keys()];
    return [
      ...links.map((link): Chain => {
        const own = this.#lanes.link.get(link.name);
        return {
          name: `from_link_${link.mark}`,
          rules: [
            ...(own === undefined ? [] : [`${this.#none("ct mark")} ct state new jump set_${own}`]),
            `goto enter_${link.mark}`,
          ],
        };
      }),
      ...tunnels.flatMap((tunnel, index): readonly Chain[] => {
        const back = this.#lanes.back.get(tunnel.ifname);
        if (back === undefined) return [];
        return [
          {
            name: `from_tunnel_${index}`,
            rules: [
              ...(theirs.length === 0 ? [] : [`${this.#one("ct mark", theirs)} return`]),
              `jump set_${back}`,
              ...this.#to(networksOf(this.#plan.prefixes), "accept"),
              "fib daddr type local accept",
              `fib daddr oifname ${interfaceSet(this.#devices())} goto transit`,
            ],
          },
        ];
      }),
      ...links.map((link): Chain => {
        const pins = this.#lanes.pinned.filter((pin) => pin.link === link.name);
        return {
          name: `pin_${link.mark}`,
          rules: this.#vmap(
            this.#homes(pins).map(({ value, home }) => [home, `goto set_${value}`] as const),
            "ct mark",
          ),
        };
      }),
    ];
  }

  /** One pin for each home: several classes of the list may share a value. */
  #homes(pins: Lanes["pinned"]): Lanes["pinned"] {
    return [...new Map(pins.map((pin) => [pin.home, pin])).values()];
  }

  #directions(): readonly Chain[] {
    const { links, tunnels } = this.#plan;
    const forward = [...this.#lanes.forward.keys()].map((value) => [value, `goto go_${value}`] as const);
    const backward = [...this.#lanes.link.values(), ...this.#lanes.back.values()].map(
      (value) => [value, `goto go_${value}`] as const,
    );
    const remarked =
      links.length === 0
        ? []
        : this.#vmap(this.#remarkOnReturn(), "ct mark", `iifname ${interfaceSet(links.map(({ ifname }) => ifname))} `);
    const entrances = [
      ...links.map(({ ifname, mark }) => `${interfaceText(ifname)} : goto from_link_${mark}`),
      ...tunnels.flatMap(({ ifname }, index) =>
        this.#lanes.back.has(ifname) ? [`${interfaceText(ifname)} : goto from_tunnel_${index}`] : [],
      ),
    ];
    const ways = this.#wayOut("fib daddr oifname");
    return [
      ...(this.#lanes.pinned.length === 0 ? [] : this.#refusal()),
      {
        name: "fresh",
        rules: [
          "jump classify",
          ...(this.#lanes.pinned.length === 0 ? [] : [`${this.#masked("ct mark")} @${DEAD_SET} jump unpin`]),
        ],
      },
      {
        name: "original_in",
        rules: [
          ...(entrances.length === 0 ? [] : [`iifname vmap ${braces(entrances)}`]),
          ...(this.#lanes.pinned.length === 0 ? [] : [`${this.#masked("ct mark")} @${DEAD_SET} jump refuse`]),
          `${this.#none("ct mark")} ct state new jump arriving`,
          ...this.#vmap(forward, "ct mark"),
        ],
      },
      {
        name: "arriving",
        rules: [
          "fib daddr type { local, broadcast, multicast, anycast } return",
          ...ways,
          "fib daddr oif missing goto fresh",
        ],
      },
      {
        name: "original_out",
        rules: [
          ...this.#wayOut("oifname", `${this.#none("ct mark")} ct state new `, "jump"),
          ...this.#vmap(forward, "ct mark"),
        ],
      },
      { name: "reply_in", rules: [...remarked, ...this.#vmap(backward, "ct mark")] },
      { name: "reply_out", rules: this.#vmap(backward, "ct mark") },
    ];
  }

  /**
   * Forwarded flows to the internet by a link that is dead: a reset tells the client, which else would wait for minutes.
   * Flows in tunnels have the same value and live on by another link; what tells them apart is that they keep their
   * source address.  Where a link does not hide sources, the destination tells.
   */
  #refusal(): readonly Chain[] {
    const bare = new Set(this.#plan.links.filter(({ masquerade }) => !masquerade).map(({ name }) => name));
    const open = this.#lanes.pinned.filter(({ link }) => bare.has(link)).map(({ value }) => value);
    return [
      {
        name: "refuse",
        rules: [
          "ct status snat goto reset_flow",
          ...(open.length === 0
            ? []
            : [...this.#to(remoteNetworks(this.#plan), "return"), `${this.#one("ct mark", open)} goto reset_flow`]),
        ],
      },
      { name: "reset_flow", rules: ["meta l4proto tcp counter reject with tcp reset"] },
    ];
  }

  #remarkOnReturn(): readonly (readonly [number, string])[] {
    return [...this.#lanes.forward.keys()].flatMap((value) => {
      const dscp = this.#lanes.dscp.get(value);
      return dscp === undefined ? [] : [[value, `goto dscp_${dscp}`] as const];
    });
  }

  /** Leads to a WAN link or into a tunnel: the only traffic that is ours to steer. */
  #wayOut(field: string, before = "", verb: "goto" | "jump" = "goto"): readonly string[] {
    const devices = this.#devices();
    return devices.length === 0 ? [] : [`${before}${field} ${interfaceSet(devices)} ${verb} fresh`];
  }

  #hooks(): readonly Chain[] {
    const { links, tunnels } = this.#plan;
    const devices = this.#devices();
    const marked = `${this.#masked("meta mark")} != 0 accept`;
    const shielded = links.filter(({ masquerade }) => masquerade).map(({ ifname }) => ifname);
    const pinned = this.#lanes.pinned.length > 0;
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
          ...this.#between(),
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
          ...this.#between(),
          "ct direction original jump original_out",
          "ct direction reply jump reply_out",
          ...this.#cleared(),
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
                (set) => `${this.#masked("meta mark")} == ${this.#bits(mark)} udp sport ${listenPort} ${set}`,
              ),
            ),
          ...(devices.length === 0
            ? []
            : [`oifname ${interfaceSet(devices)} tcp flags & (syn | rst) == syn tcp option maxseg size set rt mtu`]),
          ...(pinned
            ? [
                `ct direction original ct state new oifname vmap ${braces(
                  links.map(({ ifname, mark }) => `${interfaceText(ifname)} : goto pin_${mark}`),
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
  #cleared(): readonly string[] {
    return this.#plan.classes.flatMap(({ match: { proxied, users } }) => {
      if (proxied.length === 0) return [];
      const who = users.length === 0 ? "meta skuid 0-4294967294" : `meta skuid ${numberSet(users)}`;
      return [
        `${who} ip dscp ${numberSet(proxied)} ip dscp set 0`,
        `${who} ip6 dscp ${numberSet(proxied)} ip6 dscp set 0`,
      ];
    });
  }

  /** Probes, BFD and messages between sites. */
  #between(): readonly string[] {
    const own = this.#lanes.overlay;
    const peers = overlayPeers(this.#plan);
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

  #to({ v4, v6 }: Networks, verdict: string): readonly string[] {
    return [
      ...(v4.length === 0 ? [] : [`ip daddr ${prefixSet(v4)} ${verdict}`]),
      ...(v6.length === 0 ? [] : [`ip6 daddr ${prefixSet(v6)} ${verdict}`]),
    ];
  }

  #devices(): readonly string[] {
    return [...this.#plan.links, ...this.#plan.tunnels].map(({ ifname }) => ifname);
  }

  #vmap(verdicts: readonly (readonly [number, string])[], field: string, before = ""): readonly string[] {
    if (verdicts.length === 0) return [];
    const elements = verdicts.map(([value, verdict]) => `${this.#bits(value)} : ${verdict}`);
    return [`${before}${this.#masked(field)} vmap ${braces(elements)}`];
  }

  #one(field: string, values: readonly number[]): string {
    return `${this.#masked(field)} ${braces(values.map((value) => this.#bits(value)))}`;
  }
  #none(field: string): string {
    return `${this.#masked(field)} == 0`;
  }
  #masked(field: string): string {
    return `${field} & ${this.#any}`;
  }
  #bits(value: number): string {
    return `0x${this.#mark.of(value).toString(16).padStart(8, "0")}`;
  }
}

function remark(dscp: number): readonly string[] {
  return [`ip dscp set ${dscp}`, `ip6 dscp set ${dscp}`];
}

/** Link-local, multicast, broadcast: where no routing table leads. */
const NOWHERE = [
  "ip daddr { 169.254.0.0/16, 224.0.0.0/4, 255.255.255.255 } accept",
  "ip6 daddr { fe80::/10, ff00::/8 } accept",
];
/** A client of ours has to reach the server of the link that it asks on. */
const DHCP = ["udp sport . udp dport { 68 . 67, 546 . 547 } accept"];

/** FNV-1a, 32 bits. */
function fingerprint(text: string): string {
  let hash = 0x811c9dc5;
  for (const char of text) hash = Math.imul(hash ^ (char.codePointAt(0) ?? 0), 0x01000193);
  return (hash >>> 0).toString(16).padStart(8, "0");
}
