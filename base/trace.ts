/** A line of `novactl trace`: plain data (JSON), made by the process that saw it, read by whoever asked. */
export interface TraceLine {
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly protocol: "bgp" | "ospf" | "bfd" | "arp";
  /** Of a session its peer; of ARP and neighbour discovery the address that it is about. */
  readonly peer: string;
  /** A packet received, a packet sent, a transition. */
  readonly direction: "in" | "out" | "state";
  readonly text: string;
}

/** Where an engine's driver puts what it sees; words are made only while somebody wants them. */
export interface Tracer {
  readonly active: boolean;
  line(peer: string, direction: TraceLine["direction"], text: string): void;
}

/**
 * No more than MOST_LINES lines a second, by the stamps of the lines; the first one after that says how many were left out.
 * A peer that floods us must not flood whoever watches it, nor what lies between.
 */
export function bounded(on: (line: TraceLine) => void): (line: TraceLine) => void {
  let second = 0;
  let count = 0;
  return (line) => {
    const now = Math.floor(line.at / 1000);
    if (now !== second) {
      const left = count - MOST_LINES;
      second = now;
      count = 0;
      if (left > 0)
        on({ ...line, direction: "state", text: `${left} lines left out: more than ${MOST_LINES} in a second` });
    }
    if (++count <= MOST_LINES) on(line);
  };
}

export const MOST_LINES = 2000;
