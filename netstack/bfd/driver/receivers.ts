/** The sockets that hear, opened when something is to be heard; a port that somebody else has is tried again. */
import { Fault } from "../../../base/fault.ts";
import { after, seconds } from "../../../base/unit.ts";
import { errnoName } from "../../kernel/errno.ts";
import type { DatagramMeta, Datagrams, Loop } from "../../kernel/loop.ts";
import type { BfdPlan } from "../plan.ts";
import { type Hops, openReceiver } from "./sockets.ts";

export interface ReceiverEvents {
  received(hops: Hops, bytes: Uint8Array, meta: DatagramMeta): void;
  failed(fields: Readonly<Record<string, unknown>>): void;
}

export class Receivers implements Disposable {
  readonly #loop: Loop;
  readonly #on: ReceiverEvents;
  readonly #open = new Map<string, Datagrams>();
  #wanted: readonly Wanted[] = [];
  #again: Disposable | undefined;

  constructor(loop: Loop, on: ReceiverEvents) {
    this.#loop = loop;
    this.#on = on;
  }

  /** Sockets of sessions that left stay until nothing at all is wanted: the last words of a peer are heard. */
  want(plan: BfdPlan): void {
    const wanted = plan.sessions.map(({ peer, hops }) => ({ family: peer.includes(":") ? 6 : 4, hops }) as const);
    const strangers = plan.unsolicited.length > 0 ? ([4, 6] as const) : [];
    this.#wanted = [...wanted, ...strangers.map((family) => ({ family, hops: "single" }) as const)];
    this.#try();
  }

  [Symbol.dispose](): void {
    this.#again?.[Symbol.dispose]();
    for (const socket of this.#open.values()) socket[Symbol.dispose]();
    this.#open.clear();
  }

  #try(): void {
    let missing = false;
    for (const { family, hops } of this.#wanted) {
      const key = `${family} ${hops}`;
      if (this.#open.has(key)) continue;
      try {
        const socket = openReceiver(this.#loop, family, hops, {
          received: (_socket, bytes, meta) => this.#on.received(hops, bytes, meta),
          failed: (_socket, errno) => this.#on.failed({ family, hops, errno: errnoName(errno) }),
        });
        this.#open.set(key, socket);
      } catch (cause) {
        if (!(cause instanceof Fault)) throw cause;
        missing = true;
        if (this.#again === undefined) this.#on.failed({ family, hops, code: cause.code, ...cause.fields });
      }
    }
    this.#again?.[Symbol.dispose]();
    this.#again = missing ? this.#loop.wakeAt(after(this.#loop.now(), RETRY), () => this.#try()) : undefined;
  }
}

interface Wanted {
  readonly family: 4 | 6;
  readonly hops: Hops;
}

const RETRY = seconds(5);
