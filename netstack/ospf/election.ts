/** Who is designated on a network with many routers.  Standards: RFC 2328 §9.4, RFC 5340 §4.2.1.1. */

/** A router on the network with two-way communication, as its hellos describe it; one of them is us. */
export interface Candidate {
  readonly routerId: number;
  /** How hellos name it: v2 interface address, v3 router ID. */
  readonly identity: number;
  readonly priority: number;
  /** Whom it declares; its own identity = itself. */
  readonly dr: number;
  readonly bdr: number;
}
export interface Designated {
  readonly dr: number;
  readonly bdr: number;
}

/** `self` takes part with what it is now; `others` are its neighbors in state 2-Way or greater. */
export function elect(self: Candidate, others: readonly Candidate[]): Designated {
  const first = round(self, others);
  // (4): we are newly, or no longer, one of both: once more, with what we declare now.
  const was = { dr: self.dr === self.identity, bdr: self.bdr === self.identity };
  const is = { dr: first.dr === self.identity, bdr: first.bdr === self.identity };
  if (was.dr === is.dr && was.bdr === is.bdr) return first;
  return round({ ...self, ...first }, others);
}

function round(self: Candidate, others: readonly Candidate[]): Designated {
  const eligible = [self, ...others].filter((each) => each.priority > 0); // (1)
  const ordinary = eligible.filter((each) => each.dr !== each.identity);
  const declared = ordinary.filter((each) => each.bdr === each.identity);
  const bdr = best(declared.length > 0 ? declared : ordinary); // (2)
  const dr = best(eligible.filter((each) => each.dr === each.identity)) ?? bdr; // (3)
  return { dr: dr?.identity ?? 0, bdr: bdr?.identity ?? 0 };
}

function best(candidates: readonly Candidate[]): Candidate | undefined {
  let found: Candidate | undefined;
  for (const each of candidates) {
    if (found === undefined || each.priority > found.priority) found = each;
    else if (each.priority === found.priority && each.routerId > found.routerId) found = each;
  }
  return found;
}
