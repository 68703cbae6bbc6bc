/** Octets that nobody can guess: getrandom(2).  Not node:crypto, which takes a data plane a tenth of its start to load. */
import * as libc from "./libc.ts";

/** At most 256 octets: the kernel gives so many at once, whatever signal comes. */
export function randomOctets(length: number): Uint8Array {
  if (!(length <= 256)) throw new TypeError(`${length} random octets`);
  const octets = new Uint8Array(length);
  libc.must(Number(getrandom(octets, length, 0)), "getrandom");
  return octets;
}

const getrandom = libc.declare<(octets: Uint8Array, length: number, flags: number) => number | bigint>(
  "long getrandom(void *, ulong, uint)",
);
