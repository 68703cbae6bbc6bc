/**
 * Reverse path filtering, made loose (RFC 3704 §2.4) where it is strict and packets come in by another device than the
 * main table would answer by: on tunnels and WAN links.  What was there before is noted and put back.
 */
import { join } from "node:path";
import { readSysctl, SysctlGuard } from "../../../netstack/kernel/sysctl.ts";
import type { SteeringPlan } from "../part.ts";

export class LooseFilter {
  readonly #guard: SysctlGuard;

  constructor(state: string | undefined) {
    this.#guard = new SysctlGuard(state === undefined ? undefined : join(state, "wan-sysctl.json"));
  }

  /** Returns the interfaces that were changed now. */
  keep(plan: SteeringPlan): readonly string[] {
    const wanted = new Set([...plan.tunnels, ...plan.links].map(({ ifname }) => settingOf(ifname)));
    this.#guard.restore((name) => !wanted.has(name));
    const everywhere = readSysctl(settingOf("all"));
    return [...wanted].filter((name) => {
      const own = readSysctl(name);
      // The kernel takes the larger of the two; 1 is strict.
      if (own === undefined || own === LOOSE || (own !== STRICT && everywhere !== STRICT)) return false;
      return this.#guard.set(name, LOOSE);
    });
  }

  remove(): void {
    this.#guard.restore();
  }
}

function settingOf(ifname: string): string {
  return `net/ipv4/conf/${ifname}/rp_filter`;
}

const STRICT = "1";
const LOOSE = "2";
