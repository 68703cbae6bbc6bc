/** What is wrong with routing now, in words that an operator can act on. */
import type { Clock } from "../base/clock.ts";
import { after, type Instant, type Ms, ms, seconds } from "../base/unit.ts";
import type { BgpPeerReport, BgpPeerSpec } from "../netstack/bgp/plan.ts";
import type { OspfInterfaceReport, OspfInterfaceSpec } from "../netstack/ospf/plan.ts";
import type { DesiredCondition } from "./desired.ts";
import type { Routing } from "./routing.ts";

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

  of(routing: Routing): readonly DesiredCondition[] {
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
      ...peerConditions(plan.bgp?.peers ?? [], routing.peers, lasting),
      ...plan.ospf.flatMap(({ version, areas }) =>
        areas
          .flatMap(({ interfaces }) => interfaces)
          .flatMap((each) => interfaceConditions(version, each, routing.interfaces, lasting)),
      ),
      ...[...routing.vips.values()].flatMap(({ report: { name, state, why } }): readonly DesiredCondition[] =>
        state === "failed"
          ? [{ code: "VIP_NOT_ANNOUNCED", severity: "error", subject: `ProxyVIP/${name}`, message: why }]
          : [],
      ),
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

function peerConditions(
  specs: readonly BgpPeerSpec[],
  reports: ReadonlyMap<string, BgpPeerReport>,
  lasting: Lasting,
): readonly DesiredCondition[] {
  const wanted = specs.filter(({ adminDown }) => !adminDown);
  const up = wanted.filter(({ name }) => reports.get(name)?.state === "established").length;
  return wanted.flatMap((spec): readonly DesiredCondition[] => {
    const report = reports.get(spec.name);
    const subject = `bgp/${spec.name}`;
    if (report?.state === "established") return limits(spec, report, subject);
    const fresh = (report?.established ?? 0) === 0;
    if (!lasting(subject, fresh ? PEER_PATIENCE : ms(0))) return [];
    // Without any peer nothing is announced; with others it is redundancy that is lost.
    const severity = up === 0 ? "error" : "warning";
    if (report !== undefined && /prefixes/.test(report.lastError ?? "") && /maximum/.test(report.lastError ?? "")) {
      const message = `shut down: ${report.lastError}; \`novactl bgp clear ${spec.name}\` tries again`;
      return [{ code: "BGP_MAX_PREFIX", severity, subject, message }];
    }
    const where = [spec.address, spec.ifname].filter((each) => each !== undefined).join(" on ");
    const error = report?.lastError === undefined ? hintFor(spec, report) : `last error: ${report.lastError}`;
    const message = `${where} is ${report?.state ?? "not known yet"}; ${error}`;
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

function limits({ families }: BgpPeerSpec, report: BgpPeerReport, subject: string): readonly DesiredCondition[] {
  const near = families.flatMap(({ family, maxPrefixes }) => {
    const received = report.families.find((each) => each.family === family)?.received ?? 0;
    if (maxPrefixes === undefined || received * 100 < maxPrefixes.limit * maxPrefixes.warnAt) return [];
    return [`${received} of ${maxPrefixes.limit} ${family} prefixes`];
  });
  if (near.length === 0) return [];
  return [{ code: "BGP_MAX_PREFIX", severity: "warning", subject, message: `announces ${near.join(", ")}` }];
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
  if (neighbors.some(({ state }) => state === "full")) return [];
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
const EXCHANGE = 10_000;
