/**
 * Whatever happens, when it is over everybody knows what everybody should: each Adj-RIB-In is exactly what the other
 * side's export makes of its Loc-RIB, and each kernel table what the Loc-RIB says.  Seeded: a failure names its seed.
 */
import { describe, expect, test } from "vitest";
import type { BgpPeerSpec, BgpPlan } from "../../../netstack/bgp/plan.ts";
import { type Node, network, peerOf, planOf, seeded, World } from "./world.ts";

const ASNS = [65001, 65002, 65002, 65003];
const PREFIXES = Array.from({ length: 8 }, (_, index) =>
  index < 6 ? `10.${1 + index}.0.0/16` : `2001:db8:${index}::/48`,
);
const GR = { restartTime: 20_000, stalePathTime: 20_000, longLived: undefined, notification: true };

/** More of them find more; each takes most of a second. */
const SEEDS = Number(process.env["NOVAEDGE_SEEDS"] ?? 10);

interface Member {
  readonly node: Node;
  readonly index: number;
  networks: readonly string[];
  med: number;
  denied: string | undefined;
  up: boolean;
}

function planFor(member: Member, members: readonly Member[], restarting: boolean): BgpPlan {
  const asn = ASNS[member.index] ?? 0;
  const peers = members
    .filter((each) => each !== member)
    .map((each): BgpPeerSpec => {
      const some: Partial<BgpPeerSpec> = {
        gracefulRestart: (each.index + member.index) % 2 === 0 ? GR : undefined,
        connectRetry: 2000,
        ...(member.denied === undefined
          ? {}
          : {
              export: {
                rules: [{ name: "no", match: { prefixes: [{ prefix: member.denied }] }, action: "reject", set: {} }],
                otherwise: "accept",
              },
            }),
      };
      return peerOf(each.node.name, `10.0.0.${each.index + 1}`, ASNS[each.index] ?? 0, some);
    });
  return planOf(asn, `10.0.0.${member.index + 1}`, {
    peers,
    networks: member.networks.map((prefix) => network(prefix, { med: member.med })),
    restarting,
  });
}

/** What `from` should have told `to`: an own, slow reading of RFC 4271 §9.1.3 and §9.2. */
function expected(from: Member, to: Member): ReadonlyMap<string, string> {
  const routes = new Map<string, string>();
  const [ours, theirs] = [ASNS[from.index], ASNS[to.index]];
  for (const route of from.node.best().values()) {
    if (route.peer === to.node.name || route.prefix === from.denied) continue;
    const source = route.peer === "local" ? undefined : ASNS[Number(route.peer.slice(1))];
    if (ours === theirs && source === ours) continue;
    const path = ours === theirs ? route.asPath : `${ours} ${route.asPath}`.trim();
    routes.set(route.prefix, path);
  }
  return routes;
}

function check(members: readonly Member[]): void {
  for (const from of members) {
    for (const to of members) {
      if (from === to) continue;
      expect(`${to.node.name} ${from.node.name} ${to.node.state(from.node.name)}`).toMatch(/established$/);
      const heard = to.node.routes(from.node.name);
      expect(new Map(heard.map((route) => [route.prefix, route.asPath]))).toEqual(expected(from, to));
      expect(heard.every(({ stale }) => !stale)).toBe(true);
      expect(from.node.speaker.report(to.node.name, 0)?.families.reduce((sum, each) => sum + each.announced, 0)).toBe(
        heard.length,
      );
    }
    const learnt = [...from.node.best().values()].filter(({ peer }) => peer !== "local");
    expect([...from.node.fib.keys()].toSorted()).toEqual(learnt.map(({ prefix }) => prefix).toSorted());
  }
}

function disturb(members: readonly Member[], random: () => number): void {
  const member = members[Math.floor(random() * members.length)];
  if (member === undefined) return;
  const { node } = member;
  const kind = Math.floor(random() * 9);
  if (!member.up) {
    member.up = true;
    node.alive = true;
    node.plan(planFor(member, members, random() < 0.7));
    return;
  }
  switch (kind) {
    case 0:
    case 1:
      member.networks = PREFIXES.filter(() => random() < 0.4);
      break;
    case 2:
      member.med = Math.floor(random() * 3);
      break;
    case 3:
      member.denied = random() < 0.5 ? undefined : `10.${1 + Math.floor(random() * 6)}.0.0/16`;
      break;
    case 4: {
      const [connection] = node.wires.keys();
      if (connection !== undefined) node.cut(connection);
      return;
    }
    case 5:
      node.crash();
      member.up = false;
      return;
    case 6:
      node.feed({ kind: "clear", peer: node.speaker.peers()[0] ?? "", how: random() < 0.5 ? "hard" : "refresh-in" });
      return;
    case 7:
      node.feed({ kind: "clear", peer: node.speaker.peers()[1] ?? "", how: "refresh-out" });
      return;
    default:
      node.cutAll();
      return;
  }
  node.plan(planFor(member, members, false));
}

describe("convergence", () => {
  for (let seed = 1; seed <= SEEDS; seed++)
    test(`seed ${seed}`, () => {
      const world = new World(seed);
      world.delay = { least: 0.1, most: seed % 4 === 0 ? 300 : 20 };
      const random = seeded(seed * 7919);
      const members: Member[] = ASNS.map((_, index) => ({
        node: world.node(`n${index}`, `10.0.0.${index + 1}`, `2001:db8::${index + 1}`),
        index,
        networks: [`10.${index + 1}.0.0/16`],
        med: 0,
        denied: undefined,
        up: true,
      }));
      for (const member of members) member.node.plan(planFor(member, members, false));
      for (let round = 0; round < 40; round++) {
        world.run(random() * (round % 5 === 0 ? 20_000 : 300));
        disturb(members, random);
      }
      for (const member of members)
        if (!member.up) {
          member.up = true;
          member.node.alive = true;
          member.node.plan(planFor(member, members, true));
        }
      world.run(400_000);
      check(members);
    });
});
