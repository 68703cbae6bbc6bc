/** The sending socket of each session, opened with its first packet and again when its interface is another one. */

import type { Clock } from "../../../base/clock.ts";
import { Fault } from "../../../base/fault.ts";
import { after, type Instant, seconds } from "../../../base/unit.ts";
import { EAGAIN, ENOBUFS, errnoName } from "../../kernel/errno.ts";
import type { Session } from "../session.ts";
import { SessionSender } from "./sockets.ts";

export type SendFailure = Readonly<Record<string, unknown>>;

export class Senders implements Disposable {
  readonly #clock: Clock;
  readonly #indexOf: (ifname: string) => number | undefined;
  readonly #senders = new Map<Session, Entry>();

  constructor(clock: Clock, indexOf: (ifname: string) => number | undefined) {
    this.#clock = clock;
    this.#indexOf = indexOf;
  }

  /** What an operator should hear: once for each reason until something works again. */
  send(session: Session, octets: Uint8Array): SendFailure | undefined {
    const entry = this.#senders.get(session) ?? this.#add(session);
    // Another local address is another session, but a stranger that control asks for later may get one.
    if (entry.local !== session.config.local) this.#shut(entry);
    entry.local = session.config.local;
    if (entry.sender === undefined) {
      if (this.#clock.now() < entry.retryAt) return undefined;
      const failure = this.#open(session, entry);
      if (failure !== undefined) return failure;
    }
    const errno = entry.sender?.send(octets) ?? 0;
    if (errno === 0) entry.told = "";
    // A queue that is full is a packet lost, which the protocol is made for.
    if (errno === 0 || errno === EAGAIN || errno === ENOBUFS) return undefined;
    return once(entry, { errno: errnoName(errno) });
  }

  close(session: Session): void {
    const entry = this.#senders.get(session);
    if (entry !== undefined) this.#shut(entry);
    this.#senders.delete(session);
  }

  renumbered(ifname: string): void {
    for (const [session, entry] of this.#senders) if (session.config.ifname === ifname) this.#shut(entry);
  }

  /** Something changed: what could not be opened may be possible now. */
  retry(): void {
    for (const entry of this.#senders.values()) entry.retryAt = this.#clock.now();
  }

  [Symbol.dispose](): void {
    for (const entry of this.#senders.values()) this.#shut(entry);
    this.#senders.clear();
  }

  #add(session: Session): Entry {
    const entry: Entry = {
      sender: undefined,
      local: session.config.local,
      retryAt: this.#clock.now(),
      told: "",
    };
    this.#senders.set(session, entry);
    return entry;
  }

  #open(session: Session, entry: Entry): SendFailure | undefined {
    const { ifname } = session.config;
    const ifindex = ifname === undefined ? undefined : this.#indexOf(ifname);
    entry.retryAt = after(this.#clock.now(), RETRY);
    if (ifname !== undefined && ifindex === undefined) return once(entry, { code: "INTERFACE_MISSING", ifname });
    try {
      entry.sender = new SessionSender(session.config, ifindex);
      return undefined;
    } catch (cause) {
      if (!(cause instanceof Fault)) throw cause;
      return once(entry, { code: cause.code, ...cause.fields });
    }
  }

  #shut(entry: Entry): void {
    entry.sender?.[Symbol.dispose]();
    entry.sender = undefined;
    entry.retryAt = this.#clock.now();
  }
}

interface Entry {
  sender: SessionSender | undefined;
  local: Session["config"]["local"];
  retryAt: Instant;
  /** The last failure that was told. */
  told: string;
}

function once(entry: Entry, failure: SendFailure): SendFailure | undefined {
  const text = JSON.stringify(failure);
  if (entry.told === text) return undefined;
  entry.told = text;
  return failure;
}

const RETRY = seconds(1);
