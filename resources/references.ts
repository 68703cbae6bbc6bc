/** What resources say about each other: dangling references, clashes, and parts that can never take effect.  Pure. */
import { formatIp, type Ip } from "../base/address.ts";
import { diagnosticAt } from "./check.ts";
import type { Diagnostic } from "./diagnostic.ts";
import { hostnamesOverlap } from "./hostname.ts";
import { type AnyResource, type Gateway, qualifiedName, type ResourceSet, type Route, type Vip } from "./kinds.ts";
import type { Kind } from "./names.ts";
import { nearest } from "./nearest.ts";
import { overlap, type Range, rangesOf, within } from "./range.ts";
import { mayBe, NOTHING_REFUSED, type Refused } from "./refused.ts";
import { shadowed } from "./shadow.ts";
import type { Path } from "./yaml.ts";

/** `declared` names what the files define, also where it has errors of its own ("ProxyVIP/edge"). */
export function references(
  set: ResourceSet,
  declared: ReadonlySet<string>,
  refused: Refused = NOTHING_REFUSED,
): readonly Diagnostic[] {
  const world: World = { set, declared, refused, out: [] };
  for (const route of set.routes) routeReferences(world, route);
  for (const gateway of set.gateways) {
    if (gateway.spec.vipRef !== undefined) refer(world, gateway, ["spec", "vipRef"], "ProxyVIP", gateway.spec.vipRef);
  }
  for (const vip of set.vips) {
    if (vip.spec.poolRef !== undefined)
      refer(world, vip, ["spec", "poolRef", "name"], "ProxyIPPool", vip.spec.poolRef.name);
    vipPorts(world, vip);
    vipPool(world, vip);
  }
  addresses(world);
  listeners(world);
  pools(world);
  world.out.push(...shadowed(set));
  return world.out;
}

interface World {
  readonly set: ResourceSet;
  readonly declared: ReadonlySet<string>;
  readonly refused: Refused;
  readonly out: Diagnostic[];
}

function refer(world: World, from: AnyResource, path: Path, kind: Kind, name: string): void {
  if (world.declared.has(`${kind}/${name}`) || mayBe(world.refused, name.slice(name.lastIndexOf("/") + 1))) return;
  const names = [...world.declared].filter((id) => id.startsWith(`${kind}/`)).map((id) => id.slice(kind.length + 1));
  const near = nearest(name, names);
  const hint = near === undefined ? undefined : `did you mean ${near}?`;
  world.out.push(diagnosticAt(from.source, path, "value", "REFERENCE", `there is no ${kind} ${name}`, { hint }));
}

function routeReferences(world: World, route: Route): void {
  const own = route.metadata.namespace ?? "default";
  for (const [index, parent] of route.spec.parentRefs.entries()) {
    const name = `${parent.namespace ?? own}/${parent.name}`;
    const at = ["spec", "parentRefs", index];
    refer(world, route, [...at, "name"], "ProxyGateway", name);
    const gateway = world.set.gateways.find((each) => qualifiedName(each.metadata) === name);
    if (gateway !== undefined) parentListeners(world, route, gateway, parent.sectionName, at);
  }
  for (const [index, rule] of route.spec.rules.entries()) {
    const refs = rule.backendRefs ?? (rule.backendRef === undefined ? [] : [rule.backendRef]);
    for (const [place, { name, namespace }] of refs.entries()) {
      const at = rule.backendRefs === undefined ? ["backendRef"] : ["backendRefs", place];
      refer(world, route, ["spec", "rules", index, ...at, "name"], "ProxyBackend", `${namespace ?? own}/${name}`);
    }
    if (refs.length > 0 && refs.every(({ weight }) => weight === 0)) {
      const at = ["spec", "rules", index, rule.backendRefs === undefined ? "backendRef" : "backendRefs"];
      const message = "all weights are 0: no backend would get a request";
      world.out.push(diagnosticAt(route.source, at, "key", "NEVER_MATCHES", message));
    }
  }
}

function parentListeners(world: World, route: Route, gateway: Gateway, section: string | undefined, at: Path): void {
  const name = qualifiedName(gateway.metadata);
  const all = gateway.spec.listeners;
  const chosen = section === undefined ? all : all.filter((listener) => listener.name === section);
  if (chosen.length === 0 && section !== undefined) {
    const near = nearest(
      section,
      all.map((listener) => listener.name),
    );
    const hint = near === undefined ? undefined : `did you mean ${near}?`;
    const message = `ProxyGateway ${name} has no listener ${section}`;
    world.out.push(diagnosticAt(route.source, [...at, "sectionName"], "value", "REFERENCE", message, { hint }));
    return;
  }
  if (chosen.some((listener) => hostnamesOverlap(listener.hostnames, route.spec.hostnames))) return;
  const message = `no hostname of this route is one that ProxyGateway ${name} listens for`;
  const hint = `it listens for ${chosen.flatMap((listener) => listener.hostnames).join(", ")}`;
  world.out.push(diagnosticAt(route.source, ["spec", "hostnames"], "key", "NEVER_MATCHES", message, { hint }));
}

function gatewaysOn(set: ResourceSet, vip: Vip): readonly Gateway[] {
  return set.gateways.filter((gateway) => gateway.spec.vipRef === vip.metadata.name);
}

function vipPorts(world: World, vip: Vip): void {
  const gateways = gatewaysOn(world.set, vip);
  if (gateways.length === 0) return;
  const listened = new Set(gateways.flatMap((gateway) => gateway.spec.listeners.map((listener) => listener.port)));
  for (const [index, port] of vip.spec.ports.entries()) {
    if (listened.has(port)) continue;
    const message = `no listener of a gateway on this VIP has port ${port}, so no host could ever own it`;
    const hint = `its gateways listen on ${[...listened].sort((a, b) => a - b).join(", ")}`;
    world.out.push(diagnosticAt(vip.source, ["spec", "ports", index], "value", "NEVER_MATCHES", message, { hint }));
  }
}

function written(vip: Vip): readonly { readonly field: string; readonly ip: Ip }[] {
  const { address, ipv6Address } = vip.spec;
  return [
    ...(address === undefined ? [] : [{ field: "address", ip: address }]),
    ...(ipv6Address === undefined ? [] : [{ field: "ipv6Address", ip: ipv6Address }]),
  ];
}

function vipPool(world: World, vip: Vip): void {
  const { poolRef } = vip.spec;
  const pool = world.set.pools.find((each) => each.metadata.name === poolRef?.name);
  if (pool === undefined) return;
  const ranges = rangesOf(pool.spec);
  for (const { field, ip } of written(vip)) {
    if (within(ranges, ip)) continue;
    const message = `${formatIp(ip)} is not in ProxyIPPool ${pool.metadata.name}`;
    world.out.push(diagnosticAt(vip.source, ["spec", field], "value", "CONTRADICTION", message));
  }
}

function addresses(world: World): void {
  const first = new Map<Ip, string>();
  for (const vip of world.set.vips) {
    for (const { field, ip } of written(vip)) {
      const other = first.get(ip);
      if (other !== undefined) {
        const message = `${formatIp(ip)} is already the address of ProxyVIP ${other}`;
        world.out.push(diagnosticAt(vip.source, ["spec", field], "value", "DUPLICATE", message));
      }
      first.set(ip, other ?? vip.metadata.name);
    }
  }
}

/** Two gateways may share a VIP (or the host's addresses), but not a port on it. */
function listeners(world: World): void {
  const first = new Map<string, string>();
  for (const gateway of world.set.gateways) {
    for (const [index, listener] of gateway.spec.listeners.entries()) {
      const place = gateway.spec.vipRef === undefined ? "all addresses" : `ProxyVIP ${gateway.spec.vipRef}`;
      const key = `port ${listener.port} on ${place}`;
      const name = qualifiedName(gateway.metadata);
      const other = first.get(key);
      if (other !== undefined && other !== name) {
        const message = `${key} already belongs to ProxyGateway ${other}`;
        const at = ["spec", "listeners", index, "port"];
        world.out.push(diagnosticAt(gateway.source, at, "value", "DUPLICATE", message));
      }
      first.set(key, other ?? name);
    }
  }
}

function pools(world: World): void {
  const before: { readonly name: string; readonly ranges: readonly Range[] }[] = [];
  for (const pool of world.set.pools) {
    const places = [
      ...pool.spec.cidrs.map((cidr, index) => ({ at: ["cidrs", index], spec: { cidrs: [cidr], addresses: [] } })),
      ...pool.spec.addresses.map((ip, index) => ({ at: ["addresses", index], spec: { cidrs: [], addresses: [ip] } })),
    ].map(({ at, spec }) => ({ at, ranges: rangesOf({ ...spec, autoAssign: true }) }));
    for (const [index, { at, ranges }] of places.entries()) {
      const clashes = (each: { readonly ranges: readonly Range[] }): boolean =>
        each.ranges.some((a) => ranges.some((b) => overlap(a, b)));
      const other = before.find(clashes);
      if (other === undefined && !places.slice(0, index).some(clashes)) continue;
      const message = other === undefined ? "overlaps an entry before it" : `overlaps ProxyIPPool ${other.name}`;
      world.out.push(diagnosticAt(pool.source, ["spec", ...at], "value", "OVERLAP", message));
    }
    before.push({ name: pool.metadata.name, ranges: rangesOf(pool.spec) });
  }
}
