/**
 * Traffic classes of the WAN by what requests say: host, path, fields, and whose they are.  A request belongs to the
 * first class of the table that matches; its connection to the server is begun with the class's token, by which the
 * host's ruleset (sdwan/steer) knows it.  A flow keeps the class it began with, so connections of one class serve no
 * other.  Without classes there is no table, and nothing is looked at.
 */
import { contains, type Ip, isIpv4, isLinkLocal, type Prefix, parsePrefix } from "../base/address.ts";
import { err, ok, type Result } from "../base/result.ts";
import type { Endpoint as Address } from "../netstack/kernel/loop.ts";
import type { ClassConfig } from "./config.ts";
import type { RequestHead } from "./http1/head.ts";
import { type BadCondition, type Conditions, compileConditions, hold } from "./route/conditions.ts";
import { type BadHost, HostTable } from "./route/hosts.ts";
import { type BadPath, PathTable, pathOctets } from "./route/paths.ts";

/** The same one for as long as name and token are: what pools tell connections apart by. */
export class TrafficClass {
  readonly name: string;
  readonly token: number;
  /** No longer configured: its connections finish what they carry, and no new one begins. */
  gone = false;
  constructor(name: string, token: number) {
    this.name = name;
    this.token = token;
  }
}

/** A class that a request belongs to, at some of the endpoints that it may go to. */
export interface Belonging {
  readonly class: TrafficClass;
  readonly destinations: readonly Prefix[];
  readonly ports: ClassConfig["ports"];
}

interface Entry extends Belonging {
  readonly hosts: HostTable<true> | undefined;
  readonly paths: PathTable<true> | undefined;
  readonly headers: Conditions;
  readonly sources: readonly Prefix[];
}

export type BadClass = (BadHost | BadPath | BadCondition | { readonly kind: "network"; readonly network: string }) & {
  readonly class: string;
};

export class ClassTable {
  readonly #entries: readonly Entry[];
  constructor(entries: readonly Entry[]) {
    this.#entries = entries;
  }

  get classes(): readonly TrafficClass[] {
    return this.#entries.map((entry) => entry.class);
  }

  /** Classes of a request in their order, up to the first that any endpoint will do for; undefined: none. */
  matching(head: RequestHead, client: Ip | undefined): readonly Belonging[] | undefined {
    let found: Entry[] | undefined;
    for (const entry of this.#entries) {
      if (!belongs(entry, head, client)) continue;
      found ??= [];
      found.push(entry);
      if (entry.destinations.length + entry.ports.length === 0) break;
    }
    return found;
  }
}

/** The class of a connection to `address`; undefined: none, or the ruleset leaves such packets alone. */
export function classAt(belongings: readonly Belonging[] | undefined, address: Address): TrafficClass | undefined {
  if (belongings === undefined || !isSteered(address.ip)) return undefined;
  const { ip, port } = address;
  for (const { class: found, destinations, ports } of belongings) {
    if (found.gone) continue;
    if (destinations.length > 0 && !destinations.some((each) => contains(each, ip))) continue;
    if (ports.length > 0 && !ports.some(([first, last]) => first <= port && port <= last)) continue;
    return found;
  }
  return undefined;
}

/** undefined: there are no classes.  `before`: classes of the configuration until now, taken over where they are the same. */
export function compileClasses(
  configs: readonly ClassConfig[],
  before: readonly TrafficClass[],
): Result<ClassTable | undefined, BadClass> {
  const entries: Entry[] = [];
  for (const config of configs) {
    const entry = compiled(config, before);
    if (!entry.ok) return entry;
    entries.push(entry.value);
  }
  return ok(entries.length === 0 ? undefined : new ClassTable(entries));
}

function compiled(config: ClassConfig, before: readonly TrafficClass[]): Result<Entry, BadClass> {
  const { name, token } = config;
  const bad = (why: BadHost | BadPath | BadCondition | { kind: "network"; network: string }) =>
    err({ ...why, class: name });
  const hosts = new HostTable<true>(yes);
  for (const host of config.hosts) {
    const at = hosts.at(host);
    if (at !== true) return bad(at);
  }
  const paths = new PathTable<true>();
  for (const path of config.paths) {
    const octets = pathOctets(path);
    if (!octets.ok) return bad(octets.error);
    const isFolder = octets.value.at(-1) === SLASH;
    paths.addPrefix(isFolder ? octets.value.subarray(0, -1) : octets.value, true);
  }
  const headers = config.headers.map((each) => ({ ...each, type: "Exact" as const }));
  const conditions = compileConditions({ path: undefined, method: undefined, headers, queryParams: [] });
  if (!conditions.ok) return bad(conditions.error);
  const sources = networks(config.sources);
  const destinations = networks(config.destinations);
  for (const each of [sources, destinations]) if (!each.ok) return bad(each.error);
  return ok({
    class: before.find((each) => each.name === name && each.token === token) ?? new TrafficClass(name, token),
    hosts: config.hosts.length === 0 ? undefined : hosts,
    paths: config.paths.length === 0 ? undefined : paths,
    headers: conditions.value,
    sources: sources.ok ? sources.value : [],
    destinations: destinations.ok ? destinations.value : [],
    ports: config.ports,
  });
}

function networks(texts: readonly string[]): Result<Prefix[], { kind: "network"; network: string }> {
  const out: Prefix[] = [];
  for (const network of texts) {
    const prefix = parsePrefix(network);
    if (!prefix.ok) return err({ kind: "network", network });
    out.push(prefix.value);
  }
  return ok(out);
}

function belongs({ hosts, paths, headers, sources }: Entry, head: RequestHead, client: Ip | undefined): boolean {
  if (hosts !== undefined && hosts.find(head, yes) !== true) return false;
  if (paths !== undefined && paths.find(head, yes) !== true) return false;
  if (!hold(headers, head)) return false;
  return sources.length === 0 || (client !== undefined && sources.some((each) => contains(each, client)));
}

/** Packets to these never meet a class: the ruleset lets them pass as they are, so a token would stay in them. */
function isSteered(ip: Ip): boolean {
  if (isIpv4(ip)) return !contains(LOOPBACK, ip) && !contains(LINK_LOCAL, ip);
  return !isLinkLocal(ip) && !contains(LOOPBACK6, ip);
}

function prefix(text: string): Prefix {
  const parsed = parsePrefix(text);
  if (!parsed.ok) throw new TypeError(`not a network: ${text}`);
  return parsed.value;
}
const LOOPBACK = prefix("127.0.0.0/8");
const LINK_LOCAL = prefix("169.254.0.0/16");
const LOOPBACK6 = prefix("::1/128");
const SLASH = 0x2f;

function yes(): true {
  return true;
}
