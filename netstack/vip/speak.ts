/** What this node says in a heartbeat. */
import { after, type Instant, ms } from "../../base/unit.ts";
import { type Entry, nodeId, partition, type Role } from "./packet.ts";
import { noteSent } from "./peers.ts";
import { holdingOf, isAlive, ownedCount, type State, type Vip } from "./state.ts";
import { window } from "./timing.ts";

/** One heartbeat in as many datagrams as it takes. */
export function speak(state: State, now: Instant): void {
  state.urgent = "no";
  const { config, link } = state;
  if (!link.up || link.addresses.length === 0) return;
  const heard = [...state.peers.values()].filter((peer) => isAlive(peer, now));
  const echoes = heard.map(({ node, incarnation, sequence }) => ({ id: nodeId(node), incarnation, sequence }));
  const names = heard.map(({ node }) => node);
  const owned = ownedCount(state);
  const entries: Entry[] = [];
  for (const vip of state.vips.values()) entries.push(...entriesOf(state, vip, owned, names, now));
  const first = state.sequence + 1;
  for (const part of partition(config.node, echoes.length, entries)) {
    state.sequence++;
    state.out.push({
      kind: "heartbeat",
      before: after(now, window(config.timing)),
      packet: {
        node: config.node,
        incarnation: config.incarnation,
        sequence: state.sequence,
        interval: config.timing.interval,
        multiplier: config.timing.multiplier,
        mac: link.mac,
        addresses: link.addresses,
        owned,
        echoes,
        entries: part,
      },
    });
  }
  noteSent(state, first, now);
}

export function roleOf(state: State, vip: Vip, now: Instant): Role {
  if (vip.phase.kind === "owner") return "owner";
  if (vip.releasing !== undefined) return "released";
  if (vip.phase.kind === "claiming" || vip.phase.kind === "installing") return "claiming";
  if (vip.phase.kind !== "waiting" || state.withdrawn !== undefined || vip.leaving) return "ineligible";
  const { evidence } = vip;
  return evidence.of === "listening" && now < evidence.at + evidence.span ? "listening" : "candidate";
}

/** One for each address, so that nodes whose configuration does not have both (yet) mean the same. */
function entriesOf(state: State, vip: Vip, owned: number, echoed: readonly string[], now: Instant): readonly Entry[] {
  const { phase, config, releasing } = vip;
  const role = roleOf(state, vip, now);
  const successor = role === "released" ? echoed.indexOf(releasing?.successor ?? "") : -1;
  const entry = {
    role,
    priority: config.priority,
    term: phase.kind === "owner" ? phase.term : vip.term,
    load: phase.kind === "claiming" ? phase.load : owned,
    wants:
      role === "candidate" &&
      vip.betterSince !== undefined &&
      config.preemptDelay !== undefined &&
      now - vip.betterSince >= config.preemptDelay,
    successor: successor < 0 ? undefined : successor,
    handover: role === "released" ? (releasing?.handover ?? ms(0)) : ms(0),
  };
  return holdingOf(vip).addresses.map((ip) => ({ vip: ip, ...entry }));
}
