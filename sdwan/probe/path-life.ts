/** The life of a path out of everything that knows of it: its device, the link below, BFD, its probes. */
import type { BfdState } from "../../netstack/bfd/plan.ts";
import type { PathLife } from "../figures.ts";

export interface Witnesses {
  readonly ifname: string;
  readonly underlay: string;
  /** undefined: no such device. */
  readonly device: Device | undefined;
  readonly below: Device | undefined;
  /** undefined: none guards it. */
  readonly bfd: BfdWitness | undefined;
  /** undefined: nothing is probed, so only the others speak. */
  readonly probes: PathLife | undefined;
}

export interface Device {
  readonly up: boolean;
  readonly carrier: boolean;
}

export interface BfdWitness {
  readonly session: string;
  readonly state: BfdState;
  /** Down after Up; until it is up again. */
  readonly fell: boolean;
}

export function lifeOf({ ifname, underlay, device, below, bfd, probes }: Witnesses): PathLife {
  const broken = brokenDevice(underlay, below) ?? (underlay === ifname ? undefined : brokenDevice(ifname, device));
  if (broken !== undefined) return { kind: "dead", why: broken };
  if (bfd?.fell === true) return { kind: "dead", why: describe(bfd) };
  if (probes !== undefined) return probes;
  if (bfd === undefined || bfd.state === "up") return { kind: "alive" };
  return { kind: "unknown", why: describe(bfd) };
}

/** Init (RFC 5880 §6.2): its packets come, and say that it has heard none of ours. */
function describe({ session, state }: BfdWitness): string {
  return `BFD session ${session} is ${state}${state === "init" ? ": heard, but not hearing us" : ""}`;
}

/** What a new state of its session makes of a witness.  A session that is held down on purpose says nothing of the path. */
export function hear(before: BfdWitness, state: BfdState): BfdWitness {
  const fell = state === "down" || state === "init" ? before.state === "up" || before.fell : false;
  return { session: before.session, state, fell };
}

function brokenDevice(ifname: string, device: Device | undefined): string | undefined {
  if (device === undefined) return `there is no interface ${ifname}`;
  if (!device.up) return `interface ${ifname} is down`;
  return device.carrier ? undefined : `interface ${ifname} has no carrier`;
}
