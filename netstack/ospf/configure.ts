/** A plan becomes areas and interfaces; a changed plan touches what differs, and nothing else. */
import { formatIp, formatPrefix, isIpv4, parseIp, parseIpv4, parsePrefix } from "../../base/address.ts";
import { type Instant, instant } from "../../base/unit.ts";
import { changed } from "./backoff.ts";
import type { Link } from "./event.ts";
import { emptyOutboxes, flush } from "./flood.ts";
import { helloSoon } from "./hello-out.ts";
import { interfaceEvent, tellGroups } from "./interface.ts";
import { Database } from "./lsdb.ts";
import { neighborEvent, newNeighbor } from "./neighbor.ts";
import { networksOf } from "./own.ts";
import type { OspfInterfaceSpec, OspfPlan } from "./plan.ts";
import { type Area, event, homesOfAll, type Interface, type State } from "./state.ts";

export function configure(state: State, plan: OspfPlan, now: Instant): void {
  const routerId = idOf(plan.routerId);
  if (routerId !== state.routerId) rename(state, routerId, now);
  const before = state.plan;
  state.plan = plan;
  state.origin.dirty = true;
  if (JSON.stringify(before.install) !== JSON.stringify(plan.install)) state.untold = true;

  const wanted = new Map<string, { readonly area: number; readonly spec: OspfInterfaceSpec }>();
  for (const area of plan.areas) {
    const id = idOf(area.id);
    for (const spec of area.interfaces) wanted.set(spec.ifname, { area: id, spec });
    const known = state.areas.get(id);
    if (known === undefined) state.areas.set(id, newArea(id, area.id, area.kind));
    else if (known.kind !== area.kind) restartArea(state, known, area.kind, now);
  }
  for (const iface of state.interfaces.values()) {
    const want = wanted.get(iface.name);
    if (want === undefined || want.area !== iface.area.id || mustRestart(iface.spec, want.spec))
      drop(state, iface, now);
  }
  for (const [id] of state.areas) {
    if (!plan.areas.some((area) => idOf(area.id) === id)) {
      state.areas.delete(id);
      changed(state.backoff, now);
    }
  }
  for (const [name, { area, spec }] of wanted) {
    const known = state.interfaces.get(name);
    const home = state.areas.get(area);
    if (known !== undefined) adjust(state, known, spec, now);
    else if (home !== undefined) create(state, home, spec, now);
  }
  warn(state);
}

/** What the plan wants announced and no LSA can say. */
function warn(state: State): void {
  const told = new Set(networksOf(state).map((each) => each.name));
  const outside = [...state.areas.values()].some((area) => area.kind !== "stub");
  const { version } = state.dialect;
  for (const { prefix, as, area } of state.plan.networks) {
    const parsed = parsePrefix(prefix);
    const known = parsed.ok && told.has(formatPrefix(parsed.value));
    const reason = !known
      ? "not-of-this-version"
      : as === "host"
        ? area !== undefined && ![...state.areas.values()].some((each) => each.name === area) && "area-unknown"
        : !outside && "only-stub-areas";
    const warning = `${prefix} ${reason}`;
    if (reason === false || state.warned.has(warning)) continue;
    state.warned.add(warning);
    event(state, "ospf.network-ignored", { level: "warn", version, prefix, reason });
  }
}

/** What the kernel says of an interface. */
export function linked(state: State, link: Link, now: Instant): void {
  const before = state.links.get(link.ifname);
  state.links.set(link.ifname, link);
  const iface = state.interfaces.get(link.ifname);
  if (iface === undefined) return;
  const { dialect } = state;
  const moved =
    before !== undefined &&
    (before.ifindex !== link.ifindex ||
      before.loopback !== link.loopback ||
      dialect.addressOf(before) !== dialect.addressOf(link));
  if (moved || !isUsable(state, link)) interfaceEvent(state, iface, "interface-down", now);
  iface.link = link;
  if (isUsable(state, link)) rise(state, iface, now);
  state.origin.dirty = true;
}
export function unlinked(state: State, ifname: string, now: Instant): void {
  state.links.delete(ifname);
  const iface = state.interfaces.get(ifname);
  if (iface === undefined) return;
  interfaceEvent(state, iface, "interface-down", now);
  iface.link = undefined;
}

export function idOf(text: string): number {
  const parsed = parseIpv4(text);
  if (!parsed.ok) throw new TypeError(`not a dotted quad: ${text}`);
  return parsed.value;
}

function isUsable(state: State, link: Link): boolean {
  return link.up && (link.loopback || state.dialect.addressOf(link) !== undefined);
}

function rise(state: State, iface: Interface, now: Instant): void {
  if (iface.link?.loopback === true) {
    if (iface.state !== "loopback") interfaceEvent(state, iface, "loop-ind", now);
  } else interfaceEvent(state, iface, "interface-up", now);
}

/** RFC 2328 §C.1: a router with a new ID is a new router; what the old one said is taken back. */
function rename(state: State, routerId: number, now: Instant): void {
  for (const home of homesOfAll(state)) {
    for (const entry of home.database) {
      if (entry.lsa.header.advertisingRouter === state.routerId) flush(state, home, entry, now);
    }
  }
  while ([...state.interfaces.values()].some((iface) => iface.outbox.size > 0)) {
    for (const iface of state.interfaces.values()) iface.outboxAt = undefined; // there is no later
    emptyOutboxes(state, now);
  }
  for (const iface of state.interfaces.values()) drop(state, iface, now);
  state.areas.clear();
  for (const entry of state.database) state.database.remove(entry);
  state.dying.clear();
  state.origin.originatedAt.clear();
  state.origin.fought.clear();
  state.routerId = routerId;
  changed(state.backoff, now);
}

function newArea(id: number, name: string, kind: Area["kind"]): Area {
  const database = new Database();
  const area: { -readonly [Key in keyof Area]: Area[Key] } = {
    id,
    name,
    kind,
    home: undefined as never,
    translating: false,
  };
  area.home = { kind: "area", area, database };
  return area;
}

/** Its options are in every hello: all its adjacencies start anew. */
function restartArea(state: State, area: Area, kind: Area["kind"], now: Instant): void {
  for (const iface of state.interfaces.values()) {
    if (iface.area === area) interfaceEvent(state, iface, "interface-down", now);
  }
  area.kind = kind;
  for (const entry of area.home.database) {
    area.home.database.remove(entry);
    state.dying.delete(entry);
  }
  changed(state.backoff, now);
  for (const iface of state.interfaces.values()) {
    if (iface.area === area && iface.link !== undefined && isUsable(state, iface.link)) rise(state, iface, now);
  }
}

/** These are what the interface is; the rest is how it does it. */
function mustRestart(a: OspfInterfaceSpec, b: OspfInterfaceSpec): boolean {
  return a.type !== b.type || a.passive !== b.passive || a.instanceId !== b.instanceId;
}

function adjust(state: State, iface: Interface, spec: OspfInterfaceSpec, now: Instant): void {
  const before = iface.spec;
  iface.spec = spec;
  if (before.hello !== spec.hello && iface.helloAt !== undefined) {
    iface.helloAt = instant(Math.min(iface.helloAt, now + spec.hello));
  }
  if (before.priority !== spec.priority) {
    if (iface.state === "waiting" && spec.priority === 0) interfaceEvent(state, iface, "wait-timer", now);
    else iface.changes.add("neighbor-change");
    helloSoon(iface, now);
  }
  if (before.bfd !== undefined && spec.bfd === undefined) {
    for (const neighbor of iface.neighbors.values()) neighbor.bfd = undefined;
  }
  adjustNbma(state, iface, before, now);
  tellGroups(state, iface);
}

function adjustNbma(state: State, iface: Interface, before: Pick<OspfInterfaceSpec, "neighbors">, now: Instant): void {
  const { spec } = iface;
  if (spec.type !== "nbma") return;
  for (const { address } of before.neighbors) {
    const gone = iface.neighbors.get(address);
    if (gone === undefined || spec.neighbors.some((each) => each.address === address)) continue;
    neighborEvent(state, gone, "kill-nbr", now, "not-configured");
    iface.neighbors.delete(address);
  }
  for (const { address, priority } of spec.neighbors) {
    const ip = parseIp(address);
    if (!ip.ok || isIpv4(ip.value) !== (state.dialect.version === 2)) {
      event(state, "ospf.neighbor-ignored", { level: "warn", ifname: iface.name, address });
      continue;
    }
    const key = formatIp(ip.value);
    const known = iface.neighbors.get(key);
    if (known === undefined) {
      const added = newNeighbor(iface, key, { address: ip.value, priority }, now);
      const running = iface.state !== "down" && iface.state !== "loopback" && !spec.passive;
      if (running && spec.priority > 0 && priority > 0) neighborEvent(state, added, "start", now);
    } else if (known.routerId === 0) known.priority = priority;
  }
}

function create(state: State, area: Area, spec: OspfInterfaceSpec, now: Instant): void {
  const iface: { -readonly [Key in keyof Interface]: Interface[Key] } = {
    name: spec.ifname,
    spec,
    area,
    home: undefined as never,
    link: state.links.get(spec.ifname),
    state: "down",
    dr: 0,
    bdr: 0,
    helloAt: undefined,
    extraHelloAt: undefined,
    extraHelloSent: instant(Number.NEGATIVE_INFINITY),
    waitUntil: undefined,
    neighbors: new Map(),
    changes: new Set(),
    acks: new Map(),
    acksAt: undefined,
    outbox: new Map(),
    outboxAt: undefined,
    refused: {},
    errors: new Map(),
    reported: "",
    reportedAt: now,
    refusalsReported: true,
    groups: "false false",
  };
  iface.home = { kind: "link", iface, database: new Database() };
  state.interfaces.set(spec.ifname, iface);
  adjustNbma(state, iface, { neighbors: [] }, now);
  if (iface.link !== undefined && isUsable(state, iface.link)) rise(state, iface, now);
}

function drop(state: State, iface: Interface, now: Instant): void {
  interfaceEvent(state, iface, "interface-down", now);
  state.interfaces.delete(iface.name);
  state.out.push({ kind: "report-gone", ifname: iface.name });
}
