/** What is known of a path from measuring it: plain data (JSON).  Times in milliseconds, losses in percent (0–100). */

/** One window of measurements of one path. */
export interface PathFigures {
  /** Of the wall clock, milliseconds since the epoch: figures are kept and replayed. */
  readonly at: number;
  /** Round trip without the time spent in the reflector; undefined: no answer in the window. */
  readonly rtt: Spread | undefined;
  /** RFC 3550 §6.4.1 interarrival jitter, to the peer and back; undefined where only round trips are seen. */
  readonly jitterOut: number | undefined;
  readonly jitterBack: number | undefined;
  /** The same of round trips; what there is of paths where only those are seen. */
  readonly jitterRound?: number | undefined;
  /** Of round trips: probes and what traffic itself tells (counters of both ends), over the longest window. */
  readonly loss: LossEstimate;
  readonly lossOut: LossEstimate | undefined;
  readonly lossBack: LossEstimate | undefined;
  /**
   * What the newest half second or so tells, of the worse direction, from traffic's counters where there is enough of it,
   * else from the newest probes: a breach shows here first; `low` over a threshold is sure, `percent` may be chance.
   */
  readonly lossRecent?: LossEstimate | undefined;
  /**
   * Packets whose fate is known, probes and traffic together, since the path was first measured: differences of two
   * readings are new packets, which is what evidence is gathered from (sdwan/choose).  undefined: the windows must do.
   */
  readonly counted?: CountedPackets | undefined;
  /** Differences that jitter is made of, in the same way: each is news of its own, while the smoothed figures lag. */
  readonly varied?: Variations | undefined;
  /** Probes that have no answer although it is late by now: lost, or about to come. */
  readonly overdue?: number | undefined;
  /** Share of answers that came after a later one, and of those that came twice, in percent. */
  readonly reordered: number;
  readonly duplicated: number;
  /** ITU-T G.107 with G.711 and packet loss concealment: 1–4.5; undefined without an answer. */
  readonly mos: number | undefined;
  /** Bits per second that the path carries for us now, by the counters of its device. */
  readonly bitsOut: number;
  readonly bitsBack: number;
}

export interface Spread {
  /** Exponentially weighted (α of the plan). */
  readonly smoothed: number;
  readonly least: number;
  readonly median: number;
  readonly p95: number;
  /** Median of the few newest: what a sudden change shows in first. */
  readonly recent: number;
}

/** A share of packets lost, with how sure it is: Wilson's interval at 99 %. */
export interface LossEstimate {
  readonly percent: number;
  readonly low: number;
  readonly high: number;
  /** Packets that it is made of. */
  readonly of: number;
}

/** Hard facts about a path that wait for no window. */
export type PathLife =
  | { readonly kind: "alive" }
  /** Not measured long enough to say. */
  | { readonly kind: "unknown"; readonly why: string }
  | { readonly kind: "dead"; readonly why: string };

/** By direction; `round` where the two are not told apart. */
export interface CountedPackets {
  readonly out: PacketCount | undefined;
  readonly back: PacketCount | undefined;
  readonly round: PacketCount | undefined;
}

/** By direction; `round` where only round trips are seen. */
export interface Variations {
  readonly out: Varied | undefined;
  readonly back: Varied | undefined;
  readonly round: Varied | undefined;
}

/** Both grow.  `sum`: of absolute differences between the transit times of two packets, in milliseconds. */
export interface Varied {
  readonly of: number;
  readonly sum: number;
}

/** Grows; a late answer may take a loss back. */
export interface PacketCount {
  readonly of: number;
  readonly lost: number;
}
