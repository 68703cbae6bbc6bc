/**
 * Import and export policy: BgpPolicy compiled for one family.  The first rule that matches decides.  What a rule makes
 * of an attribute set is worked out once, so a table of a hundred thousand routes costs as much as it has sets.
 */
import { type Ip, isIpv4, parseIp, parsePrefix } from "../../base/address.ts";
import { type AttributeId, type AttributeStore, Memo } from "./attributes.ts";
import type { NextHop, PathAttributes } from "./packet/attribute.ts";
import { attributesOf } from "./packet/attributes.ts";
import { type ParsedCommunity, parseCommunity } from "./packet/community.ts";
import type { Family } from "./packet/family.ts";
import { pathText, prepended } from "./packet/path.ts";
import type { BgpPolicy, BgpRule } from "./plan.ts";
import { type PrefixId, type PrefixTable, type WidePrefix, widePrefix } from "./prefixes.ts";

export interface PolicyContext {
  readonly store: AttributeStore;
  readonly table: PrefixTable;
  /** The AS that "prepend" prepends; undefined: it has no meaning here (internal peers). */
  readonly prepend: number | undefined;
  /** What "self" is; undefined: it has no meaning here (import). */
  readonly self: NextHop | undefined;
}

export class Policy {
  readonly #rules: readonly Rule[];
  readonly #otherwise: boolean;

  constructor(policy: BgpPolicy, context: PolicyContext) {
    this.#rules = policy.rules.map((rule) => new Rule(rule, context));
    this.#otherwise = policy.otherwise === "accept";
  }

  /** What becomes of a route; 0: it is rejected. */
  apply(prefix: PrefixId, attributes: AttributeId): AttributeId {
    for (const rule of this.#rules) if (rule.matches(prefix, attributes)) return rule.apply(attributes);
    return this.#otherwise ? attributes : 0;
  }
  /** Name of the rule that decides; undefined: none does. */
  ruleFor(prefix: PrefixId, attributes: AttributeId): string | undefined {
    return this.#rules.find((rule) => rule.matches(prefix, attributes))?.name;
  }
}

class Rule {
  readonly name: string;
  readonly #context: PolicyContext;
  readonly #accept: boolean;
  readonly #prefixes: readonly WidePrefix[] | undefined;
  readonly #test: (attributes: PathAttributes) => boolean;
  readonly #tested: Memo<boolean>;
  readonly #change: (attributes: PathAttributes) => PathAttributes;
  readonly #changed: Memo<AttributeId>;

  constructor(rule: BgpRule, context: PolicyContext) {
    const { store, table } = context;
    this.name = rule.name;
    this.#context = context;
    this.#accept = rule.action === "accept";
    this.#prefixes = rule.match.prefixes
      ?.map(({ prefix, ge, le }) => widePrefix(must(parsePrefix(prefix)), ge, le))
      .filter(({ family }) => family === table.family);
    this.#test = tester(rule.match);
    this.#tested = new Memo(store);
    this.#change = changer(rule.set, context);
    this.#changed = new Memo(store);
  }

  matches(prefix: PrefixId, attributes: AttributeId): boolean {
    const { table, store } = this.#context;
    if (this.#prefixes !== undefined && !this.#prefixes.some((wide) => table.within(prefix, wide))) return false;
    const known = this.#tested.get(attributes);
    return known ?? this.#tested.set(attributes, this.#test(store.attributes(attributes)));
  }
  apply(attributes: AttributeId): AttributeId {
    if (!this.#accept) return 0;
    const { store } = this.#context;
    const known = this.#changed.get(attributes);
    if (known !== undefined) return known;
    const before = store.attributes(attributes);
    const changed = this.#change(before);
    return this.#changed.set(attributes, changed === before ? attributes : store.id(changed));
  }
}

function tester(match: BgpRule["match"]): (attributes: PathAttributes) => boolean {
  const tests: ((attributes: PathAttributes) => boolean)[] = [];
  const { communities, largeCommunities, asPath, nextHops } = match;
  if (communities !== undefined) {
    const wanted = communities.map(community);
    tests.push((attributes) => wanted.some((each) => has(attributes, each)));
  }
  if (largeCommunities !== undefined) {
    const wanted = largeCommunities.map(community);
    tests.push((attributes) => wanted.some((each) => has(attributes, each)));
  }
  if (asPath !== undefined) {
    const pattern = new RegExp(asPath);
    tests.push((attributes) => pattern.test(pathText(attributes.asPath)));
  }
  if (nextHops !== undefined) {
    const wanted = new Set<Ip | undefined>(nextHops.map((text) => must(parseIp(text))));
    tests.push(({ nextHop }) => [nextHop.global, nextHop.linkLocal].some((ip) => ip !== undefined && wanted.has(ip)));
  }
  return (attributes) => tests.every((test) => test(attributes));
}

function changer(
  { localPref, med, prepend, addCommunities, removeCommunities, nextHop }: BgpRule["set"],
  context: PolicyContext,
): (attributes: PathAttributes) => PathAttributes {
  const added = (addCommunities ?? []).map(community);
  const removed = (removeCommunities ?? []).map(community);
  const hop = nextHop === undefined ? undefined : nextHopOf(nextHop, context.table.family, context.self);
  const times = context.prepend === undefined ? 0 : (prepend ?? 0);
  const nothing =
    localPref === undefined &&
    med === undefined &&
    times === 0 &&
    added.length === 0 &&
    removed.length === 0 &&
    hop === undefined;
  if (nothing) return (attributes) => attributes;
  return (attributes) => {
    let changed: PathAttributes = attributes;
    for (const each of removed) changed = withoutCommunity(changed, each);
    for (const each of added) changed = withCommunity(changed, each);
    return attributesOf({
      ...changed,
      localPref: localPref ?? changed.localPref,
      med: med === undefined ? changed.med : med === "remove" ? undefined : med,
      asPath: context.prepend === undefined ? changed.asPath : prepended(changed.asPath, context.prepend, times),
      nextHop: hop ?? changed.nextHop,
    });
  };
}

/** An address of another family cannot be the next hop here: the rule leaves it as it is. */
function nextHopOf(text: string, family: Family, self: NextHop | undefined): NextHop | undefined {
  if (text === "self") return self;
  const ip = must(parseIp(text));
  if (isIpv4(ip)) return family === "ipv4" ? { global: ip, linkLocal: undefined } : undefined;
  return family === "ipv6" ? { global: ip, linkLocal: undefined } : undefined;
}

export function has(attributes: PathAttributes, each: ParsedCommunity): boolean {
  switch (each.kind) {
    case "standard":
      return attributes.communities.includes(each.value);
    case "extended":
      return attributes.extendedCommunities.some(({ high, low }) => high === each.value.high && low === each.value.low);
    case "large":
      return attributes.largeCommunities.some((one) => sameLarge(one, each.value));
  }
}
export function withCommunity(attributes: PathAttributes, each: ParsedCommunity): PathAttributes {
  if (has(attributes, each)) return attributes;
  switch (each.kind) {
    case "standard":
      return { ...attributes, communities: [...attributes.communities, each.value] };
    case "extended":
      return { ...attributes, extendedCommunities: [...attributes.extendedCommunities, each.value] };
    case "large":
      return { ...attributes, largeCommunities: [...attributes.largeCommunities, each.value] };
  }
}
function withoutCommunity(attributes: PathAttributes, each: ParsedCommunity): PathAttributes {
  switch (each.kind) {
    case "standard":
      return { ...attributes, communities: attributes.communities.filter((one) => one !== each.value) };
    case "extended":
      return {
        ...attributes,
        extendedCommunities: attributes.extendedCommunities.filter(
          ({ high, low }) => high !== each.value.high || low !== each.value.low,
        ),
      };
    case "large":
      return {
        ...attributes,
        largeCommunities: attributes.largeCommunities.filter((one) => !sameLarge(one, each.value)),
      };
  }
}

type Large = PathAttributes["largeCommunities"][number];
function sameLarge(a: Large, b: Large): boolean {
  return a.global === b.global && a.local1 === b.local1 && a.local2 === b.local2;
}
export function community(text: string): ParsedCommunity {
  return must(parseCommunity(text));
}
/** The plan was checked where it was parsed; what does not read here is a bug there. */
export function must<T>(
  parsed: { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: unknown },
): T {
  if (!parsed.ok) throw new TypeError(`a plan that was not checked: ${JSON.stringify(parsed.error)}`);
  return parsed.value;
}
