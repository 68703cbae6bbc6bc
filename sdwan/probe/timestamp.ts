/**
 * Timestamps on the wire: 64 bits, as NTP writes them (RFC 5905 §6: seconds since 1900 and a fraction) or as PTP does,
 * truncated (RFC 8186 §2.1: seconds since 1970 and nanoseconds).  Inside they are milliseconds since 1970, where a double
 * is good for a quarter of a microsecond until 2248.
 */

/** The 64 bits of NTP's format as two words; 2036 begins with zero again (RFC 5905 §6: the next era). */
export function ntpOf(milliseconds: number): readonly [seconds: number, fraction: number] {
  let seconds = Math.floor(milliseconds / 1000);
  let fraction = Math.round(((milliseconds - seconds * 1000) / 1000) * 2 ** 32);
  if (fraction === 2 ** 32) {
    seconds++;
    fraction = 0;
  }
  return [(seconds + EPOCH) % 2 ** 32, fraction];
}

/** Eras: the upper half of the seconds is before 2036, the lower half after. */
export function ofNtp(seconds: number, fraction: number): number {
  const since = seconds < 2 ** 31 ? seconds + 2 ** 32 - EPOCH : seconds - EPOCH;
  return since * 1000 + (fraction * 1000) / 2 ** 32;
}

export function ofPtp(seconds: number, nanoseconds: number): number {
  return seconds * 1000 + nanoseconds / 1e6;
}

/** Seconds from 1900 to 1970. */
const EPOCH = 2_208_988_800;
