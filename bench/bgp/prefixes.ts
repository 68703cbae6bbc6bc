/** Distinct /24 networks from 1.0.0.0 upward, without those that routers treat as special. */
export function prefixes(count: number): readonly string[] {
  const all: string[] = [];
  for (let first = 1; first < 224; first++) {
    if (SPECIAL.includes(first)) continue;
    for (let rest = 0; rest < 65_536; rest++) {
      if (all.length === count) return all;
      all.push(`${first}.${rest >> 8}.${rest & 255}.0/24`);
    }
  }
  throw new TypeError(`no ${count} prefixes`);
}

const SPECIAL = [10, 100, 127, 169, 172, 192, 198, 203];
