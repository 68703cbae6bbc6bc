/** The name that was probably meant: the smallest edit distance (insertions, deletions, replacements, swaps). */
export function nearest(written: string, names: Iterable<string>): string | undefined {
  let best: string | undefined;
  // A third of the letters may be wrong: more is a guess that misleads.
  let bound = Math.max(1, Math.floor(written.length / 3)) + 1;
  for (const name of names) {
    if (name.toLowerCase() === written.toLowerCase()) return name;
    if (Math.abs(name.length - written.length) >= bound) continue;
    const distance = edits(written.toLowerCase(), name.toLowerCase());
    if (distance < bound) {
      bound = distance;
      best = name;
    }
  }
  return best;
}

/** Optimal string alignment distance. */
export function edits(a: string, b: string): number {
  let before: number[] = [];
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const current = [i];
    for (let j = 1; j <= b.length; j++) {
      const replace = (previous[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      let least = Math.min(replace, (previous[j] ?? 0) + 1, (current[j - 1] ?? 0) + 1);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        least = Math.min(least, (before[j - 2] ?? 0) + 1);
      }
      current.push(least);
    }
    before = previous;
    previous = current;
  }
  return previous[b.length] ?? 0;
}
