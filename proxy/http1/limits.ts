/** What a message may cost before it is refused.  Octets and counts; see refusal.ts for the answers. */
export interface Limits {
  /** Request or status line and fields, up to and with the empty line; also the most a trailer section may have. */
  readonly head: number;
  /** Field lines in a head; also in a trailer section. */
  readonly fields: number;
  readonly target: number;
  /** Chunk extensions of a whole body together. */
  readonly chunkExtensions: number;
}

export const LIMITS: Limits = { head: 65_536, fields: 100, target: 8_192, chunkExtensions: 4_096 };
