/** Speakers that know each other: two of them, or any graph. */
import { expect } from "vitest";
import type { BgpNetwork, BgpPeerSpec, BgpPlan } from "../../../netstack/bgp/plan.ts";
import { type Node, network, peerOf, planOf, World } from "./world.ts";

export function pair(
  seed: number,
  some: { readonly a?: Partial<BgpPeerSpec>; readonly b?: Partial<BgpPeerSpec> } = {},
): { world: World; a: Node; b: Node; planA: BgpPlan; planB: BgpPlan } {
  const world = new World(seed);
  const a = world.node("a", "10.0.0.1", "2001:db8::1", "fe80::1");
  const b = world.node("b", "10.0.0.2", "2001:db8::2", "fe80::2");
  const planA = planOf(65001, "10.0.0.1", {
    peers: [peerOf("b", "10.0.0.2", 65002, some.a)],
    networks: [network("192.0.2.1/32")],
  });
  const planB = planOf(65002, "10.0.0.2", {
    peers: [peerOf("a", "10.0.0.1", 65001, some.b)],
    networks: [network("198.51.100.1/32")],
  });
  return { world, a, b, planA, planB };
}
export function up({ world, a, b, planA, planB }: ReturnType<typeof pair>): void {
  a.plan(planA);
  b.plan(planB);
  world.run(20_000);
  expect([a.state("b"), b.state("a")]).toEqual(["established", "established"]);
}

/** Nodes in a row or a star: [name, AS], and who speaks with whom. */
export function topology(
  seed: number,
  nodes: readonly (readonly [name: string, asn: number, networks?: readonly BgpNetwork[]])[],
  sessions: readonly (readonly [string, string, Partial<BgpPeerSpec>?, Partial<BgpPeerSpec>?])[],
): { world: World; at: (name: string) => Node; replan: (name: string, networks: readonly BgpNetwork[]) => void } {
  const world = new World(seed);
  const index = (name: string): number => nodes.findIndex((each) => each[0] === name) + 1;
  const made = new Map(
    nodes.map(([name]) => [name, world.node(name, `10.0.0.${index(name)}`, `2001:db8::${index(name)}`)]),
  );
  const asnOf = (name: string): number => nodes.find((each) => each[0] === name)?.[1] ?? 0;
  const plan = (name: string, networks: readonly BgpNetwork[]) => {
    const peers = sessions.flatMap(([left, right, ofLeft, ofRight]) =>
      left === name
        ? [peerOf(right, `10.0.0.${index(right)}`, asnOf(right), ofLeft)]
        : right === name
          ? [peerOf(left, `10.0.0.${index(left)}`, asnOf(left), ofRight)]
          : [],
    );
    return planOf(asnOf(name), `10.0.0.${index(name)}`, { peers, networks });
  };
  const at = (name: string): Node => {
    const node = made.get(name);
    if (node === undefined) throw new TypeError(name);
    return node;
  };
  const replan = (name: string, networks: readonly BgpNetwork[]): void => at(name).plan(plan(name, networks));
  for (const [name, , networks] of nodes) replan(name, networks ?? []);
  world.run(30_000);
  return { world, at, replan };
}
