/** What is wrong with routing now, in words that an operator can act on. */
import type { Clock } from "../../base/clock.ts";
import { after, type Instant, type Ms, ms, seconds } from "../../base/unit.ts";
import type { BgpPeerReport, BgpPeerSpec } from "../../netstack/bgp/plan.ts";
import type { OspfInterfaceReport, OspfInterfaceSpec } from "../../netstack/ospf/plan.ts";
import type { DesiredCondition } from "../desired/desired.ts";
import type { Routing } from "../parts/routing.ts";
import type { RoutedVipReport } from "../routing/words.ts";

export class RoutingConditions {
  readonly #clock: Clock;
  readonly #changed: () => void;
  /** What is not as it should be → since when. */
  readonly #since = new Map<string, Instant>();
  #alarm: Disposable | undefined;

  constructor(clock: Clock, changed: () => void) {
    this.#clock = clock;
    this.#changed = changed;
  }

  /** `unguarded`: whether the BFD session of that client has never come up. */
  of(routing: Routing, unguarded: (client: string) => boolean): readonly DesiredCondition[] {
    const { plan } = routing;
    const status = routing.status(() => undefined);
    const down = downOf(status);
    if (plan === undefined || down !== undefined) {
      this.#since.clear();
      return down === undefined ? [] : [down];
    }
    const seen = new Set<string>();
    let next: Instant | undefined;
    /** Whether `key` has been wrong for longer than is usual. */
    const lasting = (key: string, patience: Ms): boolean => {
      seen.add(key);
      const since = this.#since.get(key) ?? this.#clock.now();
      this.#since.set(key, since);
      const at = after(since, patience);
      if (this.#clock.now() >= at) return true;
      if (next === undefined || at < next) next = at;
      return false;
    };
    const conditions = [
      ...peerConditions(plan.bgp?.peers ?? [], routing.peers, lasting, unguarded),
      ...plan.ospf.flatMap(({ version, areas }) =>
        areas
          .flatMap(({ interfaces }) => interfaces)
          .flatMap((each) => interfaceConditions(version, each, routing.interfaces, lasting)),
      ),
      ...[...routing.vips.values()].flatMap(({ report }) => vipConditions(report, lasting)),
    ];
    for (const key of this.#since.keys()) if (!seen.has(key)) this.#since.delete(key);
    this.#alarm?.[Symbol.dispose]();
    this.#alarm = next === undefined ? undefined : this.#clock.wakeAt(next, this.#changed);
    return conditions;
  }
}

type Lasting = (key: string, patience: Ms) => boolean;

function downOf(status: ReturnType<Routing["status"]>): DesiredCondition | undefined {
  if (status?.state !== "silent" && status?.state !== "backoff") return undefined;
  const how = status.state === "silent" ? "does not answer" : `ended: ${status.lastEnd ?? "unknown"}; a restart is due`;
  const message = `${how}; nothing is announced meanwhile, but to peers that keep our routes (bgp.gracefulRestart)`;
  return { code: "ROUTING_DOWN", severity: "error", subject: "routing", message };
}

function vipConditions({ name, state, why }: RoutedVipReport, lasting: Lasting): readonly DesiredCondition[] {
  const subject = `ProxyVIP/${name}`;
  const code = "VIP_NOT_ANNOUNCED";
  if (state === "failed") return [{ code, severity: "error", subject, message: why }];
  // Without any peer it is the peers that are told of; this one looks as if all were well.
  const unheard = state === "bound" && why.startsWith(PARTLY) ? why.slice(PARTLY.length) : undefined;
  if (unheard === undefined || !lasting(subject, FAMILY_PATIENCE)) return [];
  const message = `nobody hears of ${unheard}: no peer or neighbor is there that takes routes of this family from us`;
  return [{ code, severity: "warning", subject, message }];
}

function peerConditions(
  specs: readonly BgpPeerSpec[],
  reports: ReadonlyMap<string, BgpPeerReport>,
  lasting: Lasting,
  unguarded: (client: string) => boolean,
): readonly DesiredCondition[] {
  const wanted = specs.filter(({ adminDown }) => !adminDown);
  const up = wanted.filter(({ name }) => reports.get(name)?.state === "established").length;
  return wanted.flatMap((spec): readonly DesiredCondition[] => {
    const report = reports.get(spec.name);
    const subject = `bgp/${spec.name}`;
    if (report?.state === "established") {
      const bare = report.bfd !== undefined && unguarded(report.bfd) && lasting(`${subject} bfd`, BFD_PATIENCE);
      return [...limits(spec, report, subject), ...(bare ? [unguardedOf(subject, "established", "peer")] : [])];
    }
    const fresh = (report?.established ?? 0) === 0;
    if (!lasting(subject, fresh ? PEER_PATIENCE : ms(0))) return [];
    // Without any peer nothing is announced; with others it is redundancy that is lost.
    const severity = up === 0 ? "error" : "warning";
    if (report !== undefined && /prefixes/.test(report.lastError ?? "") && /maximum/.test(report.lastError ?? "")) {
      const message = `shut down: ${report.lastError}; ${afterTooMany(spec, report.lastError ?? "")}`;
      return [{ code: "BGP_MAX_PREFIX", severity, subject, message }];
    }
    const where = [spec.address, spec.ifname].filter((each) => each !== undefined).join(" on ");
    const error =
      report?.lastError === undefined
        ? hintFor(spec, report)
        : `last error: ${report.lastError}${meaning(spec, report.lastError)}`;
    // Not its state: that changes every few seconds, and each message is an event.
    const message = `${where} is down; ${error}`;
    return [{ code: "BGP_PEER_DOWN", severity, subject, message }];
  });
}

function hintFor({ auth, ttlSecurity }: BgpPeerSpec, report: BgpPeerReport | undefined): string {
  const suspects = [
    "does the peer run and name this host as its neighbor",
    ...(auth === undefined ? [] : ["are the keys equal"]),
    ...(ttlSecurity === undefined ? [] : ["does it send with TTL 255"]),
  ];
  return report?.state === "open-sent" || report?.state === "open-confirm"
    ? "the peer does not answer our OPEN"
    : `no connection: ${suspects.join(", ")}?`;
}

/** What a code of the protocol does not say by itself. */
function meaning({ name, asn }: BgpPeerSpec, error: string): string {
  const trace = `\`novactl trace bgp ${name}\` shows both OPEN messages`;
  if (!error.startsWith("open-message/bad-peer-as")) return "";
  if (error.endsWith("received")) return `: the peer expects another AS of this host; ${trace}`;
  return `: the peer is not in ${typeof asn === "number" ? `AS ${asn}` : `an ${asn} AS`}, which is configured here; ${trace}`;
}

function afterTooMany({ name, families }: BgpPeerSpec, error: string): string {
  const again = `\`novactl bgp clear ${name}\` tries again`;
  if (error.endsWith("received")) return `this host announces more than the peer allows; ${again}`;
  const most = families.flatMap(({ family, maxPrefixes }) =>
    maxPrefixes === undefined ? [] : [`${maxPrefixes.limit} ${family}`],
  );
  const alone = families.some(({ maxPrefixes }) => maxPrefixes?.restartAfter !== undefined) ? " now" : "";
  return [...(most.length === 0 ? [] : [`allowed: ${most.join(", ")}`]), `${again}${alone}`].join("; ");
}

/** RFC 5882 §4.2 lets the session live; who asked for BFD must know that a dead path is noticed by the slow timer only. */
function unguardedOf(subject: string, what: string, where: "peer" | "interface"): DesiredCondition {
  const asked =
    where === "peer"
      ? "its BFD session has never come up: does the peer run BFD for this host, single or multihop as here?"
      : "BFD is not up: does the router run it on its interface?";
  const message = `${what}, but ${asked}`;
  return { code: "BFD_DOWN", severity: "warning", subject, message };
}

/** The families in which the peer announces nearly what it may, or undefined. */
export function nearLimits({ families }: BgpPeerSpec, report: BgpPeerReport): string | undefined {
  const near = families.flatMap(({ family, maxPrefixes }) => {
    const received = report.families.find((each) => each.family === family)?.received ?? 0;
    if (maxPrefixes === undefined || received * 100 < maxPrefixes.limit * maxPrefixes.warnAt) return [];
    return [`${received} of ${maxPrefixes.limit} ${family} prefixes`];
  });
  return near.length === 0 ? undefined : near.join(", ");
}

function limits(spec: BgpPeerSpec, report: BgpPeerReport, subject: string): readonly DesiredCondition[] {
  const near = nearLimits(spec, report);
  return near === undefined
    ? []
    : [{ code: "BGP_MAX_PREFIX", severity: "warning", subject, message: `announces ${near}` }];
}

function interfaceConditions(
  version: 2 | 3,
  spec: OspfInterfaceSpec,
  reports: readonly OspfInterfaceReport[],
  lasting: Lasting,
): readonly DesiredCondition[] {
  if (spec.passive) return [];
  const subject = `ospf/${spec.ifname}`;
  const report = reports.find((each) => each.version === version && each.ifname === spec.ifname);
  const neighbors = report?.neighbors ?? [];
  const full = neighbors.filter(({ state }) => state === "full");
  if (full.length > 0) {
    if (spec.bfd === undefined) return [];
    const bare = full.filter(
      ({ routerId, bfd }) => bfd !== "up" && lasting(`${subject}/${version} ${routerId} bfd`, BFD_PATIENCE),
    );
    const who = `full with ${bare.map(({ routerId }) => routerId).join(", ")}`;
    return bare.length === 0 ? [] : [unguardedOf(`${subject}/v${version}`, who, "interface")];
  }
  // An adjacency may take a dead interval (the wait for a designated router) and an exchange.
  if (!lasting(`${subject}/${version}`, ms(spec.dead + EXCHANGE))) return [];
  const best = neighbors.map(({ routerId, state, lastError }) =>
    [`${routerId} is ${state}`, ...(lastError === undefined ? [] : [`(${lastError})`])].join(" "),
  );
  const refused = Object.keys(report?.refused ?? {});
  const why =
    report?.state === "down" || report === undefined
      ? "the interface is down or not there"
      : best.length > 0
        ? best.join(", ")
        : refused.length > 0
          ? `packets are refused: ${refused.join(", ")}`
          : "nobody is heard: are area, timers, network type and authentication equal on both sides?";
  const message = `OSPFv${version} in area ${report?.area ?? "?"}: no full neighbor: ${why}`;
  return [{ code: "OSPF_NO_NEIGHBOR", severity: "warning", subject: `${subject}/v${version}`, message }];
}

const PEER_PATIENCE = seconds(10);
/** The two families come by sessions of their own, OSPF's after two waits for a designated router. */
const FAMILY_PATIENCE = seconds(60);
const PARTLY = "NO_PEER ";
/** FRR begins its BFD session when BGP is established, at a packet a second. */
const BFD_PATIENCE = seconds(30);
const EXCHANGE = 10_000;
