/**
 * The far end of the loss shield: of a packet that came by two tunnels one goes on, with the code point of its class.
 * Pure.  The near end is shield-copies.ts.
 *
 * One for one: a packet that goes on leaves its key behind, the other one takes the key away and is dropped.  So of
 * datagrams that are the same to the octet as many go on as came by the better of the two paths, never fewer.  Before
 * connection tracking (priority raw, but after reassembly), which sees each packet once.  What the key consists of: the
 * addresses, of IPv4 length and identification, of IPv6 length, next header and hop limit, and the first 16 octets
 * above: of UDP its header and 8 octets of the payload, of TCP everything up to the window.
 *
 * A copy that goes on does not move the way back of its flow: that stays with the tunnel of the originals.
 * Left out on purpose: two that come in the same microsecond on two processors may both go on.
 */

import { shieldCodes, shieldLabel } from "../../base/shield-codes.ts";
import { interfaceSet } from "./match.ts";
import { braces } from "./spans.ts";
import type { Chain, Writing } from "./writing.ts";

/** Name of the counter of packets that were dropped since the other one had come, by code point. */
export function duplicatesCounter(dscp: number): string {
  return `duplicates_${dscp}`;
}

/** Sets and counters. */
export function shieldObjects(writing: Writing): readonly string[] {
  if (writing.shielded.length === 0) return [];
  const sets = KEYS.flatMap(({ name, key }) =>
    ["came", "copied"].map(
      (which) => `set ${which}${name} { typeof ${key}; flags dynamic,timeout; timeout ${KEPT}; size ${MOST}; }`,
    ),
  );
  return [...sets, ...writing.shielded.map((dscp) => `counter ${duplicatesCounter(dscp)} { }`)];
}

export function shieldChains(writing: Writing): readonly Chain[] {
  const { shielded } = writing;
  const devices = writing.plan.tunnels.map(({ ifname }) => ifname);
  if (shielded.length === 0) return [];
  const verdicts = (family: string): string =>
    braces(
      shielded.flatMap((dscp) => {
        const { original, copy } = shieldCodes(dscp);
        return [`${original} : goto original${family}_${dscp}`, `${copy} : goto copy${family}_${dscp}`];
      }),
    );
  return [
    ...shielded.flatMap((dscp) => [
      ...KEYS.flatMap((kind) => passing(kind, dscp)),
      ...FAMILIES.flatMap(({ family, ip, short }) =>
        ["original", "copy"].map((which) => ({
          name: `${which}${family}_${dscp}`,
          rules: [
            `${ip} dscp set ${dscp}`,
            `${short} goto ${which}${family}s_of_${dscp}`,
            `goto ${which}${family}_of_${dscp}`,
          ],
        })),
      ),
    ]),
    {
      name: "shield",
      hook: "type filter hook prerouting priority raw; policy accept;",
      rules:
        devices.length === 0
          ? []
          : [
              `iifname != ${interfaceSet(devices)} accept`,
              ...FAMILIES.map(({ family, ip }) => `${ip} dscp vmap ${verdicts(family)}`),
            ],
    },
    {
      name: "shield_label",
      rules: FAMILIES.flatMap(({ ip }) =>
        shielded.map((dscp) => `${ip} dscp ${dscp} ct label set ${shieldLabel(dscp)} return`),
      ),
    },
  ];
}

/** What a flow's packet that comes in by a tunnel says of its way back. */
export function wayBack(writing: Writing, value: number): readonly string[] {
  if (writing.shielded.length === 0) return [`jump set_${value}`];
  return [
    "ct state new jump shield_label",
    `meta priority != ${COPY} jump set_${value}`,
    `${writing.none("ct mark")} jump set_${value}`,
  ];
}

/** Of two with the same key one goes on. */
function passing({ name, key }: Key, dscp: number): readonly Chain[] {
  const dropped = (seen: "came" | "copied"): string =>
    `${key} @${seen}${name} delete @${seen}${name} { ${key} } counter name ${duplicatesCounter(dscp)} drop`;
  return [
    { name: `original${name}_of_${dscp}`, rules: [dropped("copied"), `add @came${name} { ${key} }`] },
    {
      name: `copy${name}_of_${dscp}`,
      rules: [dropped("came"), `meta priority set ${COPY}`, `add @copied${name} { ${key} }`],
    },
  ];
}

interface Key {
  readonly name: string;
  readonly key: string;
}
/** `short`: too few octets above for the long key. */
const FAMILIES = [
  { family: "4", ip: "ip", short: "ip length < 36" },
  { family: "6", ip: "ip6", short: "ip6 length < 16" },
] as const;
const KEYS: readonly Key[] = [
  ["", 128] as const,
  ["s", 64] as const, // UDP with less than 8 octets of payload
].flatMap(([short, bits]): readonly Key[] => [
  { name: `4${short}`, key: `ip saddr . ip daddr . @nh,16,32 . @th,0,${bits}` },
  { name: `6${short}`, key: `ip6 saddr . ip6 daddr . @nh,32,32 . @th,0,${bits}` },
]);
/** Socket priority of copies, until they are routed: it says nothing there, and forwarding writes another one. */
const COPY = "6e76:0002";
/** More than paths differ; identifications do not come again within it. */
const KEPT = "1s";
/** Keys; more than that go on unseen, twice. */
const MOST = 65_536;
