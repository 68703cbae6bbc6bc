/**
 * The interface state machine.  Standards: RFC 2328 §9 (states §9.1, events §9.2, table §9.3), RFC 5340 §4.2.1.
 * Left out: virtual links, point-to-multipoint.
 */
import { unreachable } from "../../base/result.ts";
import { after, type Instant, ms } from "../../base/unit.ts";
import { type Candidate, elect } from "./election.ts";
import { helloSoon } from "./hello-out.ts";
import { neighborEvent } from "./neighbor.ts";
import type { OspfInterfaceState } from "./plan.ts";
import { atLeast, type Interface, type State } from "./state.ts";

export type InterfaceEvent =
  | "interface-up"
  | "wait-timer"
  | "backup-seen"
  | "neighbor-change"
  | "loop-ind"
  | "unloop-ind"
  | "interface-down";

/** What each cell of §9.3 does. */
export type InterfaceCell = "ignore" | "start" | "elect" | "loop" | "reset" | "down";

/** Total: a cell that is missing does not compile. */
export const INTERFACE_TABLE: Readonly<Record<OspfInterfaceState, Readonly<Record<InterfaceEvent, InterfaceCell>>>> = {
  down: row({ "interface-up": "start" }),
  loopback: row({ "unloop-ind": "reset" }),
  waiting: row({ "wait-timer": "elect", "backup-seen": "elect" }),
  "point-to-point": row({}),
  "dr-other": row({ "neighbor-change": "elect" }),
  backup: row({ "neighbor-change": "elect" }),
  dr: row({ "neighbor-change": "elect" }),
};

export function interfaceEvent(state: State, iface: Interface, event: InterfaceEvent, now: Instant): void {
  const cell = INTERFACE_TABLE[iface.state][event];
  switch (cell) {
    case "ignore":
      return;
    case "start":
      return start(state, iface, now);
    case "elect":
      return runElection(state, iface, now);
    case "loop":
      reset(state, iface, now);
      return move(state, iface, "loopback", event, now);
    case "reset":
      return move(state, iface, "down", event, now);
    case "down":
      reset(state, iface, now);
      return move(state, iface, "down", event, now);
    default:
      return unreachable(cell);
  }
}

/** Groups that we listen to (A.1). */
export function tellGroups(state: State, iface: Interface): void {
  const speaks = !iface.spec.passive && iface.state !== "down" && iface.state !== "loopback";
  const allSpf = speaks && iface.spec.type !== "nbma";
  const allDr = allSpf && (iface.state === "dr" || iface.state === "backup");
  const groups = `${allSpf} ${allDr}`;
  if (groups === iface.groups) return;
  iface.groups = groups;
  state.out.push({ kind: "groups", ifname: iface.name, allSpf, allDr });
}

function start(state: State, iface: Interface, now: Instant): void {
  const { spec } = iface;
  iface.helloAt = spec.passive ? undefined : now;
  if (spec.type === "point-to-point") return move(state, iface, "point-to-point", "interface-up", now);
  if (spec.priority === 0) move(state, iface, "dr-other", "interface-up", now);
  else {
    iface.waitUntil = after(now, ms(spec.passive ? 0 : spec.dead));
    move(state, iface, "waiting", "interface-up", now);
  }
  if (spec.type !== "nbma" || spec.passive || spec.priority === 0) return;
  for (const each of iface.neighbors.values()) if (each.priority > 0) neighborEvent(state, each, "start", now);
}

/** §9.4. */
function runElection(state: State, iface: Interface, now: Instant): void {
  const { dialect } = state;
  const identity = dialect.identity(state, iface);
  const self: Candidate = {
    routerId: state.routerId,
    identity,
    priority: iface.spec.priority,
    dr: iface.dr,
    bdr: iface.bdr,
  };
  const others: Candidate[] = [];
  for (const each of iface.neighbors.values()) {
    if (!atLeast(each, "2-way") && each.helping === undefined) continue;
    others.push({ ...each, identity: dialect.identityOf(each) });
  }
  const { dr, bdr } = elect(self, others);
  iface.waitUntil = undefined;
  const changed = dr !== iface.dr || bdr !== iface.bdr;
  const was = iface.state;
  iface.dr = dr;
  iface.bdr = bdr;
  const next = dr === identity ? "dr" : bdr === identity ? "backup" : "dr-other";
  move(state, iface, next, "elected", now);
  if (changed) {
    state.origin.dirty = true;
    helloSoon(iface, now);
  }
  const designated = next !== "dr-other" && (was === "dr-other" || was === "waiting");
  if (designated && iface.spec.type === "nbma") {
    for (const each of iface.neighbors.values()) if (each.priority === 0) neighborEvent(state, each, "start", now); // (6)
  }
  if (!changed && was === next) return;
  for (const each of iface.neighbors.values()) {
    if (atLeast(each, "2-way")) neighborEvent(state, each, "adj-ok", now); // (7)
  }
}

function reset(state: State, iface: Interface, now: Instant): void {
  for (const neighbor of iface.neighbors.values()) neighborEvent(state, neighbor, "kill-nbr", now);
  iface.dr = 0;
  iface.bdr = 0;
  iface.waitUntil = undefined;
  iface.helloAt = undefined;
  iface.extraHelloAt = undefined;
  iface.acks.clear();
  iface.acksAt = undefined;
  iface.outbox.clear();
  iface.outboxAt = undefined;
  for (const entry of iface.home.database) {
    iface.home.database.remove(entry); // what was heard on a link ends with it
    state.dying.delete(entry);
  }
}

function move(state: State, iface: Interface, to: OspfInterfaceState, why: string, _now: Instant): void {
  const from = iface.state;
  if (from === to) return;
  iface.state = to;
  state.origin.dirty = true;
  tellGroups(state, iface);
  state.out.push({ kind: "moved", ifname: iface.name, peer: iface.name, text: `interface ${from} → ${to}: ${why}` });
}

function row(cells: Partial<Record<InterfaceEvent, InterfaceCell>>): Readonly<Record<InterfaceEvent, InterfaceCell>> {
  return {
    "interface-up": "ignore",
    "wait-timer": "ignore",
    "backup-seen": "ignore",
    "neighbor-change": "ignore",
    "loop-ind": "loop",
    "unloop-ind": "ignore",
    "interface-down": "down",
    ...cells,
  };
}
