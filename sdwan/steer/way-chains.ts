/** Chains for the two directions of flows, by the devices that packets come and go by.  Pure. */
import { apart, DHCP, DHCP_ANSWER, NOBODY, NOWHERE } from "./alone.ts";
import { type Lanes, remoteNetworks } from "./lanes.ts";
import { interfaceSet, interfaceText } from "./match.ts";
import { wayBack } from "./shield-chains.ts";
import { isBare } from "./source-nat.ts";
import { braces, networksOf } from "./spans.ts";
import { type ByValue, type Chain, to, type Writing } from "./writing.ts";

/** Values bound to links that died: their flows to the internet are refused. */
export const DEAD_SET = "dead";

export function wayChains(writing: Writing): readonly Chain[] {
  return [...deviceChains(writing), ...directionChains(writing)];
}

/** Devices: what comes in by them, what leaves by them. */
function deviceChains(writing: Writing): readonly Chain[] {
  const { links, tunnels } = writing.plan;
  const theirs = [...writing.lanes.forward.keys()];
  return [
    ...links.flatMap((link): readonly Chain[] => {
      const own = writing.lanes.link.get(link.name);
      const enter = `goto enter_${link.mark}`;
      if (own === undefined) return [{ name: `from_link_${link.mark}`, rules: [enter] }];
      return [
        {
          name: `from_link_${link.mark}`,
          rules: [`${writing.none("ct mark")} ct state new goto met_${link.mark}`, enter],
        },
        {
          name: `met_${link.mark}`,
          rules: [
            ...NOWHERE,
            ...apart(writing),
            // What is answered to these is left alone.
            ...[...NOBODY, DHCP_ANSWER].map((source) => `${source} ${enter}`),
            `jump set_${own}`,
            enter,
          ],
        },
      ];
    }),
    ...tunnels.flatMap((tunnel, index): readonly Chain[] => {
      const back = writing.lanes.back.get(tunnel.ifname);
      if (back === undefined) return [];
      const near = networksOf(writing.plan.prefixes);
      return [
        {
          name: `from_tunnel_${index}`,
          rules: [
            ...to(near, "accept").map((line) => `${writing.masked("ct mark")} == ${writing.bits(back)} ${line}`),
            ...NOWHERE,
            ...apart(writing),
            ...(theirs.length === 0 ? [] : [`${writing.one("ct mark", theirs)} return`]),
            ...NOBODY.map((source) => `${source} accept`),
            ...wayBack(writing, back),
            ...to(near, "accept"),
            "fib daddr type local accept",
            `fib daddr oifname ${interfaceSet(writing.devices)} goto transit`,
          ],
        },
      ];
    }),
    ...links.map((link): Chain => {
      const pins = writing.lanes.pinned.filter((pin) => pin.link === link.name);
      return {
        name: `pin_${link.mark}`,
        rules: [
          // To a site, but in no tunnel yet: the flow has to be free to go into one.
          ...to(remoteNetworks(writing.plan), "return"),
          ...writing.vmap(
            homes(pins).map(({ value, home }): ByValue => [home, `goto set_${value}`]),
            "ct mark",
          ),
        ],
      };
    }),
  ];
}

/** One pin for each home: several classes of the list may share a value. */
function homes(pins: Lanes["pinned"]): Lanes["pinned"] {
  return [...new Map(pins.map((pin) => [pin.home, pin])).values()];
}

function directionChains(writing: Writing): readonly Chain[] {
  const { links, tunnels } = writing.plan;
  const forward = [...writing.lanes.forward.keys()].map((value) => [value, `goto go_${value}`] as const);
  const backward = [...writing.lanes.link.values(), ...writing.lanes.back.values()].map(
    (value) => [value, `goto go_${value}`] as const,
  );
  const returning = remarkOnReturn(writing);
  const entrances = [
    ...writing.doors.map(({ ifname, mark }) => `${interfaceText(ifname)} : goto from_link_${mark}`),
    ...tunnels.flatMap(({ ifname }, index) =>
      writing.lanes.back.has(ifname) ? [`${interfaceText(ifname)} : goto from_tunnel_${index}`] : [],
    ),
  ];
  const { devices } = writing;
  const near = writing.near.v4.length + writing.near.v6.length === 0 ? [] : neighbours(writing);
  return [
    ...(writing.lanes.pinned.length === 0 ? [] : refusal(writing)),
    {
      name: "fresh",
      rules: [
        "jump classify",
        ...(writing.lanes.pinned.length === 0 ? [] : [`${writing.masked("ct mark")} @${DEAD_SET} jump unpin`]),
      ],
    },
    {
      name: "original_in",
      rules: [
        ...(entrances.length === 0 ? [] : [`iifname vmap ${braces(entrances)}`]),
        ...(writing.lanes.pinned.length === 0 ? [] : [`${writing.masked("ct mark")} @${DEAD_SET} jump refuse`]),
        `${writing.none("ct mark")} ct state new jump arriving`,
        ...writing.vmap(forward, "ct mark"),
      ],
    },
    {
      name: "arriving",
      rules: [
        ...NOWHERE,
        ...apart(writing),
        "fib daddr type { local, broadcast, multicast, anycast } return",
        ...near,
        ...(devices.length === 0 ? [] : [`fib daddr oifname ${interfaceSet(devices)} goto fresh`]),
        "fib daddr oif missing goto fresh",
      ],
    },
    {
      name: "original_out",
      rules: [
        ...(devices.length === 0
          ? []
          : [`${writing.none("ct mark")} ct state new oifname ${interfaceSet(devices)} jump leaving`]),
        ...writing.vmap(forward, "ct mark"),
      ],
    },
    { name: "leaving", rules: [...NOWHERE, DHCP, ...near, "goto fresh"] },
    ...returning.map(({ dscp }) => ({
      name: `home_${dscp}`,
      rules: [`iifname ${interfaceSet(links.map(({ ifname }) => ifname))} goto dscp_${dscp}`],
    })),
    {
      name: "reply_in",
      rules: writing.vmap(
        [
          ...returning.flatMap(({ dscp, values }) => values.map((value): ByValue => [value, `goto home_${dscp}`])),
          ...backward,
        ],
        "ct mark",
      ),
    },
    { name: "reply_out", rules: writing.vmap(backward, "ct mark") },
  ];
}

/**
 * Forwarded flows to the internet by a link that is dead: a reset tells the client, which else would wait for minutes.
 * Flows in tunnels have the same value and live on by another link; what tells them apart is that they keep their
 * source address.  Where a link does not hide sources, the destination tells.
 */
function refusal(writing: Writing): readonly Chain[] {
  const bare = new Set(writing.plan.links.filter(isBare).map(({ name }) => name));
  const open = writing.lanes.pinned.filter(({ link }) => bare.has(link)).map(({ value }) => value);
  return [
    {
      name: "refuse",
      rules: [
        "ct status snat goto reset_flow",
        ...(open.length === 0
          ? []
          : [...to(remoteNetworks(writing.plan), "return"), `${writing.one("ct mark", open)} goto reset_flow`]),
      ],
    },
    { name: "reset_flow", rules: ["meta l4proto tcp counter reject with tcp reset"] },
  ];
}

/** Answers that come by a WAN link get the code point of their class: values by code point. */
function remarkOnReturn({
  plan,
  lanes,
}: Writing): readonly { readonly dscp: number; readonly values: readonly number[] }[] {
  if (plan.links.length === 0) return [];
  return [...new Set(lanes.dscp.values())].map((dscp) => ({
    dscp,
    values: [...lanes.dscp].flatMap(([value, code]) => (code === dscp ? [value] : [])),
  }));
}

/** A modem's own page, a provider's resolver on the wire: by another link they are not there. */
function neighbours({ plan, near }: Writing): readonly string[] {
  return [...to(remoteNetworks(plan), "goto fresh"), ...to(near, "return")];
}
