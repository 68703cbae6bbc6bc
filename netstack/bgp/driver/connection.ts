/**
 * One TCP connection of a session: what arrives waits in an inbox and is handed on in small shares; what is to be sent
 * is pulled from the speaker only as fast as the peer takes it.  So a peer that floods is slowed down by its own TCP
 * window, and one that does not read costs a bounded queue.
 */

import { after, ms } from "../../../base/unit.ts";
import { errnoText } from "../../kernel/errno.ts";
import { type Closed, DRAIN_MARK, type Loop, type Stream, type StreamHandler } from "../../kernel/loop.ts";
import type { Connection } from "../event.ts";
import type { Shares, Task } from "./shares.ts";

/** What a connection tells; never from within a call to it. */
export interface Owner {
  readonly loop: Loop;
  readonly shares: Shares;
  /** The connection is there: its first word.  False: nobody wants it. */
  begun(link: Link): boolean;
  received(link: Link, bytes: Uint8Array): void;
  /** It failed, or the peer ended it, and all that it sent has been handed on. */
  lost(link: Link, why: string): void;
  /** More to send, `room` octets or a little more; empty: nothing waits. */
  pull(link: Link, room: number): readonly Uint8Array[];
  queued(link: Link, octets: number): void;
  /** The descriptor is closed. */
  gone(link: Link): void;
}

export class Link implements StreamHandler, Task {
  readonly connection: Connection;
  /** The other side, for counting. */
  readonly key: string;
  stream: Stream | undefined;
  readonly #owner: Owner;
  #inbox: Uint8Array[] = [];
  #inboxOctets = 0;
  /** What `lost` is to say when the inbox is empty. */
  #why: string | undefined;
  #state: "opening" | "fresh" | "open" | "told" | "shut" = "opening";
  #paused = false;
  #pulls = false;
  /** Of `queued`, what was told last. */
  #told = 0;
  #linger: Disposable | undefined;
  isGone = false;

  constructor(connection: Connection, key: string, owner: Owner) {
    this.connection = connection;
    this.key = key;
    this.#owner = owner;
  }

  /** An accepted connection: it is told of with its first share. */
  accepted(stream: Stream): void {
    this.stream = stream;
    this.opened();
  }

  /** It could not even be begun. */
  failed(why: string): void {
    this.#lose(why);
  }

  /** Updates wait for it. */
  wanted(): void {
    this.#pulls = true;
    this.#owner.shares.add(this);
  }

  send(bytes: Uint8Array): void {
    this.stream?.write(bytes);
  }

  /** Nothing is told from here on but `gone`.  What was sent leaves first, a FIN after it, unless `reset`. */
  shut(reset: boolean): void {
    if (this.#state === "shut") return;
    const opening = this.#state === "opening";
    this.#state = "shut";
    this.#inbox = [];
    this.#owner.shares.remove(this);
    const { stream } = this;
    if (stream === undefined || this.isGone) return;
    if (reset || opening) return stream.abort();
    // Closing with octets unread would be a reset, which takes our last message away from the peer: read to its FIN.
    stream.end();
    stream.resume();
    const { loop } = this.#owner;
    this.#linger = loop.wakeAt(after(loop.now(), LINGER), () => stream.abort());
  }

  /** Looks whether the kernel takes what is queued. */
  observe(): void {
    const queued = this.stream?.queued ?? 0;
    if (this.#state !== "open" || queued === this.#told) return;
    this.#told = queued;
    this.#owner.queued(this, queued);
  }
  get isSlow(): boolean {
    return this.#state === "open" && (this.#told > 0 || (this.stream?.queued ?? 0) > 0);
  }

  step(): boolean {
    if (this.#state === "fresh") {
      this.#state = "open";
      return this.#owner.begun(this) && this.#more();
    }
    if (this.#state !== "open") return false;
    const bytes = this.#take();
    if (bytes !== undefined) this.#owner.received(this, bytes);
    if (this.#state !== "open") return false;
    if (this.#inboxOctets === 0 && this.#why !== undefined) {
      this.#state = "told";
      this.#owner.lost(this, this.#why);
      return false;
    }
    this.#pull();
    return this.#more();
  }

  opened(): void {
    if (this.#state !== "opening") return;
    this.#state = "fresh";
    this.#owner.shares.add(this);
  }
  received(stream: Stream, chunk: number, start: number, end: number): void {
    const { loop } = this.#owner;
    if (this.#state !== "shut") {
      this.#inbox.push(Uint8Array.prototype.slice.call(loop.pool.memory, start, end));
      this.#inboxOctets += end - start;
      if (this.#inboxOctets >= INBOX && !this.#paused) {
        this.#paused = true;
        stream.pause();
      }
      this.#owner.shares.add(this);
    }
    loop.release(chunk);
  }
  ended(stream: Stream): void {
    if (this.#state === "shut") stream.close();
    else this.#lose("the peer closed the connection");
  }
  drained(): void {
    this.observe();
    if (this.#pulls) this.#owner.shares.add(this);
  }
  closed(_stream: Stream, why: Closed): void {
    this.#linger?.[Symbol.dispose]();
    this.isGone = true;
    this.#owner.gone(this);
    if (this.#state !== "shut") this.#lose(why.kind === "failed" ? errnoText(why.errno) : "the connection was closed");
  }

  #lose(why: string): void {
    this.#why ??= why;
    if (this.#state === "opening") this.#state = "open";
    this.#owner.shares.add(this);
  }

  #take(): Uint8Array | undefined {
    const first = this.#inbox[0];
    if (first === undefined) return undefined;
    const bytes = first.length <= SHARE ? first : first.subarray(0, SHARE);
    if (bytes === first) this.#inbox.shift();
    else this.#inbox[0] = first.subarray(SHARE);
    this.#inboxOctets -= bytes.length;
    if (this.#paused && this.#inboxOctets < INBOX / 2) {
      this.#paused = false;
      this.stream?.resume();
    }
    return bytes;
  }

  #pull(): void {
    const { stream } = this;
    if (!this.#pulls || stream === undefined || stream.queued >= DRAIN_MARK) return;
    const messages = this.#owner.pull(this, ROOM);
    if (messages.length === 0) this.#pulls = false;
    for (const message of messages) stream.write(message);
  }

  #more(): boolean {
    if (this.#state !== "open") return false;
    const pulls = this.#pulls && (this.stream?.queued ?? 0) < DRAIN_MARK;
    return this.#inboxOctets > 0 || this.#why !== undefined || pulls;
  }
}

/** Octets of routes that are worked on at once. */
const SHARE = 8192;
/** Received and not worked on yet: then the peer's window closes. */
const INBOX = 262_144;
/** Octets of updates made at once. */
const ROOM = 32_768;
/** How long a peer may take to hear our last word. */
const LINGER = ms(1000);
