/** A secret that stands in the configuration or in a file of its own. */
export function secretOf(
  inline: string | undefined,
  file: string | undefined,
  secrets: ReadonlyMap<string, string>,
): string {
  const found = inline ?? (file === undefined ? undefined : secrets.get(file));
  // The configuration is not taken into force with a file that was not read.
  if (found === undefined) throw new TypeError(`no secret from ${file ?? "nowhere"}`);
  return found;
}
