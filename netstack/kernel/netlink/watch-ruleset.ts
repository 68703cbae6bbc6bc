/**
 * Somebody changed the nftables ruleset: a table, chain, rule or set came or went.  What changed is not read: whoever
 * depends on rules looks at them again (fence.ts: `install`).  Nothing polls.
 *
 * Elements that come and go are no news (leases do so at every heartbeat, block lists at every attack): a filter in the
 * kernel drops those notifications before they wake anybody.  The kernel puts the notifications of a transaction together,
 * so a transaction that begins with elements goes unseen, whatever else is in it; `nft` does not write such.
 */
import { after, type Instant, type Ms, ms } from "../../../base/unit.ts";
import type { BpfInstruction } from "../bpf.ts";
import { EAGAIN, EINTR, ENOBUFS } from "../errno.ts";
import { close, errno, recv } from "../libc.ts";
import type { Loop } from "../loop.ts";
import { attach } from "../sockets.ts";
import { NETLINK_NETFILTER, openListening } from "./client.ts";
import { LITTLE } from "./octets.ts";

export interface RulesetWatcher {
  /** For all that was waiting, and at most once in `pause`: others may change rules all the time. */
  changed(): void;
  failed?(errno: number): void;
}

/** Watches the network namespace that the calling thread is in. */
export function watchRuleset(loop: Loop, on: RulesetWatcher, pause: Ms = PAUSE): Disposable {
  const fd = openListening(NETLINK_NETFILTER, [NFNLGRP_NFTABLES]);
  attach(fd, FILTER);
  const listening = new Listening(loop, fd, on, pause);
  return { [Symbol.dispose]: () => listening.close() };
}

class Listening {
  readonly #loop: Loop;
  readonly #fd: number;
  readonly #on: RulesetWatcher;
  readonly #pause: Ms;
  readonly #watching: Disposable;
  readonly #buffer = new Uint8Array(4096);
  #toldAt: Instant | undefined;
  #waiting: Disposable | undefined;
  #open = true;

  constructor(loop: Loop, fd: number, on: RulesetWatcher, pause: Ms) {
    this.#loop = loop;
    this.#fd = fd;
    this.#on = on;
    this.#pause = pause;
    this.#watching = loop.watch(fd, () => this.#ready());
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#waiting?.[Symbol.dispose]();
    this.#watching[Symbol.dispose]();
    close(this.#fd);
  }

  #ready(): void {
    let news = false;
    for (let share = SHARE; share > 0; share--) {
      if (recv(this.#fd, this.#buffer, this.#buffer.length, MSG_DONTWAIT) >= 0 || errno() === ENOBUFS) news = true;
      else if (errno() === EAGAIN) break;
      else if (errno() !== EINTR) {
        const why = errno();
        this.close();
        this.#on.failed?.(why);
        return;
      }
    }
    if (!news || this.#waiting !== undefined) return;
    const due = this.#toldAt === undefined ? undefined : after(this.#toldAt, this.#pause);
    if (due === undefined || due <= this.#loop.now()) this.#tell();
    else this.#waiting = this.#loop.wakeAt(due, () => this.#tell());
  }

  #tell(): void {
    this.#waiting = undefined;
    this.#toldAt = this.#loop.now();
    this.#on.changed();
  }
}

/** The type of the first message in host order at octet 4, which classic BPF loads as if it were in network order. */
function typed(message: number): number {
  const type = (NFNL_SUBSYS_NFTABLES << 8) | message;
  return LITTLE ? ((type & 0xff) << 8) | (type >>> 8) : type;
}

const NFNLGRP_NFTABLES = 7;
const NFNL_SUBSYS_NFTABLES = 10;
const NFT_MSG_NEWSETELEM = 12;
const NFT_MSG_DELSETELEM = 14;
/** Follows every transaction, and says nothing about what was in it. */
const NFT_MSG_NEWGEN = 15;
const [LOAD_HALF, JUMP_IF_EQUAL, RETURN] = [0x28, 0x15, 0x06];
const FILTER: readonly BpfInstruction[] = [
  [LOAD_HALF, 0, 0, 4],
  [JUMP_IF_EQUAL, 3, 0, typed(NFT_MSG_NEWSETELEM)],
  [JUMP_IF_EQUAL, 2, 0, typed(NFT_MSG_DELSETELEM)],
  [JUMP_IF_EQUAL, 1, 0, typed(NFT_MSG_NEWGEN)],
  [RETURN, 0, 0, 0xffff_ffff],
  [RETURN, 0, 0, 0],
];
const PAUSE = ms(100);
const SHARE = 64;
const MSG_DONTWAIT = 0x40;
