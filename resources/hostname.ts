/** Patterns of host names: "a.example" exact, "*.example" suffix, "api.*" prefix, "*" or none at all any. */

/** Whether one name exists that both sides admit; an empty list admits all. */
export function hostnamesOverlap(a: readonly string[], b: readonly string[]): boolean {
  if (a.length === 0 || b.length === 0) return true;
  return a.some((one) => b.some((other) => overlaps(one, other)));
}

function overlaps(a: string, b: string): boolean {
  if (a === "*" || b === "*" || a === b) return true;
  const [aSuffix, bSuffix] = [a.startsWith("*."), b.startsWith("*.")];
  const [aPrefix, bPrefix] = [a.endsWith(".*"), b.endsWith(".*")];
  if (aSuffix && bSuffix) return a.endsWith(b.slice(1)) || b.endsWith(a.slice(1));
  if (aPrefix && bPrefix) return a.startsWith(b.slice(0, -1)) || b.startsWith(a.slice(0, -1));
  if ((aSuffix && bPrefix) || (aPrefix && bSuffix)) return true; // "api." + anything + ".example"
  if (aSuffix) return b.length >= a.length && b.endsWith(a.slice(1));
  if (bSuffix) return a.length >= b.length && a.endsWith(b.slice(1));
  if (aPrefix) return b.length >= a.length && b.startsWith(a.slice(0, -1));
  if (bPrefix) return a.length >= b.length && a.startsWith(b.slice(0, -1));
  return false;
}
