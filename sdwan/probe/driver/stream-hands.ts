/**
 * TCP connections to third parties: that one opens, or is refused by its target, is the answer; with HTTP, that it then
 * answers a GET.  The delay is that of the handshake, since what a server thinks about is not the path's.  A connection
 * that takes as long as TCP waits before it sends its SYN again is given up: its answer would tell of the second SYN.
 */

import { isIpv4 } from "../../../base/address.ts";
import { Fault } from "../../../base/fault.ts";
import { after, type Instant, ms, since } from "../../../base/unit.ts";
import type { Closed, Endpoint, Loop, Stream, StreamHandler } from "../../../netstack/kernel/loop.ts";
import { openTcp } from "../../../netstack/kernel/sockets.ts";
import type { PathSpec, ProbeSpec } from "../../steer-plan.ts";
import { LINE, requestOf, statusOf } from "../http-probe.ts";
import { Targets } from "../targets.ts";
import { type Failure, type Hands, type HandsParts, NOTHING_ALSO } from "./hands.ts";
import { address } from "./stamp-hands.ts";

export type StreamSpec = Extract<ProbeSpec, { readonly kind: "tcp" | "http" }>;

export class StreamHands implements Hands {
  readonly #parts: HandsParts;
  readonly #device: string;
  readonly #mark: number;
  readonly #targets: readonly Target[];
  readonly #choice: Targets;
  readonly #open = new Set<Attempt>();
  #closed = false;

  constructor(path: PathSpec, spec: StreamSpec, parts: HandsParts) {
    this.#parts = parts;
    this.#device = path.ifname;
    this.#mark = spec.mark;
    this.#targets =
      spec.kind === "tcp"
        ? spec.targets.map(({ address: ip, port }) => ({ to: { ip: address(ip), port }, request: undefined }))
        : spec.targets.map((each) => ({
            to: { ip: address(each.address), port: each.port },
            request: requestOf(each),
          }));
    this.#choice = new Targets(this.#targets.length);
  }

  ask(number: number, broad: boolean): Failure | undefined {
    let failure: Failure | undefined;
    for (const index of this.#choice.ask(number, broad)) {
      const target = this.#targets[index];
      if (target === undefined) continue;
      try {
        this.#connect(number, index, target);
      } catch (cause) {
        if (!(cause instanceof Fault)) throw cause;
        failure = { code: cause.code, ...cause.fields };
      }
    }
    return failure;
  }

  [Symbol.dispose](): void {
    this.#closed = true;
    for (const attempt of this.#open) attempt.giveUp();
  }

  #connect(number: number, index: number, { to, request }: Target): void {
    const { loop, on } = this.#parts;
    const socket = openTcp({ family: isIpv4(to.ip) ? 4 : 6, device: this.#device, mark: this.#mark });
    const attempt = new Attempt(loop, request, {
      answered: (rtt) => {
        if (this.#closed) return;
        const { main, changed } = this.#choice.answered(number, index);
        if (changed) on.targetChanged();
        on.answered({ number, arrivedAt: loop.turnAt(), rtt: main ? rtt : undefined }, NOTHING_ALSO);
      },
      refused: (kind) => {
        if (!this.#closed) on.refused(kind);
      },
      ended: () => this.#open.delete(attempt),
    });
    this.#open.add(attempt);
    attempt.begin(to, socket);
  }
}

interface Target {
  readonly to: Endpoint;
  readonly request: Uint8Array | undefined;
}

interface AttemptEvents {
  answered(rtt: number): void;
  refused(kind: string): void;
  ended(): void;
}

class Attempt implements StreamHandler {
  readonly #loop: Loop;
  readonly #request: Uint8Array | undefined;
  readonly #on: AttemptEvents;
  readonly #begun: Instant;
  readonly #patience: Disposable;
  #stream: Stream | undefined;
  #rtt: number | undefined;
  #head = new Uint8Array(0);
  #settled = false;

  constructor(loop: Loop, request: Uint8Array | undefined, on: AttemptEvents) {
    this.#loop = loop;
    this.#request = request;
    this.#on = on;
    this.#begun = loop.now();
    this.#patience = loop.wakeAt(after(this.#begun, PATIENCE), () => this.giveUp());
  }

  begin(to: Endpoint, socket: number): void {
    this.#stream = this.#loop.connect(to, this, { socket });
  }

  /** RST: the other end keeps nothing either. */
  giveUp(): void {
    this.#settled = true;
    this.#stream?.abort();
  }

  opened(stream: Stream): void {
    this.#rtt = since(this.#begun, this.#loop.turnAt());
    if (this.#request === undefined) return this.#settle();
    stream.write(this.#request);
  }

  received(_stream: Stream, chunk: number, start: number, end: number): void {
    const part = this.#loop.pool.memory.subarray(start, Math.min(end, start + LINE));
    if (!this.#settled) this.#head = Uint8Array.from([...this.#head, ...part]);
    this.#loop.release(chunk);
    if (this.#settled) return;
    const status = statusOf(this.#head);
    if (status.ok) return this.#settle();
    if (status.error.kind === "more") return;
    this.#on.refused(status.error.kind);
    this.giveUp();
  }

  ended(): void {
    if (!this.#settled) this.#on.refused("no-status");
    this.giveUp();
  }

  closed(_stream: Stream, why: Closed): void {
    this.#patience[Symbol.dispose]();
    // Whoever refuses is there, and the path to it works.
    if (!this.#settled && why.kind === "failed" && why.errno === ECONNREFUSED && this.#request === undefined) {
      this.#rtt = since(this.#begun, this.#loop.turnAt());
      this.#settle();
    }
    this.#on.ended();
  }

  #settle(): void {
    if (this.#settled) return;
    this.giveUp();
    this.#on.answered(this.#rtt ?? 0);
  }
}

/** Below the second after which a SYN is sent again (RFC 6298 §2.1). */
const PATIENCE = ms(950);
const ECONNREFUSED = 111;
