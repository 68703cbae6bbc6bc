/** LSAs grow old: checks, refreshes, deaths.  Standards: RFC 2328 §14, B (CheckAge, LSRefreshTime, MaxAge). */
import type { Instant } from "../../base/unit.ts";
import { changed } from "./backoff.ts";
import { flush, scheduleAge } from "./flood.ts";
import { ageOf, type Entry } from "./lsdb.ts";
import { neighborEvent } from "./neighbor.ts";
import { refresh } from "./originate.ts";
import { describeKey } from "./packet/describe.ts";
import { MAX_AGE, REFRESH_TIME } from "./packet/lsa.ts";
import { checksumHolds } from "./packet/lsa-header.ts";
import { atLeast, event, type Home, neighborsOf, reaches, type State } from "./state.ts";

export function advanceAges(state: State, now: Instant): void {
  for (;;) {
    const { first } = state.ages;
    if (first === undefined || first > now) return;
    const popped = state.ages.pop();
    if (popped === undefined) return;
    const { home, entry } = popped.item;
    if (home.database.get(entry.key) === entry && !entry.flushing) comeOfAge(state, home, entry, now);
  }
}

function comeOfAge(state: State, home: Home, entry: Entry, now: Instant): void {
  const age = ageOf(entry, now);
  if (age >= MAX_AGE) return flush(state, home, entry, now);
  if (!checksumHolds(entry.lsa.raw)) return corrupt(state, home, entry, now);
  if (age >= REFRESH_TIME && entry.from === "self") refresh(state, home, entry, now);
  if (home.database.get(entry.key) === entry && !entry.flushing) scheduleAge(state, home, entry, now);
}

/** Our memory is wrong (§14).  The neighbors have the right copy: it is dropped here, and the databases are compared anew. */
function corrupt(state: State, home: Home, entry: Entry, now: Instant): void {
  event(state, "ospf.lsa-corrupt", { level: "warn", lsa: describeKey(state.dialect.version, entry.lsa.header) });
  home.database.remove(entry);
  state.origin.dirty = true;
  changed(state.backoff, now);
  for (const neighbor of neighborsOf(state)) {
    if (reaches(home, neighbor.iface) && atLeast(neighbor, "exchange")) {
      neighborEvent(state, neighbor, "seq-number-mismatch", now, "lsa-corrupt");
    }
  }
}
