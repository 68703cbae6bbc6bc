/** What the prober is asked for, and what it says: one JSON object a line on its stdout. */
export interface ProbeOrder {
  /** Probed in turn. */
  readonly targets: readonly Target[];
  /** Milliseconds between two probes. */
  readonly every: number;
  /** After so many milliseconds a probe is given up. */
  readonly timeout: number;
  /** An answer that took longer counts as outage; see outage.ts. */
  readonly late: number;
  /** Milliseconds between two reports; 0 = only the result. */
  readonly report: number;
  /** Where all probes are written at the end; see samples.ts. */
  readonly samples: string | undefined;
}

export type Target =
  /** A new connection for each GET; good is any status below 400. */
  | {
      readonly kind: "http";
      readonly address: string;
      readonly port: number;
      readonly path: string;
      readonly host: string;
    }
  /** A datagram that a responder (programs/responder.ts) returns with its name. */
  | { readonly kind: "udp"; readonly address: string; readonly port: number };

export type ProbeLine =
  | { readonly kind: "probing" }
  | { readonly kind: "report"; readonly report: ProbeReport }
  | { readonly kind: "result"; readonly report: ProbeReport };

/** Counts are since the start. */
export interface ProbeReport {
  readonly sent: number;
  readonly answered: number;
  /** Answered with an error, refused, or given up. */
  readonly failed: number;
  /** Name of the answering backend or responder → answers. */
  readonly by: Readonly<Record<string, number>>;
  /** HTTP status, "timeout", or "errno N" → probes. */
  readonly failures: Readonly<Record<string, number>>;
  /** Of the answers since the last report, milliseconds. */
  readonly latency: { readonly p50: number; readonly p99: number } | undefined;
  readonly outage: {
    /** How long the present one has lasted. */
    readonly now: number | undefined;
    readonly last: { readonly from: number; readonly length: number } | undefined;
    readonly worst: { readonly from: number; readonly length: number } | undefined;
    readonly count: number;
  };
  /** The longest time in which the prober itself sent nothing: above a few intervals, its figures are the machine's. */
  readonly stalled: number;
}
