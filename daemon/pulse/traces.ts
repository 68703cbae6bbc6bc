/** Who wants to see packets, and of what: `novactl trace`.  Bounded, because a trace that nobody ends goes on. */
import { bounded, type TraceLine, type Tracer } from "../../base/trace.ts";

export class Traces {
  readonly #wanted = new Map<number, Wanted>();
  readonly #tell: (n: number, line: TraceLine) => void;
  readonly #wall: () => number;

  constructor(tell: (n: number, line: TraceLine) => void, wall: () => number) {
    this.#tell = tell;
    this.#wall = wall;
  }

  begin(n: number, protocol: Protocol, peer: string | undefined): void {
    this.#wanted.set(n, { protocol, peer, on: bounded((line) => this.#tell(n, line)) });
    // The oldest gives way.
    for (const old of this.#wanted.keys()) {
      if (this.#wanted.size <= MOST) return;
      this.#wanted.delete(old);
    }
  }
  end(n: number): void {
    this.#wanted.delete(n);
  }

  endAll(): void {
    this.#wanted.clear();
  }

  of(protocol: Protocol): Tracer {
    const wanted = this.#wanted;
    return {
      get active() {
        if (wanted.size === 0) return false;
        return [...wanted.values()].some((each) => each.protocol === protocol);
      },
      line: (peer, direction, text) => this.#line({ at: this.#wall(), protocol, peer, direction, text }),
    };
  }

  #line(line: TraceLine): void {
    for (const { protocol, peer, on } of this.#wanted.values()) {
      if (protocol === line.protocol && (peer === undefined || peer === line.peer)) on(line);
    }
  }
}

type Protocol = "bfd" | "arp";
interface Wanted {
  readonly protocol: Protocol;
  readonly peer: string | undefined;
  readonly on: (line: TraceLine) => void;
}

const MOST = 16;
