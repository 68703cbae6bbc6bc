/**
 * UPDATE messages, read.  Standards: RFC 4271 §4.3, §6.3, RFC 4760, RFC 7606, RFC 4724 §2.  A message that calls for a
 * reset comes out as a refusal; all that a session survives is said in the UPDATE, and what must count as withdrawn
 * already stands among the withdrawn.
 */
import type { Prefix } from "../../../base/address.ts";
import { err, ok, type Result } from "../../../base/result.ts";
import type { NextHop, PathAttributes } from "./attribute.ts";
import { addListKey, decodeList, type Items, locate, refusedFor, type Said } from "./attribute-list.ts";
import type { AnyFamily } from "./family.ts";
import { HEADER } from "./framing.ts";
import type { Interner } from "./interner.ts";
import type { Agreed, AttributeFault, Reach, RefusalKind, Refused, Update } from "./message.ts";
import { decodeMp, type MpRoutes, refusedMp } from "./mp.ts";
import { decodeNlri, type Nlri, withoutImpossible } from "./nlri.ts";
import type { KnownReason } from "./notification.ts";
import { OctetText } from "./octet-text.ts";

export function decodeUpdate(
  bytes: Uint8Array,
  start: number,
  end: number,
  agreed: Agreed,
  interner: Interner,
): Result<Update, Refused> {
  const parts = split(bytes, start, end, agreed);
  if (!parts.ok) return parts;
  const { withdrawn, announced, listStart, listEnd } = parts.value;
  const located = locate(bytes, listStart, listEnd);
  if (!located.ok) return located;
  const items = located.value;
  const mp = decodeMp(bytes, items, agreed);
  if (!mp.ok) return mp;
  const { faults, skipped } = mp.value;
  const overran = overrunFault(bytes, items, listEnd, faults);
  if (overran !== undefined) return err(overran);

  const routes: Routes = { ...mp.value, withdrawn, announced };
  const ipv4 = agreed.families.includes("ipv4");
  if (!ipv4 && announced.count + withdrawn.count > 0) skipped.push("ipv4");
  const attributes = readAttributes(bytes, items, agreed, interner, routes, faults);
  if (!attributes.ok) return attributes;
  // RFC 7606 §5.2: whether NLRI were lost cannot be known.
  const worst = faults.find((fault) => fault.treatment === "treat-as-withdraw");
  const only = items.items.every((item) => item === items.unreach) && items.overrun === undefined;
  if (worst !== undefined && !announces(routes) && !only) return err(refusedFor(worst, bytes, items.items));

  const known = ipv4 ? routes : { ...routes, withdrawn: NONE, announced: NONE };
  return ok(assemble(known, attributes.value, faults, skipped, end - start === EMPTY ? "ipv4" : ending(items, routes)));
}

interface Routes extends MpRoutes {
  readonly withdrawn: Nlri;
  readonly announced: Nlri;
}
interface Parts {
  readonly withdrawn: Nlri;
  readonly listStart: number;
  readonly listEnd: number;
  readonly announced: Nlri;
}

function split(bytes: Uint8Array, start: number, end: number, agreed: Agreed): Result<Parts, Refused> {
  const paths = agreed.addPathReceive.includes("ipv4");
  const withdrawnStart = start + HEADER + 2;
  const withdrawnEnd = withdrawnStart + u16(bytes, start + HEADER);
  if (withdrawnEnd + 2 > end) return refuse("withdrawn-length", "update-message/malformed-attribute-list");
  const listStart = withdrawnEnd + 2;
  const listEnd = listStart + u16(bytes, withdrawnEnd);
  if (listEnd > end) return refuse("attributes-length", "update-message/malformed-attribute-list");
  // RFC 7606 §3 (i), (j), §5.3
  const withdrawn = decodeNlri(bytes, withdrawnStart, withdrawnEnd, "ipv4", paths);
  if (!withdrawn.ok) return refuse("withdrawn-prefix", "update-message/invalid-network-field");
  const announced = decodeNlri(bytes, listEnd, end, "ipv4", paths);
  if (!announced.ok) return refuse("nlri-prefix", "update-message/invalid-network-field");
  return ok({ withdrawn: withdrawn.value, listStart, listEnd, announced: announced.value });
}

/** RFC 7606 §4: the NLRI field can still be found, unless it is itself what overruns (§3 (j)). */
function overrunFault(
  bytes: Uint8Array,
  { overrun }: Items,
  listEnd: number,
  faults: AttributeFault[],
): Refused | undefined {
  if (overrun === undefined) return undefined;
  const { attribute } = overrun;
  if (attribute === "MP_REACH_NLRI" || attribute === "MP_UNREACH_NLRI")
    return refusedMp("mp-length", bytes.slice(overrun.at, listEnd), attribute);
  faults.push({ attribute, why: "overrun", treatment: "treat-as-withdraw" });
  return undefined;
}

interface Attributes {
  readonly announced: PathAttributes | undefined;
  readonly mp: PathAttributes | undefined;
}

/** Adds to `faults`.  The interner knows only lists without one. */
function readAttributes(
  bytes: Uint8Array,
  { items, reach }: Items,
  agreed: Agreed,
  interner: Interner,
  routes: Routes,
  faults: AttributeFault[],
): Result<Attributes, Refused> {
  const { announced, mpReach } = routes;
  if (items.length === 0 && announced.count === 0) return ok({ announced: undefined, mp: undefined });
  const ownKey = announced.count > 0 ? keyOf(bytes, items, agreed) : undefined;
  const mpKey = mpReach && keyOf(bytes, items, agreed, mpReach);
  const known = { announced: ownKey && interner.get(ownKey), mp: mpKey && interner.get(mpKey) };
  const asked = ownKey !== undefined || mpKey !== undefined;
  if (asked && (ownKey === undefined || known.announced) && (mpKey === undefined || known.mp))
    return ok({ announced: known.announced || undefined, mp: known.mp || undefined });
  // RFC 4760 §3: NEXT_HOP is ignored when all that is announced is in MP_REACH_NLRI.
  const nextHop = announced.count > 0 || reach === undefined;
  const list = decodeList(bytes, items, agreed, announces(routes), nextHop);
  if (!list.ok) return list;
  faults.push(...list.value.faults);
  const { said, nextHop: address } = list.value;
  const made = (key: string | undefined, hop: NextHop | undefined): PathAttributes | undefined => {
    if (key === undefined || hop === undefined) return undefined;
    const attributes = attributesFrom(said, hop, key);
    return list.value.faults.length === 0 ? interner.put(attributes) : attributes;
  };
  return ok({
    announced: made(ownKey, address === undefined ? undefined : { global: address, linkLocal: undefined }),
    mp: made(mpKey, mpReach?.nextHop),
  });
}

function keyOf(bytes: Uint8Array, items: Items["items"], agreed: Agreed, mpReach?: MpRoutes["mpReach"]): string {
  addListKey(KEY.clear(), bytes, items, agreed, mpReach === undefined);
  // No attribute has the flags 0 and this type: it has been left out.
  if (mpReach !== undefined) KEY.octet(0).octet(14).add(bytes, mpReach.nextHopAt, mpReach.nextHopEnd);
  return KEY.text();
}
function attributesFrom(said: Said, nextHop: NextHop, key: string): PathAttributes {
  return {
    key,
    origin: said.origin,
    asPath: said.asPath,
    nextHop,
    med: said.med,
    localPref: said.localPref,
    atomicAggregate: said.atomicAggregate,
    aggregator: said.aggregator,
    communities: said.communities,
    extendedCommunities: said.extendedCommunities,
    largeCommunities: said.largeCommunities,
    originatorId: said.originatorId,
    clusterList: said.clusterList,
    unknown: said.unknown,
    partial: said.partial,
  };
}

function assemble(
  routes: Routes,
  attributes: Attributes,
  faults: readonly AttributeFault[],
  skipped: readonly AnyFamily[],
  endOfRib: AnyFamily | undefined,
): Update {
  const unreach: Nlri[] = [];
  const reach: Reach[] = [];
  const impossible: Prefix[] = [];
  const withdraw = (nlri: Nlri): void => {
    if (nlri.count > 0) unreach.push(nlri);
  };
  const announce = (nlri: Nlri, said: PathAttributes | undefined): void => {
    if (said === undefined || faulty) {
      withdraw(nlri);
      return;
    }
    const checked = withoutImpossible(nlri);
    impossible.push(...checked.impossible);
    if (checked.list.count > 0) reach.push({ nlri: checked.list, attributes: said });
  };
  const treatment = STRENGTH.find((each) => faults.some((fault) => fault.treatment === each));
  const faulty = faults.some((fault) => fault.treatment === "treat-as-withdraw");
  withdraw(routes.withdrawn);
  withdraw(routes.mpUnreach ?? NONE);
  announce(routes.announced, attributes.announced);
  announce(routes.mpReach?.nlri ?? NONE, attributes.mp);
  return { kind: "update", unreach, reach, endOfRib, treatment, faults, skipped, impossible };
}

/** RFC 7606 §5.2; of a family that is skipped or disabled it is not known what, but something is announced. */
function announces({ announced, mpReach, otherReach }: Routes): boolean {
  return announced.count > 0 || (mpReach?.nlri.count ?? 0) > 0 || otherReach;
}

/** RFC 4724 §2: nothing but an MP_UNREACH_NLRI without prefixes. */
function ending({ items, unreach }: Items, { mpEnd, announced, withdrawn }: Routes): AnyFamily | undefined {
  return items.length === 1 && items[0] === unreach && announced.count + withdrawn.count === 0 ? mpEnd : undefined;
}

function u16(bytes: Uint8Array, at: number): number {
  return ((bytes[at] as number) << 8) | (bytes[at + 1] as number);
}
function refuse(kind: RefusalKind, reason: KnownReason): Result<never, Refused> {
  return err({ kind, reason, data: new Uint8Array(0) });
}

const KEY = new OctetText();
/** Octets of an UPDATE that says nothing: End-of-RIB of IPv4. */
const EMPTY = HEADER + 4;
const NONE: Nlri = { family: "ipv4", octets: new Uint8Array(0), count: 0, paths: false };
/** RFC 7606 §2. */
const STRENGTH = ["afi-safi-disable", "treat-as-withdraw", "attribute-discard"] as const;
