/** Followed packets: who asked for which, and the processes that send the lines (`novactl trace`). */
import type { TraceLine } from "../../base/trace.ts";
import type { ToPulse } from "../pulse/words.ts";
import type { ToRouting } from "../routing/words.ts";

export type Traced = TraceLine["protocol"];

export interface TracesParts {
  readonly pulse: (message: ToPulse) => boolean;
  readonly routing: (message: ToRouting) => boolean;
}

export class Traces {
  readonly #parts: TracesParts;
  readonly #open = new Map<number, Trace>();
  #last = 0;

  constructor(parts: TracesParts) {
    this.#parts = parts;
  }

  /** Lines until disposed, also those of a process that is started anew meanwhile. */
  follow(protocol: Traced, peer: string | undefined, line: (line: TraceLine) => void): Disposable {
    const trace: Trace = { n: ++this.#last, protocol, peer, line };
    this.#open.set(trace.n, trace);
    this.#begin(trace);
    return {
      [Symbol.dispose]: () => {
        if (!this.#open.delete(trace.n)) return;
        const end = { kind: "untrace", n: trace.n } as const;
        if (ofRouting(protocol)) this.#parts.routing(end);
        else this.#parts.pulse(end);
      },
    };
  }

  /** A process has just begun, and traces nothing. */
  greet(process: "pulse" | "routing"): void {
    for (const trace of this.#open.values()) {
      if (ofRouting(trace.protocol) === (process === "routing")) this.#begin(trace);
    }
  }
  received({ n, line }: { readonly n: number; readonly line: TraceLine }): void {
    this.#open.get(n)?.line(line);
  }

  #begin({ n, protocol, peer }: Trace): void {
    if (protocol === "bgp" || protocol === "ospf") this.#parts.routing({ kind: "trace", n, protocol, peer });
    else this.#parts.pulse({ kind: "trace", n, protocol, peer });
  }
}

interface Trace {
  readonly n: number;
  readonly protocol: Traced;
  readonly peer: string | undefined;
  readonly line: (line: TraceLine) => void;
}

function ofRouting(protocol: Traced): boolean {
  return protocol === "bgp" || protocol === "ospf";
}
