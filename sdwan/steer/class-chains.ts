/** Chains that say which class a flow is of, and write values into connections and packets.  Pure. */
import { apart, NOWHERE } from "./alone.ts";
import { matchLines } from "./match.ts";
import { shares } from "./shares.ts";
import { braces } from "./spans.ts";
import { type Chain, remark, type Writing } from "./writing.ts";

export function classChains(writing: Writing): readonly Chain[] {
  return [...valueChains(writing), ...flowChains(writing)];
}

/** Names of the sets for a list of host names: the same for the same list, so that what was learnt outlives a change. */
export function hostSets(hosts: readonly string[]): { readonly v4: string; readonly v6: string } {
  const name = fingerprint([...new Set(hosts)].toSorted().join(" "));
  return { v4: `hosts4_${name}`, v6: `hosts6_${name}` };
}

/** For each value: `set_` writes it into the connection, `go_` into the packet. */
function valueChains(writing: Writing): readonly Chain[] {
  return writing.plan.lanes.flatMap(({ mark }): readonly Chain[] => {
    const rest = `0x${(~writing.mark.mask >>> 0).toString(16)}`;
    const bits = writing.bits(mark);
    return [
      { name: `set_${mark}`, rules: [`ct mark set ct mark & ${rest} | ${bits}`] },
      { name: `go_${mark}`, rules: [`meta mark set meta mark & ${rest} | ${bits}`, ...remarkOf(writing, mark)] },
    ];
  });
}

/** What the class of a value says of the DSCP field. */
function remarkOf({ lanes }: Writing, value: number): readonly string[] {
  const dscp = lanes.dscp.get(value);
  return dscp === undefined ? [] : [...remark(dscp), "accept"];
}

/** New flows: which class, and of a balanced class which link. */
function flowChains(writing: Writing): readonly Chain[] {
  const { classes } = writing.plan;
  const lines = (target: (index: number) => string): readonly string[] =>
    classes.flatMap(({ match }, index) =>
      matchLines(match, hostSets(match.hosts)).map((line) => `${line} goto ${target(index)}`.trimStart()),
    );
  return [
    ...classes.map(({ name, mark, balance }, index): Chain => {
      const slots = balance === undefined ? [] : shares(pins(writing, name, balance));
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
      rules: writing.vmap(
        writing.lanes.pinned.map(({ value, home }) => [value, `goto set_${home}`] as const),
        "ct mark",
      ),
    },
    // What a class says of packets that come in by a link which it names: the trust boundary.
    ...writing.plan.links.flatMap((link): readonly Chain[] => {
      const rules = classes.flatMap(({ match, dscp }) =>
        dscp === undefined || !match.interfaces.includes(link.ifname)
          ? []
          : matchLines({ ...match, interfaces: [link.ifname] }, hostSets(match.hosts)).map(
              (line) => `${line} goto dscp_${dscp}`,
            ),
      );
      return [
        { name: `enter_${link.mark}`, rules: rules.length === 0 ? [] : [...NOWHERE, ...apart(writing), ...rules] },
      ];
    }),
    ...[...new Set(classes.flatMap(({ dscp }) => (dscp === undefined ? [] : [dscp])))].map((dscp) => ({
      name: `dscp_${dscp}`,
      rules: remark(dscp),
    })),
  ];
}

/** Weights by link become weights by value; links without a lane for this class are left out. */
function pins(
  writing: Writing,
  name: string,
  balance: Readonly<Record<string, number>>,
): readonly (readonly [number, number])[] {
  return Object.entries(balance).flatMap(([link, weight]) => {
    const value = writing.lanes.pinned.find((pin) => pin.name === name && pin.link === link)?.value;
    return value === undefined || weight <= 0 ? [] : [[value, weight] as const];
  });
}

/** FNV-1a, 32 bits. */
function fingerprint(text: string): string {
  let hash = 0x811c9dc5;
  for (const char of text) hash = Math.imul(hash ^ (char.codePointAt(0) ?? 0), 0x01000193);
  return (hash >>> 0).toString(16).padStart(8, "0");
}
