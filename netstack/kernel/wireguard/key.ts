/** WireGuard keys: base64 as wg(8) writes them, octets as the kernel has them, hexadecimal as UAPI does. */

export const KEY_LENGTH = 32;

/** Of a key that was checked where it came in; another one is a bug. */
export function octetsOfKey(key: string): Uint8Array {
  const octets = Buffer.from(key, "base64");
  if (octets.length !== KEY_LENGTH || octets.toString("base64") !== key) throw new TypeError("not a WireGuard key");
  return octets;
}

/** undefined for all zeros, which stands for "no key", and for any other length. */
export function keyOfOctets(octets: Uint8Array): string | undefined {
  if (octets.length !== KEY_LENGTH || octets.every((octet) => octet === 0)) return undefined;
  return Buffer.from(octets).toString("base64");
}

export function hexOfKey(key: string): string {
  return Buffer.from(octetsOfKey(key)).toString("hex");
}
