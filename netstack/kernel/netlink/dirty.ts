/**
 * Whether links, addresses or routes may have changed since the last question: a notification socket that is emptied, not
 * read.  For Node's own event loop, which cannot wait for a netlink socket; asking costs one system call.
 */
import { close, errno, recv } from "../libc.ts";
import { NETLINK_ROUTE, openListening } from "./client.ts";

export class DirtyFlag implements Disposable {
  readonly #fd: number;
  readonly #buffer = new Uint8Array(8192);
  #open = true;

  /** For the network namespace that the calling thread is in. */
  constructor() {
    this.#fd = openListening(NETLINK_ROUTE, GROUPS);
  }

  /** True also when notifications were lost: something has changed then as well. */
  take(): boolean {
    if (!this.#open) throw new TypeError("a flag used after it was disposed");
    let dirty = false;
    for (let datagrams = 0; datagrams < MOST; datagrams++) {
      const got = recv(this.#fd, this.#buffer, this.#buffer.length, MSG_DONTWAIT);
      if (got < 0 && errno() === EAGAIN) return dirty;
      dirty = true;
    }
    return dirty;
  }

  [Symbol.dispose](): void {
    if (this.#open) close(this.#fd);
    this.#open = false;
  }
}

/** RTNLGRP_LINK, _IPV4_IFADDR, _IPV4_ROUTE, _IPV6_IFADDR, _IPV6_ROUTE (include/uapi/linux/rtnetlink.h). */
const GROUPS = [1, 5, 7, 9, 11];
const MSG_DONTWAIT = 0x40;
const EAGAIN = 11;
/** A question must end, whatever a flapping peer does to the routing table meanwhile. */
const MOST = 1_000;
