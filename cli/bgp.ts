/** `novactl bgp`: peers, routes, and an operator's hand. */
import type { BgpPeerStatus, BgpStatus, ClearRequest } from "../daemon/admin/routing-api.ts";
import { type Action, type Call, CommandError, EXIT, flagOf } from "./command.ts";
import { ageOf, clean, formatOf, printed, table, toned } from "./output.ts";
import { chosen, counted, limitOf, spanOf } from "./routing.ts";
import { state } from "./status.ts";

export const bgp: Action = async (call) => {
  const [what, which] = call.arguments;
  switch (chosen(what, ["peers", "routes", "clear"], "of one peer: novactl bgp peers PEER")) {
    case "routes":
      return routes(call, which);
    case "clear":
      return clear(call, which ?? flagOf(call, "peer"));
    case "peers":
      return peers(call, which ?? flagOf(call, "peer"));
  }
};

const peers = async (call: Call, only: string | undefined): Promise<0> => {
  const answer = await call.client.call("GET /v1/bgp");
  const shown = answer.peers.filter(({ name, address }) => only === undefined || name === only || address === only);
  if (only !== undefined && shown.length === 0) {
    throw new CommandError(EXIT.failed, "NOT_FOUND", `there is no BGP peer ${only}`);
  }
  if (formatOf(call) === "name") {
    call.io.out(shown.map(({ name }) => `${name}\n`).join(""));
    return EXIT.ok;
  }
  if (await printed(call, { ...answer, peers: shown })) return EXIT.ok;
  if (answer.router === undefined) {
    call.io.err("no BGP here: neither `bgp` in the settings nor a ProxyVIP of mode BGP asks for it\n");
    return EXIT.ok;
  }
  call.io.out(head(answer));
  call.io.out(peerTable(call, shown));
  return EXIT.ok;
};

function head({ router }: BgpStatus): string {
  if (router === undefined) return "";
  const { asn, routerId, port, networks, gracefulShutdown } = router;
  const count = `${networks.length} network${networks.length === 1 ? "" : "s"}`;
  const leaving = gracefulShutdown ? ", as the last choice (graceful shutdown)" : "";
  return `AS ${asn}, router id ${clean(routerId)}, port ${port}, announces ${count}${leaving}\n\n`;
}

function peerTable(call: Call, shown: readonly BgpPeerStatus[]): string {
  const wide = formatOf(call) === "wide";
  const sum = (peer: BgpPeerStatus, of: "received" | "accepted" | "announced"): number =>
    peer.families.reduce((total, each) => total + each[of], 0);
  const messages = ({ messages }: BgpPeerStatus, direction: "in" | "out"): number =>
    Object.values(messages).reduce((total, each) => total + each[direction], 0);
  return table(
    call.io,
    [
      "PEER",
      "ADDRESS",
      "AS",
      "STATE",
      "FOR",
      "RECEIVED",
      "ACCEPTED",
      "ANNOUNCED",
      "BFD",
      ...(wide ? ["ROUTER-ID", "HOLD", "KEEPALIVE", "IN", "OUT", "UPS", "REFUSED", "CAPABILITIES"] : []),
      "LAST-ERROR",
    ],
    shown.map((peer) => [
      peer.name,
      [peer.address, peer.ifname].filter((each) => each !== undefined).join("%"),
      peer.asn,
      peer.adminDown ? toned("shut down", "dim") : state(peer.state),
      peer.since === 0 ? undefined : ageOf(call.io.now() - peer.since),
      sum(peer, "received"),
      sum(peer, "accepted"),
      sum(peer, "announced"),
      peer.bfd === undefined ? undefined : state(peer.bfd),
      ...(wide
        ? [
            peer.routerId,
            spanOf(peer.holdTime),
            spanOf(peer.keepalive),
            messages(peer, "in"),
            messages(peer, "out"),
            peer.established,
            counted(peer.refused),
            peer.capabilities.join(","),
          ]
        : []),
      peer.lastError,
    ]),
  );
}

const routes = async (call: Call, prefix: string | undefined): Promise<0> => {
  const peer = flagOf(call, "peer");
  const query = {
    limit: limitOf(call, 1000),
    ...(prefix === undefined ? {} : { prefix }),
    ...(peer === undefined ? {} : { peer }),
  };
  const answer = await call.client.call("GET /v1/bgp/routes", undefined, query);
  if (await printed(call, answer)) return EXIT.ok;
  if (answer.routes.length === 0) {
    call.io.err("no routes found\n");
    return EXIT.ok;
  }
  const wide = formatOf(call) === "wide";
  call.io.out(
    table(
      call.io,
      [
        "",
        "PREFIX",
        "NEXT-HOP",
        "PEER",
        "PATH",
        "ORIGIN",
        "PREF",
        "MED",
        ...(wide ? ["COMMUNITIES", "LARGE-COMMUNITIES"] : []),
        "WHY",
      ],
      answer.routes.map((route) => [
        route.best ? toned("best", "good") : route.stale ? toned("stale", "warn") : undefined,
        route.prefix,
        route.nextHop,
        route.peer,
        route.asPath,
        route.origin,
        route.localPref,
        route.med,
        ...(wide ? [route.communities.join(" "), route.largeCommunities.join(" ")] : []),
        route.why,
      ]),
    ),
  );
  if (answer.more > 0) call.io.err(`${answer.more} more; --limit shows more of them, PREFIX and --peer choose\n`);
  return EXIT.ok;
};

const clear = async (call: Call, peer: string | undefined): Promise<0> => {
  if (peer === undefined) throw new CommandError(EXIT.usage, "USAGE", "clear needs PEER", "novactl bgp clear PEER");
  const soft = flagOf(call, "soft");
  const how: ClearRequest["how"] = soft === undefined ? "hard" : soft === "in" ? "refresh-in" : "refresh-out";
  const answer = await call.client.call("POST /v1/bgp/clear", { peer, how });
  if (!(await printed(call, answer))) call.io.out(`${clean(peer)}: ${DONE[how]}\n`);
  return EXIT.ok;
};
const DONE: Readonly<Record<ClearRequest["how"], string>> = {
  hard: "the session ends and begins anew",
  "refresh-in": "the peer is asked for its routes again",
  "refresh-out": "our routes are sent again",
};
