/**
 * A datagram socket on the ring: one multishot recvmsg.  Each completion is a chunk that starts with struct
 * io_uring_recvmsg_out {namelen, controllen, payloadlen, flags}, then room for the name, room for the control messages,
 * and the payload.  The chunk goes back when the handler returns.
 */

import { after, ms } from "../../../base/unit.ts";
import { CONTROL_MAX, metaOf } from "../datagram.ts";
import { ECANCELED, EINTR, ENOBUFS } from "../errno.ts";
import * as libc from "../libc.ts";
import type { DatagramHandler, Datagrams, Fd } from "../loop.ts";
import { SOCKADDR_MAX } from "../sockaddr.ts";
import * as abi from "./abi.ts";
import { GROUP } from "./buffers.ts";
import type { RingLoop } from "./ring-loop.ts";
import { PART, Part } from "./ring-parts.ts";

export class RingDatagrams extends Part implements Datagrams {
  readonly fd: Fd;
  private readonly on: DatagramHandler;
  private readonly view: DataView;
  /** Waits for a chunk. */
  private hungry = false;

  constructor(loop: RingLoop, fd: Fd, on: DatagramHandler, slot: number) {
    super(loop, slot);
    this.fd = fd;
    this.on = on;
    const { memory } = loop.pool;
    this.view = new DataView(memory.buffer, memory.byteOffset, memory.length);
  }

  send(bytes: Uint8Array, to?: Uint8Array): number {
    if (this.disposed) throw new TypeError("a datagram after dispose");
    const sent = libc.sendto(this.fd, bytes, bytes.length, NO_SIGNAL, to ?? null, to?.length ?? 0);
    return sent < 0 ? libc.errno() : 0;
  }

  protected override submit(): void {
    const { ring } = this.loop;
    const scratch = ring.prepare(RECEIVING, this.fd, 0, 1, 0, this.slot, PART, GROUP);
    ring.pointToScratch(scratch, 0, 0);
    const words = ring.scratchWords;
    const message = scratch >> 2;
    words.fill(0, message, message + 14);
    words[message + 2] = SOCKADDR_MAX; // msg_namelen
    words[message + 10] = CONTROL_MAX; // msg_controllen
  }

  protected override happened(result: number, flags: number): void {
    if ((flags & abi.CQE_BUFFER) !== 0) {
      const chunk = flags >>> 16;
      this.loop.buffers.held--;
      try {
        if (result >= HEAD) this.deliver(chunk * this.loop.pool.chunkSize, result);
      } finally {
        this.loop.pool.give(chunk);
      }
    } else if (result === -ENOBUFS && this.loop.buffers.held === 0) this.starved();
    // Netlink says ENOBUFS too, when the socket's own queue ran over.
    else if (result < 0 && result !== -ECANCELED && result !== -EINTR) this.on.failed?.(this, -result);
  }
  protected override again(result: number): boolean {
    return !this.hungry && super.again(result);
  }
  protected override discarded(_result: number, flags: number): void {
    if ((flags & abi.CQE_BUFFER) === 0) return;
    this.loop.buffers.held--;
    this.loop.pool.give(flags >>> 16);
  }
  protected override leave(): void {
    if (this.hungry && !this.loop.ending) return;
    libc.close(this.fd);
    super.leave();
  }

  /** No chunk to receive into: more are handed over if there are any, else again in a moment. */
  private starved(): void {
    if (this.loop.buffers.widen(this.loop.turns)) return;
    this.hungry = true;
    this.loop.wakeAt(after(this.loop.turnAt(), HUNGER), () => {
      this.hungry = false;
      if (this.disposed) this.leave();
      else this.arm();
    });
  }

  private deliver(at: number, length: number): void {
    const { view } = this;
    const { memory } = this.loop.pool;
    const name = Math.min(view.getUint32(at, true), SOCKADDR_MAX);
    const control = Math.min(view.getUint32(at + 4, true), CONTROL_MAX);
    const truncated = (view.getUint32(at + 12, true) & MSG_TRUNC) !== 0;
    const from = memory.subarray(at + 16, at + 16 + name);
    const messages = at + 16 + SOCKADDR_MAX;
    const meta = metaOf(memory, view, messages, messages + control, from, truncated);
    this.on.received(this, memory.subarray(at + HEAD, at + length), meta);
  }
}

const HUNGER = ms(1);
const HEAD = 16 + SOCKADDR_MAX + CONTROL_MAX;
const MSG_TRUNC = 0x20;
const NO_SIGNAL = 0x4000;
const RECEIVING = abi.OP_RECVMSG | (abi.SQE_BUFFER_SELECT << 8) | (abi.RECV_MULTISHOT << 16);
