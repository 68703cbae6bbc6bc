/** What the demo's view shows: plain data, gathered by scene.ts, drawn by view.ts. */
import type { ProbeReport } from "../../lab/probe/messages.ts";

export interface Facts {
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly vips: readonly string[];
  /** URLs for the reader's own shell. */
  readonly urls: readonly string[];
  readonly directory: string;
  readonly edges: readonly EdgeFacts[];
  readonly backends: readonly BackendFacts[];
  readonly report: ProbeReport | undefined;
  /** Answers a second over the last report. */
  readonly rate: number;
  /** The newest events of the edges, oldest first. */
  readonly events: readonly EventFact[];
}

export interface EdgeFacts {
  readonly name: string;
  readonly pids: readonly number[];
  /** "owner", "standby" … as the daemon says; "starting", "ended" by the demo. */
  readonly state: string;
  readonly term: number | undefined;
  /** Counts the configurations that this daemon took into force. */
  readonly generation: number | undefined;
  readonly why: string;
  /** When the demo starts a new daemon, as systemd would. */
  readonly restartsAt: number | undefined;
}

export interface BackendFacts {
  readonly name: string;
  readonly pid: number | undefined;
  /** Answers a second. */
  readonly rate: number;
  readonly restartsAt: number | undefined;
}

export interface EventFact {
  readonly at: number;
  readonly edge: string;
  readonly name: string;
  readonly text: string;
}

/** The edge that says it owns the virtual IP. */
export function ownerOf(facts: Facts): EdgeFacts | undefined {
  return facts.edges.find((edge) => edge.state === "owner");
}
