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
