/** Small segments to try things on, and what to ask of them. */
import { expect } from "vitest";
import type { Ipv4 } from "../../../base/address.ts";
import { DEFAULT, vip, World } from "./sim.ts";

export const IP = 0x0a00_0064 as Ipv4; // 10.0.0.100
export const WITNESS_IP = 0x0a00_00fe as Ipv4;

export function pair(
  options: { witness?: boolean; names?: readonly string[]; seed?: number; vips?: number } = {},
): World {
  const vips = Array.from({ length: options.vips ?? 1 }, (_, index) => vip(`v${index}`, IP + index));
  const world = new World({
    timing: DEFAULT,
    seed: options.seed ?? 1,
    nodes: (options.names ?? ["a", "b"]).map((name) => ({
      name,
      vips,
      ...(options.witness === true ? { witnesses: [WITNESS_IP] } : {}),
    })),
  });
  world.witnesses.add(WITNESS_IP);
  return world;
}
export function settled(world: World): string {
  for (const node of world.nodes.values()) node.start();
  world.pass(2000);
  const [owner] = world.owners(IP);
  if (owner === undefined || world.owners(IP).length !== 1) throw new TypeError(`owners: ${world.owners(IP).join()}`);
  return owner;
}
export function other(world: World, name: string): string {
  return [...world.nodes.keys()].find((each) => each !== name) ?? "";
}
/** Milliseconds without an owner after `since`. */
export function outage(world: World, since: number): number {
  const next = world.spans.filter((span) => span.to > since).map((span) => span.from);
  return Math.max(0, Math.min(...next) - since);
}
export function expectNeverTwo(world: World): void {
  expect(world.overlaps()).toEqual([]);
  expect(world.violations).toEqual([]);
}
