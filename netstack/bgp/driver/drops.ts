/** What the kernel counts of TCP segments that it drops for their signatures or their TTL (netstat of the network namespace). */
import { readFileSync } from "node:fs";

export interface DropCounts {
  /** Signed, but not with our key. */
  readonly wrong: number;
  /** Not signed although we have a key. */
  readonly missing: number;
  /** Signed although we have no key. */
  readonly unexpected: number;
  /** From further away than the receiver allows (RFC 5082). */
  readonly far: number;
}

export function dropCounts(): DropCounts {
  const counters = countersIn(readFileSync("/proc/thread-self/net/netstat", "utf8"));
  const sum = (...names: readonly string[]): number =>
    names.reduce((total, name) => total + (counters.get(name) ?? 0), 0);
  return {
    wrong: sum("TCPMD5Failure", "TCPAOBad", "TCPAOKeyNotFound"),
    missing: sum("TCPMD5NotFound", "TCPAORequired"),
    unexpected: sum("TCPMD5Unexpected"),
    far: sum("TCPMinTTLDrop"),
  };
}

/** Pairs of lines: names, then values, both behind "TcpExt:". */
function countersIn(text: string): ReadonlyMap<string, number> {
  const lines = text.split("\n").filter((line) => line.startsWith("TcpExt:"));
  const [names = [], values = []] = lines.map((line) => line.split(" ").slice(1));
  return new Map(names.map((name, index) => [name, Number(values[index] ?? 0)]));
}
