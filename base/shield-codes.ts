/**
 * Code points by which the far end of a tunnel tells the packets of a shielded class apart.  Pure.
 *
 * While a class is shielded its packets carry, inside the tunnel only, its code point with the last two bits set to 11;
 * the copies by the second path carry it with 01.  These are the values that RFC 2474 §6 leaves to local use (pools 2 and
 * 3, xxxx11 and xxxx01), so that none of the standard ones (xxxxx0) is taken.  The far end gives the class's own back.
 */

export interface ShieldCodes {
  readonly original: number;
  readonly copy: number;
}

export function shieldCodes(dscp: number): ShieldCodes {
  return { original: dscp | 0b11, copy: (dscp & ~0b11) | 0b01 };
}

/** Whether a class with this code point can be shielded: of 0 the copies would carry LE (RFC 8622). */
export function isShieldable(dscp: number): boolean {
  return dscp >= 4 && dscp <= 62 && dscp % 2 === 0;
}

/** Bit of the connection label (0–127) of flows that came in with this code point: their answers are shielded, too. */
export function shieldLabel(dscp: number): number {
  return 64 + dscp;
}
