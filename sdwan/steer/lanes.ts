/** The values of the mark by what they stand for.  Pure. */
import { bitsOf, parsePrefix } from "../../base/address.ts";
import type { LaneSpec } from "../underlay-plan.ts";
import type { SteeringPlan } from "./part.ts";
import { type Networks, networksOf } from "./spans.ts";

export interface Lanes {
  /** Values that packets of the original direction carry, with the class that each belongs to. */
  readonly forward: ReadonlyMap<number, string>;
  /** By link: value of answers to flows that came in by it. */
  readonly link: ReadonlyMap<string, number>;
  /** By device of a tunnel. */
  readonly back: ReadonlyMap<string, number>;
  /** `home`: the value of the class itself. */
  readonly pinned: readonly Pin[];
  /** By value of `forward`: the code point that its packets get. */
  readonly dscp: ReadonlyMap<number, number>;
  readonly overlay: Networks;
}

export interface Pin {
  readonly value: number;
  readonly name: string;
  readonly link: string;
  readonly home: number;
}

export function lanesOf(plan: SteeringPlan): Lanes {
  const forward = new Map<number, string>();
  const link = new Map<string, number>();
  const back = new Map<string, number>();
  const homes = new Map<string, number>();
  for (const { mark, what } of plan.lanes) {
    if (what.kind === "class" || what.kind === "pinned") forward.set(mark, what.name);
    if (what.kind === "class") homes.set(what.name, mark);
    if (what.kind === "link") link.set(what.link, mark);
    if (what.kind === "back") back.set(what.ifname, mark);
  }
  const pinned = plan.lanes.flatMap(({ mark, what }): readonly Pin[] => {
    const home = what.kind === "pinned" ? homes.get(what.name) : undefined;
    return what.kind !== "pinned" || home === undefined
      ? []
      : [{ value: mark, name: what.name, link: what.link, home }];
  });
  const codes = new Map(plan.classes.flatMap(({ name, dscp }) => (dscp === undefined ? [] : [[name, dscp] as const])));
  const dscp = new Map(
    [...forward].flatMap(([value, name]) => {
      const code = codes.get(name);
      return code === undefined ? [] : [[value, code] as const];
    }),
  );
  return { forward, link, back, pinned, dscp, overlay: networksOf(plan.overlay) };
}

/** Values that stand for something else than before. */
export function reusedValues(before: readonly LaneSpec[], now: readonly LaneSpec[]): readonly number[] {
  const meant = new Map(before.map(({ mark, what }) => [mark, JSON.stringify(what)]));
  return now
    .filter(({ mark, what }) => meant.has(mark) && meant.get(mark) !== JSON.stringify(what))
    .map(({ mark }) => mark);
}

/** Networks behind other sites' tunnels, but not the whole internet where a site is the way to it. */
export function remoteNetworks(plan: SteeringPlan): Networks {
  const { v4, v6 } = networksOf(allowed(plan).filter((text) => !text.endsWith("/0")));
  return { v4, v6 };
}

/** Overlay addresses of other sites' hosts. */
export function overlayPeers(plan: SteeringPlan): Networks {
  const met = Object.values(plan.rendezvous?.sites ?? {}).map(({ address }) => address);
  const hosts = allowed(plan).filter((text) => {
    const parsed = parsePrefix(text);
    return parsed.ok && parsed.value.length === bitsOf(parsed.value.ip);
  });
  return networksOf([...met, ...hosts]);
}

function allowed(plan: SteeringPlan): readonly string[] {
  return plan.tunnels.flatMap(({ peers }) => peers.flatMap(({ allowedIps }) => allowedIps));
}
