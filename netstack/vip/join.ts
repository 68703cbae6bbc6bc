/**
 * A virtual IP that we own gets a second address: what we hold stays, and the new one is probed and claimed by itself
 * (docs/protocols/vip.md §5).  No turns and no rivals: its owner is known.
 */
import { formatIp, formatMac, type Ip, type Mac } from "../../base/address.ts";
import { after, type Instant, type Ms, ms } from "../../base/unit.ts";
import { ask, isConfirmed, isConnected } from "./contact.ts";
import type { Holding } from "./event.ts";
import { hasten, type State, type Vip } from "./state.ts";
import { detection, window } from "./timing.ts";

/** Probes for `addresses` from `at` on. */
export function startJoining(state: State, vip: Vip, addresses: readonly Ip[], at: Instant): void {
  if (addresses.length === 0) {
    vip.joining = undefined;
    return;
  }
  const span = ms(detection(state.config.timing) / 2);
  vip.joining = {
    addresses,
    gap: ms(span / PROBES),
    nextAt: at,
    probesLeft: PROBES,
    probedAt: at,
    probedAfter: state.sequence,
    askedAt: undefined,
  };
}

export function advanceJoining(state: State, vip: Vip, now: Instant): void {
  const { joining } = vip;
  if (joining === undefined) return;
  if (vip.phase.kind !== "owner") {
    vip.joining = undefined;
    return;
  }
  if (now < joining.nextAt) return;
  if (joining.probesLeft > 0) {
    const before = after(now, window(state.config.timing));
    for (const ip of joining.addresses) state.out.push({ kind: "probe", ip, before });
    ask(state, now);
    hasten(state);
    joining.probedAt = now;
    joining.probedAfter = state.sequence;
    joining.probesLeft--;
    joining.nextAt = after(now, joining.gap);
    return;
  }
  if (isConnected(state, now) && isConfirmed(state, joining)) joining.askedAt = now;
  else if (now >= after(joining.nextAt, detection(state.config.timing))) {
    startJoining(state, vip, joining.addresses, now);
  }
}

/** What the kernel is to be asked for now. */
export function joiningNow(vip: Vip, now: Instant): Holding | undefined {
  const { joining } = vip;
  return joining?.askedAt === now ? { vip: vip.id, addresses: joining.addresses } : undefined;
}

/** The kernel's answer. */
export function joined(state: State, vip: Vip, ok: boolean, now: Instant): void {
  const { joining } = vip;
  if (joining?.askedAt === undefined) return;
  if (!ok) return startJoining(state, vip, joining.addresses, after(now, detection(state.config.timing)));
  vip.joining = undefined;
  for (const ip of joining.addresses) {
    state.drains.delete(ip);
    state.announcer.start(ip, now);
    const fields = { vip: vip.config.name, address: formatIp(ip) };
    state.out.push({ kind: "event", name: "vip.address-claimed", fields });
  }
  hasten(state);
}

/** Somebody has the new address: try again later.  Says whether `ip` is one that we do not hold yet. */
export function joiningAnswered(state: State, vip: Vip, ip: Ip, mac: Mac, now: Instant): boolean {
  const { joining } = vip;
  if (joining?.addresses.includes(ip) !== true) return false;
  if (joining.nextAt > now && joining.probesLeft === PROBES) return true; // put off already
  startJoining(state, vip, joining.addresses, after(now, RETRY));
  const fields = { vip: vip.config.name, mac: formatMac(mac), outcome: "gave-way" };
  state.out.push({ kind: "event", name: "vip.address-conflict", fields });
  return true;
}

const PROBES = 3;
const RETRY = 10_000 as Ms;
