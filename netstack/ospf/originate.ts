/**
 * What we advertise: the difference between what is wanted and what the databases have of ours.
 * Standards: RFC 2328 §12.4 (MinLSInterval, refresh, sequence numbers and their wrap §12.1.6), §13.4 (our own LSAs from
 * an earlier life), §14.1 (premature ageing).
 */
import { type Instant, instant } from "../../base/unit.ts";
import type { Desired } from "./dialect.ts";
import { flood, flush, install } from "./flood.ts";
import { type Entry, entryOf, sameContents } from "./lsdb.ts";
import { INITIAL_SEQUENCE, type Lsa, MAX_SEQUENCE } from "./packet/lsa.ts";
import { encodeLsa } from "./packet/lsa-encode.ts";
import { keyText } from "./packet/lsa-header.ts";
import { graceLsas, holdsBack } from "./restart.ts";
import { type Home, homesOfAll, type State } from "./state.ts";

export function originate(state: State, now: Instant): void {
  const { origin } = state;
  if (origin.retryAt !== undefined && now >= origin.retryAt) origin.dirty = true;
  if (!origin.dirty) return;
  origin.dirty = false;
  origin.retryAt = undefined;
  if (holdsBack(state)) return; // RFC 3623 §2.1: nothing is originated, and nothing flushed, before the restart is over
  const wanted = new Map<Home["database"], Map<string, Desired>>();
  const all = state.stopping?.keep === false ? [] : [...state.dialect.desired(state), ...graceLsas(state)];
  for (const each of all) {
    let there = wanted.get(each.home.database);
    if (there === undefined) wanted.set(each.home.database, (there = new Map()));
    there.set(keyText({ type: each.type, id: each.id, advertisingRouter: state.routerId }), each);
  }
  for (const home of homesOfAll(state)) {
    const there = wanted.get(home.database);
    for (const entry of home.database) {
      const { header } = entry.lsa;
      if (header.advertisingRouter !== state.routerId) {
        if (state.dialect.isOurs(state, header)) flush(state, home, entry, now);
      } else if (there?.has(entry.key) !== true) flush(state, home, entry, now);
    }
    for (const [key, each] of there ?? []) compare(state, each, key, now);
  }
  forget(state, now);
}

/** Half an hour old: the same again, younger.  Called when the age of an entry of ours comes to it. */
export function refresh(state: State, home: Home, entry: Entry, now: Instant): void {
  if (entry.flushing || holdsBack(state)) return;
  const { sequence } = entry.lsa.header;
  if (sequence === MAX_SEQUENCE) return flush(state, home, entry, now);
  renew(state, home, entry.lsa, sequence + 1, now);
}

function compare(state: State, want: Desired, key: string, now: Instant): void {
  const { home } = want;
  const have = home.database.get(key);
  const lsa = built(state, want, have === undefined ? INITIAL_SEQUENCE : have.lsa.header.sequence + 1);
  if (have !== undefined && !have.flushing && have.from === "self" && sameContents(have.lsa, lsa)) return;
  if (have !== undefined && have.lsa.header.sequence === MAX_SEQUENCE) return flush(state, home, have, now);
  const memory = `${nameOf(home)} ${key}`;
  const last = state.origin.originatedAt.get(memory);
  const foreign = have !== undefined && have.from !== "self" && !state.origin.fought.has(memory);
  if (last !== undefined && now < last + MIN_LS_INTERVAL && !foreign) {
    const at = instant(last + MIN_LS_INTERVAL);
    if (state.origin.retryAt === undefined || at < state.origin.retryAt) state.origin.retryAt = at;
    return;
  }
  // An instance of an earlier life is answered at once, but only the first time: a forger shall not make us flood.
  if (foreign) state.origin.fought.add(memory);
  put(state, home, lsa, memory, now);
}

function renew(state: State, home: Home, old: Lsa, sequence: number, now: Instant): void {
  const { header, raw, version } = old;
  const { type, id, advertisingRouter, options } = header;
  const body = { kind: "unknown", octets: raw.subarray(HEADER) } as const;
  const lsa = encodeLsa(version, { type, id, advertisingRouter, options, sequence }, body);
  put(state, home, lsa, `${nameOf(home)} ${keyText(header)}`, now);
}

function put(state: State, home: Home, lsa: Lsa, memory: string, now: Instant): void {
  const entry = entryOf(lsa, "self", now);
  state.origin.originatedAt.set(memory, now);
  flood(state, home, entry, undefined, now);
  install(state, home, entry, now);
}

function built(state: State, want: Desired, sequence: number): Lsa {
  const { type, id, options, body } = want;
  const number = Math.min(sequence, MAX_SEQUENCE);
  const header = { type, id, advertisingRouter: state.routerId, options, sequence: number };
  return encodeLsa(state.dialect.version, header, body);
}

/** Nothing is remembered longer than it is needed. */
function forget(state: State, now: Instant): void {
  const { originatedAt, fought } = state.origin;
  if (originatedAt.size < MOST_REMEMBERED) return;
  for (const [memory, at] of originatedAt) {
    if (now - at < MIN_LS_INTERVAL) continue;
    originatedAt.delete(memory);
    fought.delete(memory);
  }
}

function nameOf(home: Home): string {
  if (home.kind === "as") return "as";
  return home.kind === "area" ? home.area.name : home.iface.name;
}

const HEADER = 20;
const MIN_LS_INTERVAL = 5000;
const MOST_REMEMBERED = 4096;
