/**
 * Smooth weighted round robin: over `total` picks each member is picked `weight` times, spread as evenly as possible
 * (5,1,1 gives a a b a c a a, not a a a a a b c).  Members that are not usable are passed over and gain no credit.
 */
export interface Member {
  /** ≥ 0; 0 is never picked. */
  weight: number;
  /** The balancer's own running credit; keeps its value across reloads with its member. */
  credit: number;
  usable(): boolean;
}

/** The next member, or undefined when none is usable. */
export function pick<M extends Member>(members: readonly M[]): M | undefined {
  if (members.length === 1) {
    const only = members[0] as M;
    return only.weight > 0 && only.usable() ? only : undefined;
  }
  let best: M | undefined;
  let total = 0;
  for (let index = 0; index < members.length; index++) {
    const member = members[index] as M;
    if (member.weight <= 0 || !member.usable()) continue;
    total += member.weight;
    member.credit += member.weight;
    if (best === undefined || member.credit > best.credit) best = member;
  }
  if (best !== undefined) best.credit -= total;
  return best;
}
