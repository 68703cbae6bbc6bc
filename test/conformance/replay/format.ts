/** Recordings as lines of JSON: octets are {"hex":…}, big integers {"big":…}; what is undefined stays away. */

export function line(value: unknown): string {
  return JSON.stringify(value, (_, each: unknown) => {
    if (each instanceof Uint8Array) return { hex: Buffer.from(each).toString("hex") };
    if (isBuffer(each)) return { hex: Buffer.from(each.data).toString("hex") };
    return typeof each === "bigint" ? { big: String(each) } : each;
  });
}

export function parse<T>(text: string): T {
  return JSON.parse(text, (_, each: unknown) => {
    if (typeof each !== "object" || each === null) return each;
    if ("hex" in each && typeof each.hex === "string") return new Uint8Array(Buffer.from(each.hex, "hex"));
    return "big" in each && typeof each.big === "string" ? BigInt(each.big) : each;
  }) as T;
}

/** All lines of a recording. */
export function parseAll<T>(text: string): readonly T[] {
  return text
    .split("\n")
    .filter((each) => each !== "")
    .map((each) => parse<T>(each));
}

/** A Buffer has made itself plain before anybody is asked. */
function isBuffer(value: unknown): value is { readonly type: "Buffer"; readonly data: readonly number[] } {
  return typeof value === "object" && value !== null && "type" in value && value.type === "Buffer" && "data" in value;
}
