/** The sockets that hear, opened when something is to be heard; a port that somebody else has is tried again. */
import { type Ip, isIpv4 } from "../../../base/address.ts";
import { Fault } from "../../../base/fault.ts";
import { after, seconds } from "../../../base/unit.ts";
import { errnoName } from "../../kernel/errno.ts";
import type { DatagramMeta, Datagrams, Loop } from "../../kernel/loop.ts";
import { attach } from "../../kernel/sockets.ts";
import type { SessionConfig } from "../event.ts";
import { controlFilter, type Welcome } from "./filter.ts";
import { type Hops, openReceiver } from "./sockets.ts";

export interface ReceiverEvents {
  received(hops: Hops, bytes: Uint8Array, meta: DatagramMeta): void;
  failed(fields: Readonly<Record<string, unknown>>): void;
}

export class Receivers implements Disposable {
  readonly #loop: Loop;
  readonly #on: ReceiverEvents;
  readonly #open = new Map<string, Open>();
  #wanted: readonly Wanted[] = [];
  #again: Disposable | undefined;

  constructor(loop: Loop, on: ReceiverEvents) {
    this.#loop = loop;
    this.#on = on;
  }

  /** `strangers`: some may come, over one hop. */
  want(sessions: Iterable<SessionConfig>, strangers: boolean): void {
    const wanted = new Map<string, { least: number; sources: Ip[] | undefined } & Omit<Wanted, "key">>();
    const add = (family: 4 | 6, hops: Hops, least: number, source: Ip | undefined): void => {
      const key = `${family} ${hops}`;
      const there = wanted.get(key) ?? { family, hops, least, sources: [] };
      there.least = Math.min(there.least, least);
      if (source === undefined) there.sources = undefined;
      else if (there.sources?.includes(source) === false) there.sources.push(source);
      wanted.set(key, there);
    };
    for (const { peer, hops, minTtl } of sessions) {
      add(isIpv4(peer) ? 4 : 6, hops, hops === "single" ? 255 : minTtl, peer);
    }
    if (strangers) for (const family of [4, 6] as const) add(family, "single", 255, undefined);
    this.#wanted = [...wanted].map(([key, each]) => ({ key, ...each }));
    for (const [key, { socket }] of this.#open) {
      if (wanted.has(key)) continue;
      socket[Symbol.dispose]();
      this.#open.delete(key);
    }
    this.#try();
  }

  [Symbol.dispose](): void {
    this.#again?.[Symbol.dispose]();
    for (const { socket } of this.#open.values()) socket[Symbol.dispose]();
    this.#open.clear();
  }

  #try(): void {
    let missing = false;
    for (const each of this.#wanted) {
      const { family, hops, key } = each;
      try {
        const open = this.#open.get(key) ?? this.#opened(each);
        const filter = JSON.stringify(controlFilter(each));
        if (open.filter !== filter) attach(open.socket.fd, controlFilter(each));
        open.filter = filter;
      } catch (cause) {
        if (!(cause instanceof Fault)) throw cause;
        missing = true;
        if (this.#again === undefined) this.#on.failed({ family, hops, code: cause.code, ...cause.fields });
      }
    }
    this.#again?.[Symbol.dispose]();
    this.#again = missing ? this.#loop.wakeAt(after(this.#loop.now(), RETRY), () => this.#try()) : undefined;
  }

  #opened({ key, family, hops }: Wanted): Open {
    const socket = openReceiver(this.#loop, family, hops, {
      received: (_socket, bytes, meta) => this.#on.received(hops, bytes, meta),
      failed: (_socket, errno) => this.#on.failed({ family, hops, errno: errnoName(errno) }),
    });
    const open = { socket, filter: "" };
    this.#open.set(key, open);
    return open;
  }
}

interface Wanted extends Welcome {
  readonly key: string;
  readonly hops: Hops;
}
interface Open {
  readonly socket: Datagrams;
  /** As attached last. */
  filter: string;
}

const RETRY = seconds(5);
