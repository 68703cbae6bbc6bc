/** What the calls about routing do. */

import { contains, isLinkLocal, parseIp, parsePrefix } from "../../base/address.ts";
import { err, ok, type Result } from "../../base/result.ts";
import type { TraceLine } from "../../base/trace.ts";
import { nearest } from "../../resources/nearest.ts";
import type { Bfd } from "../parts/bfd.ts";
import type { Routing } from "../parts/routing.ts";
import type { Traced, Traces } from "../parts/traces.ts";
import type { RoutingAnswer, RoutingQuestion } from "../routing/words.ts";
import { bgpStatus, ospfStatus } from "../status/routing-status.ts";
import type { Refusal } from "./api.ts";
import type {
  BfdStatus,
  BgpRoutes,
  BgpStatus,
  ClearAnswer,
  ClearRequest,
  OspfDatabase,
  OspfRoutes,
  OspfStatus,
} from "./routing-api.ts";

export interface RoutingActions {
  bgp(): BgpStatus;
  bgpRoutes(query: RoutesQuery): Promise<Result<BgpRoutes, Refusal>>;
  clear(request: ClearRequest): Promise<Result<ClearAnswer, Refusal>>;
  ospf(): OspfStatus;
  ospfDatabase(): Promise<Result<OspfDatabase, Refusal>>;
  ospfRoutes(): Promise<Result<OspfRoutes, Refusal>>;
  bfd(): Promise<BfdStatus>;
  /** Why there would be nothing to trace, now or later. */
  untraceable(protocol: Traced, peer: string | undefined): Refusal | undefined;
  trace(protocol: Traced, peer: string | undefined, line: (line: TraceLine) => void): Disposable;
}
export interface RoutesQuery {
  readonly prefix: string | undefined;
  readonly peer: string | undefined;
  readonly limit: number;
}

export interface RoutingActionParts {
  readonly routing: Routing;
  readonly bfd: Bfd;
  readonly traces: Traces;
}

export function routingActions({ routing, bfd, traces }: RoutingActionParts): RoutingActions {
  return {
    bgp: () => bgpStatus(routing, bfd),
    bgpRoutes: async ({ prefix, peer, limit }) => {
      const unknown = peer === undefined ? undefined : unknownPeer(routing, bfd, peer);
      if (unknown !== undefined) return err(unknown);
      if (prefix !== undefined && !parsePrefix(prefix).ok) return err(noPrefix(prefix));
      const question = { of: "bgp-routes", prefix, peer, most: limit } as const;
      return asked(routing, question, ({ routes, more }) => ({ routes, more }));
    },
    clear: async (request) => {
      const unknown = unknownPeer(routing, bfd, request.peer);
      if (unknown !== undefined) return err(unknown);
      return routing.tell({ kind: "clear", ...request }) ? ok(request) : err(notRouting(routing));
    },
    ospf: () => ospfStatus(routing),
    ospfDatabase: async () => asked(routing, { of: "ospf-lsdb" }, ({ lsas }) => ({ lsas })),
    ospfRoutes: async () => asked(routing, { of: "ospf-routes" }, ({ routes }) => ({ routes })),
    bfd: async () => {
      await bfd.refreshed();
      return bfd.status;
    },
    untraceable: (protocol, peer) => {
      if (protocol !== "bgp" && protocol !== "ospf") return undefined;
      if (routing.plan === undefined) return notRouting(routing);
      if (peer === undefined) return undefined;
      return protocol === "ospf"
        ? noNeighbor(routing, peer)
        : mayCall(routing, peer)
          ? undefined
          : unknownPeer(routing, bfd, peer);
    },
    trace: (protocol, peer, line) => traces.follow(protocol, peer, line),
  };
}

async function asked<Of extends RoutingQuestion["of"], T>(
  routing: Routing,
  question: RoutingQuestion & { readonly of: Of },
  make: (answer: RoutingAnswer & { readonly of: Of }) => T,
): Promise<Result<T, Refusal>> {
  const answer = await routing.ask(question);
  return answer?.of === question.of
    ? ok(make(answer as RoutingAnswer & { readonly of: Of }))
    : err(notRouting(routing));
}

function unknownPeer(routing: Routing, bfd: Bfd, peer: string): Refusal | undefined {
  const { peers } = bgpStatus(routing, bfd);
  const names = peers.flatMap(({ name, address }) => [name, ...(address === undefined ? [] : [address])]);
  if (names.includes(peer)) return undefined;
  const near = nearest(peer, names);
  const hint = near === undefined ? "" : `; did you mean ${near}?`;
  return { code: "NOT_FOUND", message: `there is no BGP peer ${peer}${hint}`, problems: [] };
}

/** A peer that is not there yet: one that a prefix allows, or what an unnumbered one will turn out to be. */
function mayCall({ plan }: Routing, peer: string): boolean {
  const { dynamic = [], peers = [] } = plan?.bgp ?? {};
  const named = dynamic.find(({ name }) => peer.startsWith(`${name}/`));
  const ip = parseIp(named === undefined ? peer : peer.slice(named.name.length + 1));
  if (!ip.ok) return false;
  const called = (named === undefined ? dynamic : [named]).some(({ prefix }) => {
    const parsed = parsePrefix(prefix);
    return parsed.ok && contains(parsed.value, ip.value);
  });
  return called || (isLinkLocal(ip.value) && peers.some(({ address }) => address === undefined));
}

/** Neighbors come and go under names of their own: any address may become one, a word must be an interface. */
function noNeighbor({ plan }: Routing, word: string): Refusal | undefined {
  if (parseIp(word).ok) return undefined;
  const areas = plan?.ospf.flatMap((each) => each.areas) ?? [];
  const names = areas.flatMap(({ interfaces }) => interfaces.map(({ ifname }) => ifname));
  if (names.includes(word)) return undefined;
  const near = nearest(word, names);
  const hint = near === undefined ? "" : `; did you mean ${near}?`;
  const message = `${word} is neither a router id, nor an address, nor an interface that speaks OSPF${hint}`;
  return { code: "NOT_FOUND", message, problems: [] };
}

function noPrefix(text: string): Refusal {
  const message = `${text} is no prefix; expected an address and a length, such as 192.0.2.0/24`;
  return { code: "BAD_REQUEST", message, problems: [] };
}

function notRouting({ plan, phase }: Routing): Refusal {
  const message =
    plan === undefined
      ? "nothing is routed here: neither the settings nor a virtual IP ask for BGP or OSPF"
      : `the routing process does not answer (it is ${phase})`;
  return { code: "NOT_ROUTING", message, problems: [] };
}
