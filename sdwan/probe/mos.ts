/**
 * What a telephone call over the path would be worth.  Standards: ITU-T G.107 (E-model) in its usual reduction to delay and
 * loss, G.113 Appendix I (G.711 with packet loss concealment: Ie 0, Bpl 25.1), G.107 Annex B (R to MOS).
 */

/** `delay` and `jitter` one way, milliseconds; `loss` one way, percent, random (BurstR 1).  1–4.5. */
export function mosOf(delay: number, jitter: number, loss: number): number {
  // A playout buffer of twice the jitter, and ten milliseconds in the codec.
  const heard = delay + 2 * jitter + 10;
  const impairedByDelay = 0.024 * heard + 0.11 * Math.max(0, heard - 177.3);
  const impairedByLoss = (95 * loss) / (loss + 25.1);
  const r = 93.2 - impairedByDelay - impairedByLoss;
  if (r <= 0) return 1;
  return Math.max(1, Math.min(4.5, 1 + 0.035 * r + r * (r - 60) * (100 - r) * 7e-6));
}
