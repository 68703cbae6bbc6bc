/**
 * Keeps routing rules and the tables of WAN links as they are wanted: looks at what is there, plans, changes what
 * differs.  A second look changes nothing.  Rules and routes of others (another protocol, another range) are not seen.
 */
import { bitsOf, formatIp, formatPrefix, hostPrefix, isLinkLocal, masked } from "../../../base/address.ts";
import { MARK_MASK, markValue, packetMark, ROUTE_PROTOCOL, RULE_PREFERENCE } from "../../../netstack/kernel/marks.ts";
import type { Link } from "../../../netstack/kernel/netlink/link.ts";
import type { NewRoute, OldRoute, Route } from "../../../netstack/kernel/netlink/route.ts";
import { RouteSocket } from "../../../netstack/kernel/netlink/route-socket.ts";
import { type NewRule, orderOf, type Rule } from "../../../netstack/kernel/netlink/rule.ts";
import { LANE_METRIC } from "../lane-routes.ts";
import { LAST, type LinkDevice, type LinkRoute, planRoutes, refusalsOf, wantedRoutes } from "../link-table.ts";
import type { LinkFacts, SteeringPlan } from "../part.ts";
import { planRules, type RuleChanges, type SteeringRule, wantedRules } from "../rules.ts";

export interface RouteDrift {
  /** What was put right, in words of ip(8). */
  readonly changed: readonly string[];
  /** What the kernel would not take, and why. */
  readonly refused: readonly string[];
}

export class RouteKeeper implements Disposable {
  readonly #route = new RouteSocket();

  /** Of the socket that changes are made with. */
  get port(): number {
    return this.#route.port;
  }

  /** Networks on the wires of links, in a steady order. */
  near(plan: SteeringPlan): readonly string[] {
    const all = [...this.#addresses(plan).values()].flat();
    const networks = all.filter(({ ip, prefixLength }) => prefixLength < bitsOf(ip));
    const texts = networks.map(({ ip, prefixLength: length }) => formatPrefix({ ip: masked(ip, length), length }));
    return [...new Set(texts)].toSorted((one, other) => one.localeCompare(other));
  }

  /**
   * Before any packet gets a mark: the refusals of kill switches, then the rules that lead to them.  A mark without them
   * would be carried by the main table.  What has to go stays until `keep`: packets may have that mark still.
   */
  prepare(plan: SteeringPlan): RouteDrift {
    const refusals = refusalsOf(plan.lanes);
    const tables = new Set(refusals.map(({ table }) => table));
    const have = [...tables].flatMap((table) => this.#route.routes({ table, protocol: ROUTE_PROTOCOL }));
    const { replace } = planRoutes(refusals, have.map(asLinkRoute));
    const routes = this.#change(replace, []);
    const { add } = this.#rulesOf(plan);
    for (const rule of add) this.#route.addRule(newRule(rule));
    return { ...routes, changed: [...routes.changed, ...add.map((rule) => `rule add ${ruleText(rule)}`)] };
  }

  keep(plan: SteeringPlan, facts: readonly LinkFacts[]): RouteDrift {
    const routes = this.#routes(plan, facts);
    const changed = [...this.#rules(plan), ...routes.changed];
    return { changed, refused: routes.refused };
  }

  /** Rules, link tables and the refusals of kill switches; what else is in our tables belongs to whoever chooses the ways of classes. */
  remove(): void {
    for (const rule of this.#ours()) this.#route.deleteRule(orderOf(rule));
    const { first, last } = RULE_PREFERENCE;
    const refusals = this.#route
      .routes({ protocol: ROUTE_PROTOCOL })
      .filter(({ table, metric }) => table > first && table <= last && metric === LANE_METRIC.refusal);
    for (const route of [...this.#linkRoutes(), ...refusals]) this.#route.deleteRoute(oldRoute(route));
  }

  [Symbol.dispose](): void {
    this.#route[Symbol.dispose]();
  }

  #rulesOf(plan: SteeringPlan): RuleChanges & { readonly strange: readonly Rule[] } {
    const ours = this.#ours();
    const known = ours.map(asSteering);
    const strange = ours.filter((_, index) => known[index] === undefined);
    const have = known.filter((rule) => rule !== undefined);
    const addresses = new Map(
      [...this.#addresses(plan)].map(([link, each]) => [link, each.map(({ ip }) => ip)] as const),
    );
    return { ...planRules(wantedRules(plan, RULE_PREFERENCE.first, addresses), have), strange };
  }

  #rules(plan: SteeringPlan): readonly string[] {
    const { add, remove, strange } = this.#rulesOf(plan);
    for (const rule of add) this.#route.addRule(newRule(rule));
    for (const rule of [...remove.map(newRule), ...strange.map(orderOf)]) this.#route.deleteRule(rule);
    return [
      ...add.map((rule) => `rule add ${ruleText(rule)}`),
      ...remove.map((rule) => `rule del ${ruleText(rule)}`),
      ...strange.map(({ preference, table }) => `rule del pref ${preference} lookup ${table}`),
    ];
  }

  #routes(plan: SteeringPlan, facts: readonly LinkFacts[]): RouteDrift {
    const links = this.#route.links();
    const want = plan.links.flatMap(({ name, ifname, table }) => {
      const device = this.#device(links.find((each) => each.name === ifname));
      const known = facts.find((each) => each.name === name);
      return wantedRoutes(table, known, device);
    });
    const have = this.#linkRoutes(plan);
    const { replace, remove } = planRoutes(want, have.map(asLinkRoute));
    return this.#change(replace, remove);
  }

  #change(replace: readonly LinkRoute[], remove: readonly LinkRoute[]): RouteDrift {
    const orders = [
      ...replace.map((route) => ({ kind: "replace" as const, route: newRoute(route) })),
      ...remove.map((route) => ({ kind: "delete" as const, route: oldRoute(route) })),
    ];
    const refused = orders.length === 0 ? [] : this.#route.changeRoutes(orders);
    const words = [
      ...replace.map((each) => `route replace ${routeText(each)}`),
      ...remove.map((each) => `route del ${routeText(each)}`),
    ];
    const failed = new Map(refused.map((each) => [each.index, each.kernel ?? each.error]));
    return {
      changed: words.filter((_, index) => !failed.has(index)),
      refused: [...failed].map(([index, why]) => `${words[index]}: ${why}`),
    };
  }

  /** Of each link, by its name; not those that stay on the wire. */
  #addresses(plan: SteeringPlan): ReadonlyMap<string, LinkDevice["addresses"]> {
    const links = this.#route.links();
    return new Map(
      plan.links.map(({ name, ifname }) => {
        const device = this.#device(links.find((each) => each.name === ifname));
        return [name, (device?.addresses ?? []).filter(({ ip }) => !isLinkLocal(ip))];
      }),
    );
  }

  #ours(): readonly Rule[] {
    const { first, last } = RULE_PREFERENCE;
    return this.#route
      .rules()
      .filter(({ protocol, preference }) => protocol === ROUTE_PROTOCOL && preference >= first && preference <= last);
  }

  /**
   * What is in tables of links, also of links that are gone: the refusal tells those.  A table that has become another
   * lane's in the meantime is that of whoever chooses ways, but for the refusal, which would be below them.
   */
  #linkRoutes(plan?: SteeringPlan): readonly Route[] {
    const { first, last } = RULE_PREFERENCE;
    const all = this.#route.routes({ protocol: ROUTE_PROTOCOL }).filter(({ table }) => table >= first && table <= last);
    const refusing = new Set(all.filter(({ metric }) => metric === LAST).map(({ table }) => table));
    const links = new Set(plan?.links.map(({ table }) => table));
    const taken = new Set(plan?.lanes.filter(({ what }) => what.kind !== "link").map(({ table }) => table));
    return all.filter(
      ({ table, metric }) => links.has(table) || (refusing.has(table) && (metric === LAST || !taken.has(table))),
    );
  }

  #device(link: Link | undefined): LinkDevice | undefined {
    if (link === undefined) return undefined;
    const addresses = this.#route
      .addresses(link.index)
      .filter(({ dadFailed }) => !dadFailed)
      .map(({ ip, prefixLength }) => ({ ip, prefixLength }));
    return { index: link.index, up: link.up, addresses };
  }
}

/** undefined: of our protocol, but none that we make. */
function asSteering(rule: Rule): SteeringRule | undefined {
  const { family, preference, table, mark, mask, from, to, iif, oif, suppress, action } = rule;
  if (to !== undefined || iif !== undefined || oif !== undefined || action !== "lookup") return undefined;
  if (mark !== undefined && (mask !== MARK_MASK || mark === 0 || (mark & ~MARK_MASK) !== 0)) return undefined;
  if (from !== undefined && from.length !== bitsOf(from.ip)) return undefined;
  return {
    family,
    preference,
    table,
    value: mark === undefined ? undefined : markValue(mark),
    from: from?.ip,
    suppress,
  };
}

function newRule({ family, preference, table, value, from, suppress }: SteeringRule): NewRule {
  return {
    family,
    preference,
    table,
    protocol: ROUTE_PROTOCOL,
    ...(value === undefined ? {} : { mark: packetMark(value), mask: MARK_MASK }),
    ...(from === undefined ? {} : { from: hostPrefix(from) }),
    ...(suppress === undefined ? {} : { suppress }),
  };
}

function asLinkRoute({ destination, table, metric, type, hops }: Route): LinkRoute {
  const [hop] = hops;
  if (type !== "unicast")
    return { destination, table, metric, type: "unreachable", gateway: undefined, oif: undefined };
  return { destination, table, metric, type, gateway: hop?.gateway, oif: hop?.oif };
}

function newRoute({ destination, table, metric, type, gateway, oif }: LinkRoute): NewRoute {
  return {
    destination,
    table,
    metric,
    type,
    protocol: ROUTE_PROTOCOL,
    ...(oif === undefined ? {} : { oif }),
    // Some providers' gateways are not in the subnet that they hand out.
    ...(gateway === undefined ? {} : { gateway, onLink: true }),
  };
}

function oldRoute({ destination, table, metric }: Pick<LinkRoute, "destination" | "table" | "metric">): OldRoute {
  return { destination, table, metric, protocol: ROUTE_PROTOCOL };
}

function ruleText({ family, preference, table, value, from, suppress }: SteeringRule): string {
  const parts = [family, `pref ${preference}`];
  if (from !== undefined) parts.push(`from ${formatIp(from)}`);
  if (value !== undefined) parts.push(`mark ${value}`);
  return [...parts, `lookup ${table}`, ...(suppress === undefined ? [] : [`suppress_prefixlength ${suppress}`])].join(
    " ",
  );
}
function routeText({ destination, table, type }: LinkRoute): string {
  return `${type} ${formatPrefix(destination)} table ${table}`;
}
