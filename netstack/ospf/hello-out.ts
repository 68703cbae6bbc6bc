/** When and to whom hellos are sent.  Standards: RFC 2328 §9.5, §9.5.1 (NBMA). */
import { after, type Instant, ms } from "../../base/unit.ts";
import { tellOutage } from "./outage.ts";
import { headOf, send } from "./send.ts";
import { atLeast, type Interface, type Neighbor, type State } from "./state.ts";

/** One hello beyond the regular ones, when there is news; at most one each second. */
export function helloSoon(iface: Interface, now: Instant): void {
  if (iface.helloAt === undefined || iface.extraHelloAt !== undefined) return;
  const next = after(iface.extraHelloSent, EXTRA_GAP);
  iface.extraHelloAt = next > now ? next : now;
}

export function advanceHellos(state: State, iface: Interface, now: Instant): void {
  const nbma = iface.spec.type === "nbma";
  const extra = iface.extraHelloAt !== undefined && now >= iface.extraHelloAt;
  if (iface.helloAt !== undefined && (now >= iface.helloAt || extra)) {
    if (extra) iface.extraHelloSent = now;
    iface.extraHelloAt = undefined;
    // Not the interval after this one: what is late shall not make all that follow late.
    const next = after(iface.helloAt, ms(iface.spec.hello));
    if (now >= iface.helloAt) iface.helloAt = next > now ? next : after(now, ms(iface.spec.hello));
    if (!nbma) sendHello(state, iface, state.dialect.allSpf);
    else
      for (const each of iface.neighbors.values())
        if (isRegular(state, iface, each)) sendHello(state, iface, each.address);
  }
  if (!nbma || iface.helloAt === undefined) return;
  for (const each of iface.neighbors.values()) {
    if (each.pollAt === undefined || now < each.pollAt) continue;
    nextPoll(each, now);
    if (isPolled(state, iface, each)) sendHello(state, iface, each.address);
  }
}

/** NBMA: the next hello to a neighbor that is silent. */
export function nextPoll(neighbor: Neighbor, now: Instant): void {
  const { spec } = neighbor.iface;
  neighbor.pollAt = after(now, ms(neighbor.state === "down" ? spec.poll : spec.hello));
}

export function sendHello(state: State, iface: Interface, destination: Neighbor["address"]): void {
  const { spec } = iface;
  tellOutage(state, iface, destination);
  const neighbors = [...iface.neighbors.values()].filter((each) => atLeast(each, "init")).map((each) => each.routerId);
  send(state, iface, destination, {
    ...headOf(state, iface),
    kind: "hello",
    ...state.dialect.helloFields(iface),
    options: state.dialect.options(iface.area),
    helloInterval: wireSeconds(spec.hello),
    deadInterval: Math.max(1, wireSeconds(spec.dead)),
    priority: spec.priority,
    dr: iface.dr,
    bdr: iface.bdr,
    neighbors: state.stopping?.keep === false ? [] : neighbors,
  });
}

/** Below a second 0, as others write it; a receiver does not compare it then. */
export function wireSeconds(milliseconds: number): number {
  return Math.floor(milliseconds / 1000);
}

/** Whom hellos reach at each HelloInterval; the others that are configured are polled. */
function isRegular(state: State, iface: Interface, neighbor: Neighbor): boolean {
  if (neighbor.state === "down" || neighbor.state === "attempt") return false;
  return speaksTo(state, iface, neighbor);
}
function isPolled(state: State, iface: Interface, neighbor: Neighbor): boolean {
  if (neighbor.state !== "down" && neighbor.state !== "attempt") return false;
  if (state.stopping !== undefined) return false;
  return speaksTo(state, iface, neighbor);
}
/** §9.5.1. */
function speaksTo(state: State, iface: Interface, neighbor: Neighbor): boolean {
  if (iface.state === "dr" || iface.state === "backup") return true;
  if (iface.spec.priority > 0) return neighbor.priority > 0;
  const identity = state.dialect.identityOf(neighbor);
  return identity === iface.dr || identity === iface.bdr;
}

const EXTRA_GAP = ms(1000);
