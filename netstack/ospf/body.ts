/** What an LSA says, parsed once.  What cannot be parsed travels on (§13 asks only for a right checksum) and says nothing. */
import type { Lsa, LsaBody } from "./packet/lsa.ts";
import { bodyOf } from "./packet/lsa-body.ts";

export function bodyIn(lsa: Lsa): LsaBody | undefined {
  if (PARSED.has(lsa)) return PARSED.get(lsa);
  const body = bodyOf(lsa);
  const found = body.ok ? body.value : undefined;
  PARSED.set(lsa, found);
  return found;
}
export function bodyAs<Kind extends LsaBody["kind"]>(lsa: Lsa, kind: Kind): (LsaBody & { kind: Kind }) | undefined {
  const body = bodyIn(lsa);
  return body?.kind === kind ? (body as LsaBody & { kind: Kind }) : undefined;
}

const PARSED = new WeakMap<Lsa, LsaBody | undefined>();
