/**
 * The largest packet that one target answers: datagram packetization layer path MTU discovery with padded echo requests
 * that must not be fragmented.  Standards: RFC 8899 §5 (its names for states and constants; PLPMTUs here are sizes of
 * whole IP packets).  "Packet too big" messages are hints to where the search goes on, never results (§4.6).
 *
 * While a search is under way the last result stands; a target that falls silent takes nothing back.
 */
import { unreachable } from "../../base/result.ts";
import { after, type Instant, type Ms, ms, seconds } from "../../base/unit.ts";

export interface PathMtu {
  /** BASE_PLPMTU, and the size that the interface allows. */
  readonly least: number;
  readonly most: number;
  /** On a link whose octets are counted: confirmed and asked again more rarely. */
  readonly sparing: boolean;
  /** How often in a row the target has not answered at all. */
  readonly silences: number;
  readonly phase: "base" | "search" | "complete" | "confirm" | "silent";
  /** Largest size that came through in this search, 0 = none; and the smallest that did not. */
  readonly passed: number;
  readonly refused: number;
  readonly probing: { readonly size: number; readonly tries: number } | undefined;
  readonly wakeAt: Instant;
  /** When a larger size is tried again (PMTU_RAISE_TIMER). */
  readonly raiseAt: Instant;
  readonly result: number | undefined;
}

export type PathMtuEvent =
  | { readonly kind: "wake" }
  | { readonly kind: "answered"; readonly size: number }
  /** From a router on the way, about a probe of ours; or from our own kernel, which sends nothing so large. */
  | { readonly kind: "too-big"; readonly mtu: number };

export interface Probe {
  /** Octets of the IP packet. */
  readonly size: number;
}

/** `wake` follows at once.  What an earlier search found stands until this one knows better. */
export function searchOf(
  family: 4 | 6,
  { most, sparing }: { readonly most: number; readonly sparing: boolean },
  now: Instant,
  earlier?: number,
): PathMtu {
  const least = Math.min(family === 4 ? LEAST_4 : LEAST_6, most);
  const begun = {
    least,
    most,
    sparing,
    silences: 0,
    phase: "base",
    passed: 0,
    refused: most + 1,
    probing: undefined,
  } as const;
  const result = earlier !== undefined && earlier >= least && earlier <= most ? earlier : undefined;
  return { ...begun, wakeAt: now, raiseAt: now, result };
}

export function step(search: PathMtu, event: PathMtuEvent, now: Instant): readonly [PathMtu, Probe | undefined] {
  switch (event.kind) {
    case "wake":
      return now < search.wakeAt ? [search, undefined] : woken(search, now);
    case "answered":
      return answered(search, event.size, now);
    case "too-big":
      return tooBig(search, event.mtu, now);
    default:
      return unreachable(event);
  }
}

function woken(search: PathMtu, now: Instant): readonly [PathMtu, Probe | undefined] {
  const { probing } = search;
  if (probing === undefined) return begin(search, now);
  if (probing.tries < MAX_PROBES) return send({ ...search, probing: { ...probing, tries: probing.tries + 1 } }, now);
  return lost(search, probing.size, now);
}

/** Nothing is under way: the base is looked for, or the result confirmed or raised. */
function begin(search: PathMtu, now: Instant): readonly [PathMtu, Probe | undefined] {
  const { phase, result, most } = search;
  if (phase !== "complete" || result === undefined) return look({ ...search, phase: "base" }, search.least, now);
  if (now >= search.raiseAt && result < most) {
    const higher: PathMtu = { ...search, phase: "search", passed: result, refused: most + 1 };
    return look(higher, next(higher) ?? most, now);
  }
  return look({ ...search, phase: "confirm" }, result, now);
}

function answered(search: PathMtu, size: number, now: Instant): readonly [PathMtu, Probe | undefined] {
  // A late answer to an earlier probe still says that its size passes; one larger than asked for is no answer of ours.
  if (size > search.most || size < search.passed) return [search, undefined];
  const { probing } = search;
  if (probing === undefined || size < probing.size) return [search, undefined];
  if (search.phase === "confirm") return [complete(search, size, now), undefined];
  return goOn({ ...search, phase: "search", passed: size }, now);
}

function tooBig(search: PathMtu, mtu: number, now: Instant): readonly [PathMtu, Probe | undefined] {
  const { probing, passed } = search;
  if (probing === undefined || mtu >= probing.size) return [search, undefined];
  if (search.phase === "confirm") {
    if (mtu < search.least) return [search, undefined];
    return look({ ...search, phase: "search", passed: 0, refused: mtu + 1 }, mtu, now);
  }
  if (mtu > passed && mtu >= search.least)
    return look({ ...search, refused: Math.min(search.refused, mtu + 1) }, mtu, now);
  return [search, undefined];
}

/** MAX_PROBES of this size went unanswered. */
function lost(search: PathMtu, size: number, now: Instant): readonly [PathMtu, Probe | undefined] {
  switch (search.phase) {
    case "base":
    case "complete":
    case "silent":
      return [silent(search, now), undefined];
    case "confirm":
      // A black hole (§4.3), or the target is gone: the base tells which.
      return look({ ...search, phase: "base", passed: 0, refused: size }, search.least, now);
    case "search":
      // After a hint in the middle of nothing the base has not been seen yet.
      if (search.passed === 0) return look({ ...search, phase: "base", refused: size }, search.least, now);
      return goOn({ ...search, refused: Math.min(search.refused, size) }, now);
    default:
      return unreachable(search.phase);
  }
}

function goOn(search: PathMtu, now: Instant): readonly [PathMtu, Probe | undefined] {
  const size = next(search);
  if (size === undefined) return [complete(search, search.passed, now, RAISE), undefined];
  return look(search, size, now);
}

function silent(search: PathMtu, now: Instant): PathMtu {
  const wait = Math.min(RETRY * 2 ** search.silences, often(search));
  const silences = search.silences + 1;
  const begun = { ...search, phase: "silent", passed: 0, refused: search.most + 1, probing: undefined } as const;
  return { ...begun, silences, wakeAt: after(now, ms(wait)) };
}

function complete(search: PathMtu, result: number, now: Instant, raise = 0): PathMtu {
  const raiseAt = raise > 0 ? after(now, ms(raise)) : search.raiseAt;
  const done = { ...search, phase: "complete", silences: 0, passed: result, probing: undefined } as const;
  return { ...done, result, raiseAt, wakeAt: after(now, often(search)) };
}

function often({ sparing }: PathMtu): Ms {
  return sparing ? SPARING : CONFIRM;
}

function look(search: PathMtu, size: number, now: Instant): readonly [PathMtu, Probe] {
  return send({ ...search, probing: { size, tries: 1 } }, now);
}
function send(search: PathMtu, now: Instant): readonly [PathMtu, Probe] {
  return [{ ...search, wakeAt: after(now, PROBE_TIMER) }, { size: search.probing?.size ?? search.least }];
}

/** What is worth trying between what passed and what did not: sizes that links have first; undefined: near enough. */
function next({ passed, refused, most }: PathMtu): number | undefined {
  if (refused > most && passed < most) return most;
  const usual = USUAL.filter((size) => size > passed && size < refused);
  if (usual.length > 0) return refused > FIRST ? usual.at(-1) : usual[usual.length >> 1];
  if (refused - passed <= NEAR) return undefined;
  return passed + ((refused - passed) >> 1);
}

/** RFC 8899 §5.1.2: the least of RFC 1122 would be 576; below 1200 no tunnel of ours is worth having. */
const LEAST_4 = 1200;
const LEAST_6 = 1280;
/** RFC 8899 §5.1.1, §5.1.2 */
const MAX_PROBES = 3;
const PROBE_TIMER = seconds(1);
/** 3 kB both ways each time: 36 kB an hour. */
const CONFIRM = seconds(300);
const SPARING = seconds(1800);
const RAISE = seconds(600);
/** The first time; then longer and longer. */
const RETRY = seconds(10);
/** PPPoE, tunnels in tunnels, LTE: most lines have one of these. */
const USUAL = [1280, 1300, 1350, 1380, 1400, 1412, 1420, 1430, 1440, 1452, 1460, 1472, 1480, 1488, 1492, 1500];
/** The most usual of all is tried before the middle. */
const FIRST = 1492;
const NEAR = 8;
