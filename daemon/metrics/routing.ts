/** Metrics of BGP, OSPF and BFD.  Names and labels of the seeds first, then what they lack. */
import type { BfdState } from "../../netstack/bfd/plan.ts";
import type { BgpState } from "../../netstack/bgp/plan.ts";
import type { BfdSessionStatus, BfdStatus, BgpPeerStatus, BgpStatus, OspfStatus } from "../admin/routing-api.ts";
import { counter, type Family, gauge, type Labels, type Sample, sample } from "./exposition.ts";

export interface RoutingMeasured {
  readonly bgp: BgpStatus;
  readonly ospf: OspfStatus;
  readonly bfd: BfdStatus;
  /** Own prefixes that are told to somebody now. */
  readonly announced: { readonly bgp: number; readonly ospf: number };
}

export function routingFamilies({ bgp, ospf, bfd, announced }: RoutingMeasured): readonly Family[] {
  return [...bgpFamilies(bgp, announced.bgp), ...ospfFamilies(ospf, announced.ospf), ...bfdFamilies(bfd)];
}

/** BGP4-MIB, bgpPeerState. */
const BGP_STATE: Readonly<Record<BgpState, number>> = {
  idle: 1,
  connect: 2,
  active: 3,
  "open-sent": 4,
  "open-confirm": 5,
  established: 6,
};
/** RFC 5880 §4.1. */
const BFD_STATE: Readonly<Record<BfdState, number>> = { "admin-down": 0, down: 1, init: 2, up: 3 };

function bgpFamilies({ router, peers }: BgpStatus, announced: number): readonly Family[] {
  if (router === undefined) return [];
  const each = (value: (peer: BgpPeerStatus) => number): readonly Sample[] =>
    peers.map((peer) => sample(peerLabels(peer), value(peer)));
  return [
    gauge(
      "novaedge_bgp_session_state",
      "State of the session: 1 idle, 2 connect, 3 active, 4 open-sent, 5 open-confirm, 6 established.",
      each(({ state }) => BGP_STATE[state]),
    ),
    gauge(
      "novaedge_bgp_session_status",
      "1 while the session is established.",
      each(({ state }) => (state === "established" ? 1 : 0)),
    ),
    gauge("novaedge_bgp_announced_routes", "Own prefixes announced by BGP.", [sample({}, announced)]),
    gauge(
      "novaedge_bgp_prefixes",
      "Prefixes of a peer, by family and what became of them: received, accepted, announced to it, stale.",
      peers.flatMap((peer) =>
        peer.families.flatMap(({ family, ...counts }) =>
          Object.entries(counts).map(([kind, value]) => sample({ peer: peer.name, family, kind }, value)),
        ),
      ),
    ),
    counter(
      "novaedge_bgp_established_total",
      "How often the session came up.",
      peers.map(({ name, established }) => sample({ peer: name }, established)),
    ),
    counter(
      "novaedge_bgp_messages_total",
      "Messages by type and direction.",
      peers.flatMap(({ name, messages }) =>
        Object.entries(messages).flatMap(([type, counts]) => [
          sample({ peer: name, type, direction: "in" }, counts.in),
          sample({ peer: name, type, direction: "out" }, counts.out),
        ]),
      ),
    ),
    counter(
      "novaedge_bgp_refused_total",
      "What was wrong in messages of a peer, by reason.",
      peers.flatMap(({ name, refused }) => reasons({ peer: name }, refused)),
    ),
  ];
}

/** Those of the seeds, and the name that commands use. */
function peerLabels({ name, address, asn }: BgpPeerStatus): Labels {
  return { peer: name, peer_address: address ?? "", peer_as: asn === undefined ? "" : String(asn) };
}

function ospfFamilies({ routers, interfaces }: OspfStatus, announced: number): readonly Family[] {
  if (routers.length === 0) return [];
  const neighbors = interfaces.flatMap(({ version, ifname, area, neighbors }) =>
    neighbors.map((neighbor) => ({
      neighbor,
      labels: {
        neighbor_address: neighbor.address,
        area_id: area,
        router_id: neighbor.routerId,
        interface: ifname,
        version: String(version),
      },
    })),
  );
  return [
    gauge(
      "novaedge_ospf_neighbor_status",
      "1 while the adjacency is full.",
      neighbors.map(({ neighbor, labels }) => sample(labels, neighbor.state === "full" ? 1 : 0)),
    ),
    counter(
      "novaedge_ospf_retransmissions_total",
      "Packets that a neighbour did not acknowledge in time.",
      neighbors.map(({ neighbor, labels }) => sample(labels, neighbor.retransmissions)),
    ),
    gauge("novaedge_ospf_announced_routes", "Own prefixes announced by OSPF.", [sample({}, announced)]),
    counter(
      "novaedge_ospf_refused_total",
      "Packets that were not taken, by reason.",
      interfaces.flatMap(({ version, ifname, refused }) =>
        reasons({ interface: ifname, version: String(version) }, refused),
      ),
    ),
  ];
}

function bfdFamilies({ sessions, strays }: BfdStatus): readonly Family[] {
  const each = (value: (session: BfdSessionStatus) => number): readonly Sample[] =>
    sessions.map((session) => sample({ peer_address: session.peer, session: session.id }, value(session)));
  return [
    gauge(
      "novaedge_bfd_session_state",
      "State of the session: 0 admin-down, 1 down, 2 init, 3 up.",
      each(({ state }) => BFD_STATE[state]),
    ),
    counter(
      "novaedge_bfd_packet_tx_total",
      "BFD packets sent.",
      each(({ sent }) => sent),
    ),
    counter(
      "novaedge_bfd_packet_rx_total",
      "BFD packets received and taken.",
      each(({ received }) => received),
    ),
    counter(
      "novaedge_bfd_session_flaps_total",
      "How often the session went down after it had been up.",
      each(({ flaps }) => flaps),
    ),
    counter(
      "novaedge_bfd_refused_total",
      "Packets of a peer that were not taken, by reason.",
      sessions.flatMap(({ peer, id, refused }) => reasons({ peer_address: peer, session: id }, refused)),
    ),
    counter("novaedge_bfd_stray_packets_total", "Packets that belong to no session, by reason.", reasons({}, strays)),
  ];
}

function reasons(labels: Labels, refused: Readonly<Record<string, number>>): readonly Sample[] {
  return Object.entries(refused).map(([reason, count]) => sample({ ...labels, reason }, count));
}
