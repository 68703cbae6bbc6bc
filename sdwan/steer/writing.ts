/** What writes chains of nftables: values of the mark in their bits, verdicts by value, the plan by what it stands for. */

import type { LinkSpec } from "../underlay-plan.ts";
import { type Lanes, lanesOf } from "./lanes.ts";
import type { MarkLayout, SteeringPlan } from "./part.ts";
import { braces, type Networks, networksOf, prefixSet } from "./spans.ts";

export interface Chain {
  readonly name: string;
  /** The hook line of a base chain. */
  readonly hook?: string;
  readonly rules: readonly string[];
}

/** A value and what is done with it. */
export type ByValue = readonly [value: number, verdict: string];

export class Writing {
  readonly plan: SteeringPlan;
  readonly mark: MarkLayout;
  readonly lanes: Lanes;
  /** Links by interface: of two on the same one the first, since packets do not say which they came by. */
  readonly doors: readonly LinkSpec[];
  /** Networks on the wires of WAN links. */
  readonly near: Networks;
  /** WAN links and tunnels. */
  readonly devices: readonly string[];
  /** Code points of the classes that may be shielded against loss. */
  readonly shielded: readonly number[];
  readonly #any: string;

  constructor(plan: SteeringPlan, mark: MarkLayout, near: readonly string[]) {
    this.plan = plan;
    this.mark = mark;
    this.lanes = lanesOf(plan);
    this.near = networksOf(near);
    this.doors = plan.links.filter(
      ({ ifname }, index) => plan.links.findIndex((each) => each.ifname === ifname) === index,
    );
    this.devices = [...plan.links, ...plan.tunnels].map(({ ifname }) => ifname);
    const codes = plan.classes.flatMap(({ shielded, dscp }) => (shielded === true && dscp !== undefined ? [dscp] : []));
    this.shielded = [...new Set(codes)];
    this.#any = `0x${mark.mask.toString(16).padStart(8, "0")}`;
  }

  vmap(verdicts: readonly ByValue[], field: string, before = ""): readonly string[] {
    if (verdicts.length === 0) return [];
    const elements = verdicts.map(([value, verdict]) => `${this.bits(value)} : ${verdict}`);
    return [`${before}${this.masked(field)} vmap ${braces(elements)}`];
  }
  one(field: string, values: readonly number[]): string {
    return `${this.masked(field)} ${braces(values.map((value) => this.bits(value)))}`;
  }
  none(field: string): string {
    return `${this.masked(field)} == 0`;
  }
  masked(field: string): string {
    return `${field} & ${this.#any}`;
  }
  bits(value: number): string {
    return `0x${this.mark.of(value).toString(16).padStart(8, "0")}`;
  }
}

export function chainText(chain: Chain): string {
  const lines = chain.hook === undefined ? chain.rules : [chain.hook, ...chain.rules];
  return `chain ${chain.name} {\n${lines.map((line) => `    ${line}\n`).join("")}  }`;
}

export function remark(dscp: number): readonly string[] {
  return [`ip dscp set ${dscp}`, `ip6 dscp set ${dscp}`];
}

export function to({ v4, v6 }: Networks, verdict: string): readonly string[] {
  return [
    ...(v4.length === 0 ? [] : [`ip daddr ${prefixSet(v4)} ${verdict}`]),
    ...(v6.length === 0 ? [] : [`ip6 daddr ${prefixSet(v6)} ${verdict}`]),
  ];
}
