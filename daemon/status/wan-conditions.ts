/** What links, tunnels, paths and choices say that an operator should know. */
import type { Clock } from "../../base/clock.ts";
import { after, type Instant, type Ms, seconds } from "../../base/unit.ts";
import { isWholeClass } from "../../sdwan/steer-plan.ts";
import type { TunnelReport } from "../../sdwan/underlay-plan.ts";
import type { DesiredCondition } from "../desired/desired.ts";
import { tunnelKey } from "../desired/facts.ts";
import type { Wan } from "../parts/wan.ts";

export class WanConditions {
  readonly #clock: Clock;
  readonly #changed: () => void;
  /** Tunnels that are not up, since when. */
  readonly #waiting = new Map<string, Instant>();

  constructor(clock: Clock, changed: () => void) {
    this.#clock = clock;
    this.#changed = changed;
  }

  of(wan: Wan): readonly DesiredCondition[] {
    const { plan } = wan;
    if (plan === undefined) return [];
    const seen = new Set<string>();
    const found = [...links(wan), ...this.#tunnels(wan, seen), ...this.#paths(wan, seen), ...choices(wan)];
    for (const key of this.#waiting.keys()) if (!seen.has(key)) this.#waiting.delete(key);
    return found;
  }

  #paths(wan: Wan, seen: Set<string>): readonly DesiredCondition[] {
    return paths(wan).filter(({ code, subject }) => {
      if (code !== "PATH_BAD") return true;
      seen.add(subject);
      return this.#overdue(subject, BAD_FOR);
    });
  }

  #tunnels(wan: Wan, seen: Set<string>): readonly DesiredCondition[] {
    const out: DesiredCondition[] = [];
    for (const [key, { link, site, remoteLink, dscp, state, via, why, unshaken }] of described(wan)) {
      const subject = `tunnel/${link}>${site}/${remoteLink}${dscp === 0 ? "" : ` dscp ${dscp}`}`;
      if (state === "up") {
        if (via !== "direct") {
          const message = `by way of ${via}: no direct way has been found yet; ${why}`;
          out.push({ code: "TUNNEL_RELAYED", severity: "info", subject, message });
        }
        continue;
      }
      // A link that is down has its own condition.
      if (wan.links.get(link)?.state === "down") continue;
      seen.add(key);
      if (!this.#overdue(key, PATIENCE)) continue;
      out.push(
        unshaken === true
          ? { code: "TUNNEL_NO_HANDSHAKE", severity: "warning", subject, message: `${why}; ${compareKeys(site)}` }
          : { code: "TUNNEL_DOWN", severity: "warning", subject, message: `${state}: ${why}` },
      );
    }
    return out;
  }

  #overdue(key: string, patience: Ms): boolean {
    const now = this.#clock.now();
    const since = this.#waiting.get(key);
    if (since === undefined) {
      this.#waiting.set(key, now);
      this.#clock.wakeAt(after(now, patience), this.#changed);
      return false;
    }
    return now >= after(since, patience);
  }
}
/** A handshake and a way through a NAT take their time. */
const PATIENCE = seconds(15);
/** Windows that are bad now and then are what choices are for. */
const BAD_FOR = seconds(5);

/** What to do where no handshake was ever completed. */
export function compareKeys(site: string): string {
  return `compare novactl wan keys here and in ${site}: the public key that a site has must be the one that the other has of it`;
}

function described({ tunnels, plan }: Wan): readonly (readonly [string, Described])[] {
  const points = new Map(plan?.underlay.tunnels.map(({ ifname, dscp }) => [ifname, dscp]));
  return [...tunnels].map(([key, report]) => [key, { ...report, dscp: points.get(report.ifname) ?? 0 }] as const);
}
type Described = TunnelReport & { readonly dscp: number };

function links({ links: all, plan }: Wan): readonly DesiredCondition[] {
  return [...all.values()].flatMap(({ name, state, why, quotaSpent, used }): readonly DesiredCondition[] => {
    const link = plan?.layout.sites.links.find(({ metadata }) => metadata.name === name);
    const subject = `ProxyWANLink/${link?.metadata.namespace ?? "default"}/${name}`;
    const out: DesiredCondition[] = [];
    if (state === "down") out.push({ code: "LINK_DOWN", severity: "error", subject, message: why });
    if (state === "degraded") out.push({ code: "LINK_DEGRADED", severity: "warning", subject, message: why });
    if (quotaSpent) {
      const kept = link?.spec.reservedFor ?? [];
      const left = kept.length === 0 ? "nothing uses it" : `only ${kept.join(", ")} may use it`;
      const message = `${used} octets of ${link?.spec.quota?.size ?? 0} are spent: ${left} until the quota begins anew`;
      out.push({ code: "QUOTA_SPENT", severity: "warning", subject, message });
    }
    return out;
  });
}

function paths({ paths: all, plan, choices: made, tunnels }: Wan): readonly DesiredCondition[] {
  const written = new Set((plan?.steer.choices ?? []).filter(isWholeClass).map(({ id }) => id));
  return (plan?.steer.paths ?? []).flatMap(({ id, usable, ifname, site }): readonly DesiredCondition[] => {
    // That its tunnel has never worked says why, and has its own condition.
    if (site !== undefined && tunnels.get(tunnelKey(ifname, site))?.unshaken === true) return [];
    const subject = `path/${id}`;
    const life = all.get(id)?.life;
    if (!usable || life === undefined) return [];
    if (life.kind === "dead") return [{ code: "PATH_DEAD", severity: "warning", subject, message: life.why }];
    const verdicts = [...made.values()].flatMap(({ id: choice, candidates }) =>
      candidates.filter(({ path, verdict }) => path === id && verdict === "bad").map(({ why }) => ({ choice, why })),
    );
    const [first] = verdicts;
    if (first === undefined) return [];
    const names = [...new Set(verdicts.map(({ choice }) => choice))].filter((choice) => written.has(choice));
    const more = names.length > 3 ? ` and ${names.length - 3} more` : "";
    const whom = names.length === 0 ? "" : `; bad for ${names.slice(0, 3).join(", ")}${more}`;
    const message = `${limitOf(first.why)}${whom}`;
    return [{ code: "PATH_BAD", severity: "warning", subject, message }];
  });
}

/** Without the figure of now: the same breach is the same condition. */
function limitOf(why: string): string {
  return why.replace(/ [\d.]+ ?(?:%|ms)? (over|under|above|below) /, " $1 ");
}

function choices({ choices: made, plan }: Wan): readonly DesiredCondition[] {
  return (plan?.steer.choices ?? []).filter(isWholeClass).flatMap((choice): readonly DesiredCondition[] => {
    // Lanes of single links are lost with their links, and nothing that has another way.
    const { id, candidates, killSwitch } = choice;
    const report = made.get(id);
    if (report?.state !== "none" || candidates.length === 0) return [];
    const then = killSwitch ? "; its traffic is refused" : "";
    return [{ code: "NO_PATH", severity: "error", subject: `choice/${id}`, message: `${report.why}${then}` }];
  });
}
